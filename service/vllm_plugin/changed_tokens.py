"""Counting what the mask changes: in the worker, where the logits are, before the mask is laid over them.

A step counts as changed when the model's likeliest token was not allowed. That is exact for greedy decoding; with a
temperature the token that would have been drawn is not known, and this is the nearest thing that can be.

Only for logits in main memory: numpy finds the largest of 150,000 in 4 to 7 µs a row, where a second pass on a GPU
would have to be waited for. Elsewhere nothing is counted, and the report says null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from service.vllm_plugin.logit_mask import LogitMask

Apply = Callable[..., None]
# Which steps were changed, by request: one flag for each row (guessed tokens have rows of their own).
Flags = dict[str, list[bool]]


class ChangeCounter:
    """Stands for vLLM's function that lays the bitmask over the logits; `take` gives what the last step changed."""

    def __init__(self, apply: Apply) -> None:
        self._apply = apply
        self._flags: Flags = {}
        self._mask: LogitMask | None = None

    def take(self) -> Flags:
        """Give the last step's flags, once."""
        flags, self._flags = self._flags, {}
        return flags

    def __call__(
        self, scheduler_output: Any, grammar_output: Any, input_batch: Any, logits: torch.Tensor
    ) -> None:
        """Count, then apply."""
        rows: list[MaskedRow] = []
        if logits.is_cpu:
            rows = list(masked_rows(scheduler_output, grammar_output, input_batch))
            for row in rows:
                is_changed = not _allows(row.mask, likeliest(logits[row.number]))
                self._flags.setdefault(row.request_id, []).append(is_changed)
        if not LogitMask.can_take(logits):
            self._apply(scheduler_output, grammar_output, input_batch, logits)
            return
        self._mask = self._mask or LogitMask(logits.dtype, logits.shape[-1])
        for row in rows:
            self._mask.lay(logits[row.number], row.mask)


class MaskedRow(NamedTuple):
    """A row of logits, by its number, and the row of the bitmask that is for it."""

    request_id: str
    number: int
    mask: npt.NDArray[np.int32]


def masked_rows(scheduler_output: Any, grammar_output: Any, input_batch: Any) -> Iterator[MaskedRow]:
    """Bring the logits' rows and the bitmask's together: each request has one, and one more for each guess."""
    guessed: dict[str, list[int]] = scheduler_output.scheduled_spec_decode_tokens
    firsts, index = dict[str, int](), 0
    for request_id in input_batch.req_ids:
        firsts[request_id] = index
        index += 1 + len(guessed.get(request_id, ()))
    masks: npt.NDArray[np.int32] = grammar_output.grammar_bitmask
    mask = 0
    for request_id in grammar_output.structured_output_request_ids:
        size = 1 + len(guessed.get(request_id, ()))
        if request_id in firsts:
            for i in range(size):
                yield MaskedRow(request_id, firsts[request_id] + i, masks[mask + i])
        mask += size


def _allows(row: npt.NDArray[np.int32], token: int) -> bool:
    return bool((int(row[token // 32]) >> (token % 32)) & 1)


def likeliest(logits: torch.Tensor) -> int:
    """Give the index of the largest of a row of logits."""
    if logits.dtype in (torch.bfloat16, torch.float16):
        # Positive floats order as their bits do, and numpy reads no bfloat16. All negative is rare: then convert.
        index = int(np.argmax(logits.view(torch.int16).numpy()))
        if float(logits[index]) > 0:
            return index
    return int(np.argmax(logits.float().numpy()))
