"""The rows of a batch under the mask: against the definition, and against vLLM's own way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from service.vllm_plugin.changed_tokens import ChangeCounter

WIDTH = 104  # no multiple of 32: the bitmask's last word is longer than the logits


def bitmask(rows: int, generator: np.random.Generator) -> Any:
    return generator.integers(-(2**31), 2**31, (rows, (WIDTH + 31) // 32), dtype=np.int32)


def by_definition(logits: torch.Tensor, mask: Any) -> torch.Tensor:
    is_allowed = [bool(int(mask[j // 32]) >> (j % 32) & 1) for j in range(WIDTH)]
    return torch.where(torch.tensor(is_allowed), logits, torch.full_like(logits, float("-inf")))


def batch() -> tuple[Any, Any, Any]:
    """Five rows: two of a masked request with a guess, one of another without a mask, one masked, one that left."""
    guessed = {"a": [3]}
    scheduled = SimpleNamespace(scheduled_spec_decode_tokens=guessed)
    # The bitmask has an order of its own; "gone" is in it and no longer in the batch.
    masks = bitmask(4, np.random.default_rng(2))
    grammar = SimpleNamespace(structured_output_request_ids=["c", "gone", "a"], grammar_bitmask=masks)
    return scheduled, grammar, SimpleNamespace(req_ids=["a", "b", "c"])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_each_row_of_a_batch_gets_its_own_mask(dtype: torch.dtype) -> None:
    scheduled, grammar, inputs = batch()
    logits = torch.from_numpy(np.random.default_rng(3).normal(size=(4, WIDTH))).to(dtype)
    before = logits.clone()

    def never(*_: Any) -> None:
        raise AssertionError("vLLM's own way was taken")

    counter = ChangeCounter(never)
    counter(scheduled, grammar, inputs, logits)
    masks = grammar.grammar_bitmask
    for row, mask in enumerate((masks[2], masks[3], None, masks[0])):
        assert torch.equal(logits[row], before[row] if mask is None else by_definition(before[row], mask))
    expected = {
        "a": [_is_changed(before[0], masks[2]), _is_changed(before[1], masks[3])],
        "c": [_is_changed(before[3], masks[0])],
    }
    assert counter.take() == expected
    assert counter.take() == {}


def _is_changed(logits: torch.Tensor, mask: Any) -> bool:
    return bool(by_definition(logits, mask)[logits.argmax()] == float("-inf"))


def test_logits_of_another_kind_are_left_to_vllm_and_not_counted() -> None:
    scheduled, grammar, inputs = batch()
    logits = torch.zeros(4, WIDTH, dtype=torch.float64)
    given: list[tuple[Any, ...]] = []
    counter = ChangeCounter(lambda *arguments: given.append(arguments))
    counter(scheduled, grammar, inputs, logits)
    assert given == [(scheduled, grammar, inputs, logits)]
    assert counter.take() == {}


def test_a_batch_is_masked_as_vllm_masks_it() -> None:
    utils: Any = pytest.importorskip("vllm.v1.structured_output.utils", reason="vLLM is not here")
    scheduled, grammar, inputs = batch()
    logits = torch.from_numpy(np.random.default_rng(4).normal(size=(4, WIDTH))).to(torch.bfloat16)
    theirs = logits.clone()
    ChangeCounter(utils.apply_grammar_bitmask)(scheduled, grammar, inputs, logits)
    utils.apply_grammar_bitmask(scheduled, grammar, inputs, theirs)
    assert torch.equal(logits, theirs)
