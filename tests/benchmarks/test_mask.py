"""The mask's cost: two arms of one service, the same prompts, and a ratio that is of real tokens."""

from __future__ import annotations

import itertools

from benchmarks.closed_loop import Case, Run
from benchmarks.mask import MaskPlan, MaskResult, mask_section
from benchmarks.workload import code_beginnings, masked_call


def run_of(case: Case, seconds: float, tokens: int) -> Run:
    return Run(case, seconds, prompt_tokens=1, completion_tokens=tokens, digests=())


def test_the_ratio_is_of_tokens_a_second() -> None:
    (case,) = MaskPlan(batches=(8,), rounds=2).cases()
    result = MaskResult(
        case, [run_of(case, 2.0, 200)] * 2, [run_of(case, 2.0, 196)] * 2, {False: [], True: []}
    )
    assert result.ratio == 0.98
    assert abs(result.added_seconds - 8 * (1 / 98 - 1 / 100)) < 1e-12
    result.texts = {False: ["a" * 90, "b" * 90], True: ["a" * 50 + "x" * 40, "c" * 90]}
    assert result.same_answers == 0.5
    (table,) = mask_section([result], MaskPlan(batches=(8,), rounds=2)).tables
    assert table.rows[0][-1] == "pass"
    assert "| 8 | 100.0" in table.markdown()


def test_cases_share_no_prompt() -> None:
    cases = MaskPlan().cases()
    numbers = [n for case in cases for n in range(case.first_prompt, case.first_prompt + case.num_requests)]
    assert len(set(numbers)) == len(numbers)
    prompts = list(itertools.islice(code_beginnings(3), 20))
    assert len(set(prompts)) == 20


def test_the_arms_differ_in_the_mask_alone() -> None:
    off, masked = (masked_call("x", 5, masked=on).body for on in (False, True))
    assert masked.pop("codefusion") == {"syntax": "enforce", "language": "python"}
    assert off == masked
