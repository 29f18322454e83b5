from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from evaluation.errors import SandboxMissingError
from evaluation.extraction import program_of
from evaluation.oracles import is_right
from evaluation.problems import AssertCode, Calls, Form, Problem, Stdin
from evaluation.scoring import Scorer, literal
from evaluation.suites.python_functions import human_eval
from tests.evaluation.rows import human_eval_row

ASSERTS = human_eval(human_eval_row())
CALLS = dataclasses.replace(ASSERTS, checks=Calls("[[1, 2], [0.1, 0.2], [(1,), (2,)]]", "[3, 0.3, (1, 2)]"))
STDIN = Problem("own", "Own/1", "python", Form.PROGRAM, "Double.", Stdin((("1", "2"), ("4", "8"))))


@pytest.fixture
async def scorer() -> AsyncGenerator[Scorer]:
    try:
        made = Scorer()
    except SandboxMissingError as error:
        pytest.skip(f"no sandbox works here: {error}")
    async with made:
        yield made


async def judged(scorer: Scorer, problem: Problem, program: str) -> dict[str, Any]:
    return await scorer.score(
        problem, {"task_id": problem.task_id, "seed": 0, "index": 0, "program": program}
    )


ADD = "def add(a, b):\n    return a + b\n"


@pytest.mark.parametrize("problem", [ASSERTS, CALLS])
@pytest.mark.parametrize(
    ("program", "status", "executed", "parses"),
    [
        (ADD, "passed", True, True),
        ("def add(a, b):\n    return a - b if a != b else None\n", "failed", None, True),
        ("def add(a, b):\n    return 4\n", "failed", True, True),
        ("def add(a, b):\n    raise KeyError\n", "failed", False, True),
        ("raise ValueError\n", "failed", False, True),
        ("def add(a, b)\n", "compile_error", False, False),
        ("def add(a, b):\n    import os\n    os._exit(0)\n", "crashed", False, True),
        ("def add(a, b):\n    return a + b\0\n", "compile_error", False, False),
        ("x = '\ud800'\n", "compile_error", False, False),
    ],
)
async def test_python_functions(
    scorer: Scorer, problem: Problem, program: str, status: str, executed: bool | None, parses: bool
) -> None:
    verdict = await judged(scorer, problem, program)
    assert verdict["status"] == status, verdict["detail"]
    assert verdict["parses"] is parses
    assert executed is None or verdict["executed"] is executed


@pytest.mark.parametrize(
    ("program", "status", "executed"),
    [
        ("print(2 * int(input()))", "passed", True),
        ("print(int(input()) + 1)", "failed", True),
        ("print(2 *", "compile_error", False),
        ("raise SystemExit(3)", "crashed", False),
    ],
)
async def test_programs_from_stdin(scorer: Scorer, program: str, status: str, executed: bool) -> None:
    verdict = await judged(scorer, STDIN, program)
    assert (verdict["status"], verdict["executed"]) == (status, executed)


async def test_an_endless_answer_ends(scorer: Scorer) -> None:
    assert (await judged(scorer, ASSERTS, "def add(a, b):\n    while True: pass\n"))["status"] == "timeout"


async def test_a_value_that_cannot_leave_its_process_is_judged_where_it_is(scorer: Scorer) -> None:
    problem = dataclasses.replace(ASSERTS, checks=AssertCode("assert add(1, 2).group() == '12'\n"))
    program = "import re\ndef add(a, b):\n    return re.match('.*', f'{a}{b}')\n"
    assert (await judged(scorer, problem, program))["status"] == "passed"


async def test_results_that_are_not_given_come_from_the_reference(scorer: Scorer) -> None:
    problem = dataclasses.replace(CALLS, checks=Calls("[[1, 2], ['a', 'b']]", None))
    assert (await judged(scorer, problem, ADD))["status"] == "passed"
    assert (await judged(scorer, problem, "def add(a, b):\n    return b + a\n"))["status"] == "failed"


async def test_a_refused_prompt_failed_and_did_not_run(scorer: Scorer) -> None:
    record = {"task_id": "Own/0", "seed": 0, "index": 0, "program": "", "refused": "HTTP 400: too long"}
    verdict = await scorer.score(ASSERTS, record)
    assert (verdict["status"], verdict["executed"]) == ("failed", False)


async def test_helpers_of_the_prompt_are_there_for_the_tests_only(scorer: Scorer) -> None:
    prompt = "def twice(x):\n    return 2 * x\n\ndef add(a, b):\n    '''Add.'''\n"
    row = human_eval_row(prompt=prompt, test="def check(f):\n    assert f(1, 1) == twice(1)\n")
    assert (await judged(scorer, human_eval(row), ADD))["status"] == "passed"
    cheat = "def twice(x):\n    return None\n\ndef add(a, b):\n    return None\n"
    assert (await judged(scorer, human_eval(row), cheat))["status"] == "failed"


@pytest.mark.parametrize(
    ("answer", "parses"),
    [
        (ADD, True),
        ("def add(a, b):\n    '''Add.'''\n", True),
        (f"Here:\n```python\n{ADD}```\nIt adds.", True),
        (f"{ADD}\n\ndef cut(", False),
        ("", False),
    ],
)
async def test_what_has_to_parse_is_what_the_model_wrote(scorer: Scorer, answer: str, parses: bool) -> None:
    record = {"task_id": "Own/0", "seed": 0, "index": 0, "answer": answer}
    verdict = await scorer.score(ASSERTS, {**record, "program": program_of(ASSERTS, answer)})
    assert verdict["parses"] is parses


def test_literals_may_hold_infinity_and_nothing_else() -> None:
    assert literal("[inf, -inf, (1, {2}), set()]") == [float("inf"), -float("inf"), (1, {2}), set()]
    with pytest.raises(ValueError, match="malformed"):
        literal("[__import__]")


@pytest.mark.parametrize(
    ("name", "arguments", "expected", "got", "atol", "right"),
    [
        ("f", [], 1, 1, 0, True),
        ("f", [], 1.0, 1.0 + 5e-7, 0, True),
        ("f", [], 1.0, 1.0 + 5e-6, 0, False),
        ("f", [], 1, 1.00001, 1e-4, True),
        ("f", [], [1.0, 2.0], (1.0, 2.0), 0, True),
        ("f", [], [1, 2], (1, 2), 0, False),
        ("f", [], "a", None, 1e-6, False),
        ("f", [], 1.0, "1.0", 0, False),
        ("Diff", [], [1, 2], [2, 1, 1], 0, True),
        ("check_str", [], True, object(), 0, True),
        ("check_str", [], True, None, 0, False),
        ("check_str", [], False, True, 0, False),
        ("find_zero", [[-6, 11, -6, 1]], 0, 3.0, 0, True),
        ("find_zero", [[-6, 11, -6, 1]], 1.0, 1.1, 0, False),
        ("digit_distance_nums", [1, 100], 2, 2, 0, True),
        ("sum_div", [8], 7, 0, 0, True),
    ],
)
def test_oracles(name: str, arguments: list[Any], expected: Any, got: Any, atol: float, right: bool) -> None:
    assert is_right(name, arguments, expected, got, atol) is right
