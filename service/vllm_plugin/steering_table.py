"""Which delta each token of a batch gets: fixed buffers, filled before a forward pass, read within it.

    mixes of the batch ──► slots ──► deltas[i]  dtype[S + 1, H] for steered layer i; row 0 adds nothing
                              └────► rows       int64[T]: each token's slot; 0 for whoever is not steered, and padding

The buffers never move and their shapes never change, so a compiled or captured (CUDA graph) forward pass reads what
was put there last. Knows no vLLM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from adapters import Mix


class SteeringTable:
    """The buffers of one model on one device.

    delta_of   gives a mix's float32[L, H], row i for steered layer i
    num_slots  different mixes at once: as many as a batch has sequences
    Memory     num_slots x H values for each steered layer
    """

    def __init__(
        self,
        delta_of: Callable[[Mix], npt.NDArray[np.float32]],
        num_layers: int,
        *,
        num_slots: int,
        num_tokens: int,
        hidden_size: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._delta_of = delta_of
        # x + -0.0 is x for every x, down to the sign of a zero; x + 0.0 turns -0.0 into 0.0.
        self.deltas = [
            torch.full((num_slots + 1, hidden_size), -0.0, dtype=dtype, device=device)
            for _ in range(num_layers)
        ]
        self.rows = torch.zeros(num_tokens, dtype=torch.int64, device=device)
        # Least recently used first.
        self._slots: dict[Mix, int] = {}
        self._free = list(range(num_slots, 0, -1))
        self._steered_tokens = 0

    def fill(self, mixes: Sequence[Mix], token_counts: Sequence[int]) -> None:
        """Set the rows for a batch: sequence i has the mix i and the next `token_counts[i]` tokens.

        Cost  nothing when neither this batch nor the last one is steered; else one copy of the rows, and one of L rows
              for each mix that has no slot yet.
        """
        if not any(mixes):
            self._clear(0)
            return
        slots = self._take_slots(mixes)
        rows = torch.repeat_interleave(torch.tensor(slots), torch.tensor(list(token_counts)))
        self.rows[: len(rows)].copy_(rows)
        self._clear(len(rows))

    def _clear(self, first: int) -> None:
        """Unsteer the tokens from `first` on, as far as a batch before this one steered them."""
        if self._steered_tokens > first:
            self.rows[first : self._steered_tokens].zero_()
        self._steered_tokens = first

    def _take_slots(self, mixes: Sequence[Mix]) -> list[int]:
        wanted = {mix for mix in mixes if mix}
        for mix in wanted & self._slots.keys():
            self._slots[mix] = self._slots.pop(mix)
        for mix in wanted - self._slots.keys():
            self._slots[mix] = self._write(mix)
        return [self._slots[mix] if mix else 0 for mix in mixes]

    def _write(self, mix: Mix) -> int:
        delta = torch.from_numpy(self._delta_of(mix))
        # What this batch wants was just moved to the end, and there are as many slots as sequences in a batch.
        slot = self._free.pop() if self._free else self._slots.pop(next(iter(self._slots)))
        for table, row in zip(self.deltas, delta, strict=True):
            table[slot].copy_(row)
        return slot
