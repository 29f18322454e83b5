"""The published solutions pass in the sandbox, and programs that do nothing fail."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import (
    Isolation,
    Limits,
    Returned,
    Status,
    outputs_agree,
    run,
    run_calls,
    run_stdin,
    values_agree,
)

Problem = dict[str, Any]
LIMITS = Limits(cpu_seconds=10.0, wall_seconds=30.0)


def _judge(problem: Problem, body: str, isolation: Isolation) -> Status:
    entry_point, prompt = problem["entry_point"], problem["prompt"]
    verdict = run(
        prompt + body,
        problem["test"],
        limits=LIMITS,
        entry_point=entry_point,
        prelude=prompt,
        isolation=isolation,
    )
    return verdict.status


def _judge_all(problems: list[Problem], isolation: Isolation) -> None:
    refused = [
        p["task_id"] for p in problems if _judge(p, p["canonical_solution"], isolation) is not Status.PASSED
    ]
    assert refused == []
    believed = [p["task_id"] for p in problems if _judge(p, "    return None\n", isolation) is Status.PASSED]
    assert believed == []


def test_solutions_of_twenty_problems_pass(human_eval: list[Problem], best_isolation: Isolation) -> None:
    _judge_all(human_eval[::8][:20], best_isolation)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_solutions_of_all_problems_pass(human_eval: list[Problem], best_isolation: Isolation) -> None:
    _judge_all(human_eval, best_isolation)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_solutions_of_sanitized_mbpp_pass(data: Path, best_isolation: Isolation) -> None:
    problems = json.loads((data / "mbpp" / "sanitized-mbpp.json").read_text())
    refused: list[int] = []
    for problem in problems:
        tests = "\n".join([*problem["test_imports"], *problem["test_list"]])
        verdict = run(problem["code"], tests, limits=LIMITS, isolation=best_isolation)
        if not verdict.is_passed:
            refused.append(problem["task_id"])
    assert refused == []


def _rows(path: Path, count: int) -> list[Problem]:
    with gzip.open(path, "rt", encoding="utf-8") as source:
        return [json.loads(next(source)) for _ in range(count)]


def test_reference_agrees_with_itself_on_plus_inputs(data: Path, best_isolation: Isolation) -> None:
    for problem in _rows(data / "humanevalplus" / "HumanEvalPlus-Mini.jsonl.gz", 5):
        program = problem["prompt"] + problem["canonical_solution"]
        inputs = problem["base_input"] + problem["plus_input"]
        calls = [
            run_calls(program, problem["entry_point"], inputs, LIMITS, isolation=best_isolation) for _ in "ab"
        ]
        assert len(calls[0].answers) == len(inputs)
        for expected, got in zip(calls[0].answers, calls[1].answers, strict=True):
            assert isinstance(expected, Returned)
            assert isinstance(got, Returned)
            assert values_agree(expected.value, got.value, problem["atol"])


def test_competition_solutions_pass_their_cases(data: Path, best_isolation: Isolation) -> None:
    path = data / "codecontests" / "codecontests_train_subset390.jsonl.gz"
    passed = 0
    for problem in _rows(path, 10):
        cases = list(zip(problem["tests"]["input"], problem["tests"]["output"], strict=True))[:3]
        verdict = run_stdin(problem["solution_python3"], "python", cases, LIMITS, isolation=best_isolation)
        passed += verdict.is_passed
        assert not outputs_agree("no such answer", cases[0][1])
    assert passed >= 7  # one in six is known to disagree, mostly where any answer is right
