"""Bitmasks over logits in main memory, against the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from grammar import _native, can_mask, mask_logits
from grammar.errors import MaskShapeError

DTYPES = [torch.bfloat16, torch.float16, torch.float32]
WIDTHS = [1, 31, 32, 104, 256, 1000, 8192, 20_000]  # blocks have 8192


@pytest.fixture(params=_native.simd_here(), autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way that this processor has."""
    monkeypatch.setattr("grammar.logits._SIMD", request.param)
    return request.param


def random_bitmask(rows: int, width: int, generator: np.random.Generator) -> Any:
    words = generator.integers(-(2**31), 2**31, (rows, (width + 31) // 32 + 1), dtype=np.int32)
    # Words of masks are mostly empty or full, and each kind has a way of its own.
    kinds = generator.integers(0, 3, words.shape)
    return np.where(kinds == 0, 0, np.where(kinds == 1, -1, words)).astype(np.int32)


def allowed(mask: Any, width: int) -> torch.Tensor:
    return torch.tensor([bool(int(mask[j // 32]) >> (j % 32) & 1) for j in range(width)])


def test_the_fastest_way_is_taken() -> None:
    assert _native.simd_here()[0] == "baseline"
    with pytest.raises(ValueError, match="no mmx"):
        _native.mask_logits("float32", 0, 0, [], 0, 0, [], 0, "mmx")


@pytest.mark.parametrize("dtype", DTYPES)
def test_of_equal_numbers_in_different_blocks_the_first_counts(dtype: torch.dtype) -> None:
    width = 30_000
    for first, second in ((5, 25_000), (8191, 8192), (9000, 9001), (29_999, 29_998), (20_000, 3)):
        logits = torch.full((1, width), -1.0, dtype=dtype)
        logits[0, [first, second]] = 2.0
        bits = np.ones(-(-width // 32) * 32, dtype=np.uint8)
        bits[first] = 0
        bitmask = np.packbits(bits, bitorder="little").view(np.int32)[None]
        assert mask_logits(logits, bitmask, [0], [0]) == [first < second]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_not_allowed_becomes_minus_infinity_and_the_rest_stays(
    dtype: torch.dtype, width: int
) -> None:
    generator = np.random.default_rng(width)
    bitmask = random_bitmask(6, width, generator)
    # Whole numbers of a small range: equal ones are frequent, as in half precision, and some rows are all negative.
    numbers = generator.integers(-4, 5, (8, width)) - 6 * (np.arange(8) % 2)[:, None]
    logits = torch.from_numpy(numbers).to(dtype)
    before = logits.clone()
    rows, mask_rows = [6, 0, 3, 1], [0, 5, 2, 2]
    taken = mask_logits(logits, bitmask, rows, mask_rows)
    for row, mask_row, is_taken in zip(rows, mask_rows, taken, strict=True):
        is_allowed = allowed(bitmask[mask_row], width)
        expected = torch.where(is_allowed, before[row], torch.full_like(before[row], float("-inf")))
        assert torch.equal(logits[row], expected)
        first = int(np.argmax(before[row].float().numpy()))
        assert is_taken == (not bool(is_allowed[first]))
    for row in (2, 4, 5, 7):
        assert torch.equal(logits[row], before[row])


@pytest.mark.parametrize("dtype", DTYPES)
def test_infinities_and_zeros_of_both_signs_keep_their_order(dtype: torch.dtype) -> None:
    inf = float("inf")
    for values, first in (([-inf, -1.0], 1), ([1.0, inf], 1), ([-inf, -inf], 0), ([-0.0, -1.0], 0)):
        logits = torch.tensor([values], dtype=dtype)
        bitmask = np.array([[1 << first]], dtype=np.int32)
        assert mask_logits(logits, bitmask, [0], [0]) == [False]
        assert float(logits[0, 1 - first]) == -inf


def test_rows_need_not_lie_next_to_each_other() -> None:
    storage = torch.arange(40, dtype=torch.float32).reshape(4, 10)
    logits = storage[::2, :8]
    assert can_mask(logits)
    assert mask_logits(logits, np.array([[0x0F]], dtype=np.int32), [1], [0]) == [True]
    assert storage[2].tolist() == [20, 21, 22, 23, *[float("-inf")] * 4, 28, 29]
    assert storage[[0, 1, 3]].isfinite().all()


def test_what_cannot_be_masked_is_refused() -> None:
    logits, bitmask = torch.zeros(2, 64), np.zeros((2, 2), dtype=np.int32)
    cases: list[tuple[Any, ...]] = [
        (torch.zeros(2, 64, dtype=torch.float64), bitmask, [0], [0], r"float64\[2, 64\]"),
        (torch.zeros(64), bitmask, [0], [0], r"float32\[64\]"),
        (logits.T, bitmask, [0], [0], "on the CPU"),
        (logits, bitmask.astype(np.int64), [0], [0], "int64"),
        (logits, bitmask[:, ::2], [0], [0], "int32"),
        (logits, bitmask[:, :1], [0], [0], "at least 2 words, got 1"),
        (logits, bitmask, [0, 1], [0], "each of 2, got 1"),
        (logits, bitmask, [2], [0], r"rows of logits below 2, got \[2\]"),
        (logits, bitmask, [0], [-1], r"the bitmask below 2, got \[-1\]"),
    ]
    for wrong, mask, rows, mask_rows, message in cases:
        with pytest.raises(MaskShapeError, match=message):
            mask_logits(wrong, mask, rows, mask_rows)
    assert torch.equal(logits, torch.zeros(2, 64))
