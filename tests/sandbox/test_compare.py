"""When two outputs, or two values, are the same."""

from __future__ import annotations

import math

import pytest

from sandbox import Isolation, Limits, Raised, Returned, Status, outputs_agree, run_calls, values_agree


@pytest.mark.parametrize(
    ("got", "expected", "agree"),
    [
        ("1\n", "1", True),
        ("1 \n2\t\n\n", "1\n2", True),
        ("1\r\n2", "1\n2", True),
        ("a b", "a  b", True),
        ("", "\n", True),
        ("\n1", "1", False),
        ("1\n\n2", "1\n2", False),
        ("1 2", "12", False),
        ("0.3333333", "0.333333333", True),
        ("1000000.1", "1000000.2", True),
        ("0.30001", "0.30003", False),
        ("1.00001", "1.0", True),
        ("1", "1.0", True),
        ("1e-9", "0.0", True),
        ("1e3", "1000.0", True),
        ("100000001", "100000002", False),  # integers are exact, however large
        ("1.0", "1", False),
        ("nan", "1.0", False),
        ("inf", "1.0", False),
        ("Yes", "YES", False),
        ("1_0.0", "10.0", False),
    ],
)
def test_outputs_agree(got: str, expected: str, agree: bool) -> None:
    assert outputs_agree(got, expected) is agree


@pytest.mark.parametrize(
    ("expected", "got", "atol", "agree"),
    [
        (1, 1, 0, True),
        (1, 2, 0, False),
        ([1, 2], (1, 2), 0, False),
        (0.1 + 0.2, 0.3, 0, True),
        (1.0, 1.00001, 0, False),
        (1.0, 1.00001, 1e-4, True),
        ([1.0, [2.0]], [1.0, [2.0000001]], 0, True),
        ({"a": 1.0}, {"a": 1.0000001}, 0, True),
        ({"a": 1.0}, {"b": 1.0}, 0, False),
        (math.nan, math.nan, 0, True),
        (math.inf, math.inf, 0, True),
        (math.inf, 1e308, 0, False),
        (1.0, 10**400, 0, False),
        (None, 0, 0, False),
        ("a", "a", 0, True),
        ([1.0], [1.0, 2.0], 0, False),
    ],
)
def test_values_agree(expected: object, got: object, atol: float, agree: bool) -> None:
    assert values_agree(expected, got, atol) is agree


def test_calls_bring_values_and_exceptions(isolation: Isolation) -> None:
    program = "def f(x):\n    if x == 0: raise ValueError('zero')\n    return object() if x == 1 else {x: (x, 1 / x)}\n"
    calls = run_calls(program, "f", [[0], [1], [2]], isolation=isolation)
    assert calls.verdict.is_passed
    assert calls.answers[0] == Raised("ValueError", "zero")
    assert isinstance(calls.answers[1], Raised)
    assert calls.answers[2] == Returned({2: (2, 0.5)})


def test_calls_that_do_not_end_keep_their_answers(best_isolation: Isolation) -> None:
    program = "def f(x):\n    while x: pass\n    return x\n"
    calls = run_calls(program, "f", [[0], [0], [1]], Limits(cpu_seconds=0.5), isolation=best_isolation)
    assert calls.verdict.status is Status.TIMEOUT
    assert calls.answers == (Returned(0), Returned(0))


def test_calls_of_a_large_input_come_back(best_isolation: Isolation) -> None:
    large = list(range(200_000))
    calls = run_calls("def f(x): return x[::-1]", "f", [[large]] * 3, isolation=best_isolation)
    assert calls.answers == (Returned(large[::-1]),) * 3


@pytest.mark.parametrize(("count", "status"), [(400, Status.PASSED), (600, Status.OUTPUT)])
def test_answers_that_would_fill_our_memory_are_not_read(
    count: int, status: Status, best_isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.calls_task.MOST_VALUES", 1000)
    calls = run_calls(f"def f(x): return [[] for _ in range({count})]", "f", [[1]], isolation=best_isolation)
    assert (calls.verdict.status, len(calls.answers)) == (status, int(status is Status.PASSED))


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("def f(x", Status.COMPILE_ERROR),
        ("raise OSError", Status.FAILED),
        ("import os\nos._exit(0)", Status.CRASHED),
        ("import os, sys\nos.write(int(sys.argv[3]), b'{}\\n[]\\n')\nos._exit(0)", Status.FORGED),
        ("import os, sys\nos.write(int(sys.argv[3]), b'{' * 99999 + b'\\n')\nos._exit(0)", Status.FORGED),
        ("import os, sys\nos.write(int(sys.argv[3]), b'[' * 60000 + b'\\n')\nos._exit(0)", Status.FORGED),
    ],
)
def test_program_without_answers(program: str, status: Status, best_isolation: Isolation) -> None:
    calls = run_calls(program, "f", [[1]], isolation=best_isolation)
    assert (calls.verdict.status, calls.answers) == (status, ()), calls
