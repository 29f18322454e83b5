"""Laying a bitmask over logits in main memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from grammar import _native
from grammar.errors import MaskShapeError

if TYPE_CHECKING:
    import torch

_SIMD: str | None = None  # the fastest that the processor has; tests name each
# By name: importing torch takes a second, and what only reads grammars (an index, a command) has no need of it.
_TYPES = {"torch.bfloat16": "bfloat16", "torch.float16": "float16", "torch.float32": "float32"}


def can_mask(logits: torch.Tensor) -> bool:
    """Say whether logits are of a kind that `mask_logits` takes."""
    return logits.is_cpu and str(logits.dtype) in _TYPES and logits.dim() == 2 and logits.stride(1) == 1


def mask_logits(
    logits: torch.Tensor, bitmask: npt.NDArray[np.int32], rows: Sequence[int], mask_rows: Sequence[int]
) -> list[bool]:
    """Set to minus infinity what a bitmask does not allow; say of each row whether its largest number was so set.

    logits     bfloat16, float16 or float32 [N, V] in main memory, rows contiguous; changed in place
    bitmask    int32[B, >= ceil(V / 32)], rows contiguous, bit 1 is allowed (`Tensor.numpy()` of a tensor)
    rows       rows of logits to mask; the others stay as they are
    mask_rows  the row of the bitmask for each of them
    Of equal numbers the first counts as the largest, as in argmax.
    Cost       40 µs for a row of 151,936 in bfloat16; the GIL is released
    Raises     MaskShapeError
    """
    if not can_mask(logits):
        raise MaskShapeError(
            f"expected half or single precision [N, V] on the CPU, got {logits.dtype}{list(logits.shape)}"
        )
    num_words = (logits.shape[1] + 31) // 32
    if bitmask.dtype != np.int32 or bitmask.ndim != 2 or bitmask.strides[1] != bitmask.itemsize:
        raise MaskShapeError(f"expected a bitmask int32[B, W], got {bitmask.dtype}{list(bitmask.shape)}")
    if bitmask.shape[1] < num_words:
        raise MaskShapeError(f"expected a bitmask of at least {num_words} words, got {bitmask.shape[1]}")
    if len(rows) != len(mask_rows):
        raise MaskShapeError(f"expected a row of the bitmask for each of {len(rows)}, got {len(mask_rows)}")
    for name, wanted, count in (("logits", rows, len(logits)), ("the bitmask", mask_rows, len(bitmask))):
        if any(not 0 <= row < count for row in wanted):
            raise MaskShapeError(f"expected rows of {name} below {count}, got {list(wanted)}")
    return _native.mask_logits(
        _TYPES[str(logits.dtype)],
        logits.data_ptr(),
        logits.stride(0) * logits.element_size(),
        rows,
        bitmask.ctypes.data,
        bitmask.strides[0],
        mask_rows,
        logits.shape[1],
        _SIMD,
    )
