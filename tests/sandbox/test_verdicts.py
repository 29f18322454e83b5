"""Each verdict is reached by a real program; input that makes no task is refused with what was expected."""

from __future__ import annotations

import pytest

from sandbox import InvalidTaskError, Isolation, Limits, Status, run, run_calls, run_stdin

LIMITS = Limits(cpu_seconds=1.0, wall_seconds=2.0)
TESTS = "assert f(1) == 2"

PROGRAMS = {
    Status.PASSED: "def f(x): return x + 1",
    Status.FAILED: "def f(x): return x",
    Status.COMPILE_ERROR: "def f(x: return",
    Status.TIMEOUT: "def f(x):\n    while True: pass",
    Status.MEMORY: "def f(x): return bytes(4 << 30)",
    Status.OUTPUT: "def f(x):\n    while True: print('x' * 10000)",
    Status.CRASHED: "import os, signal\ndef f(x): os.kill(os.getpid(), signal.SIGSEGV)",
}


@pytest.mark.parametrize("design", ["two_process", "nonce"])
@pytest.mark.parametrize("status", PROGRAMS, ids=str)
def test_program_reaches_its_verdict(status: Status, design: str, isolation: Isolation) -> None:
    verdict = run(PROGRAMS[status], TESTS, limits=LIMITS, isolation=isolation, design=design)  # pyright: ignore[reportArgumentType]
    assert verdict.status is status, verdict
    assert verdict.isolation == isolation.method
    assert verdict.design == design
    assert verdict.detail


def test_sleeping_is_a_timeout(isolation: Isolation) -> None:
    verdict = run("import time\ndef f(x): time.sleep(100)", TESTS, limits=LIMITS, isolation=isolation)
    assert verdict.status is Status.TIMEOUT
    assert verdict.cpu_seconds < 0.9


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("print(int(input()) + 1)", Status.PASSED),
        ("print(input())", Status.FAILED),
        ("print(", Status.COMPILE_ERROR),
        ("raise ValueError", Status.CRASHED),
        ("raise SyntaxError('of its own')", Status.CRASHED),
        ("while True: pass", Status.TIMEOUT),
        ("x = bytes(4 << 30)", Status.MEMORY),
        ("while True: print('x' * 10000)", Status.OUTPUT),
        ("print(2)\nexit()", Status.PASSED),
        ("import sys\nprint(len(sys.argv) + 1)\nquit(0)", Status.PASSED),
        ("if __name__ == '__main__': print(2)", Status.PASSED),
        ("exit(1)", Status.CRASHED),
    ],
)
def test_stdin_program_reaches_its_verdict(program: str, status: Status, best_isolation: Isolation) -> None:
    verdict = run_stdin(program, "python", [("1", "2")], LIMITS, isolation=best_isolation)
    assert verdict.status is status, verdict
    assert verdict.design == "stdin"


def test_first_failing_case_is_named(best_isolation: Isolation) -> None:
    cases = [("1", "2"), ("2", "9"), ("3", "4")]
    verdict = run_stdin("print(int(input()) + 1)", "python", cases, isolation=best_isolation)
    assert verdict.detail == "case 2 of 3: expected '9', got '3\\n'"


def test_long_answers_have_room(best_isolation: Isolation) -> None:
    expected = "x" * 500_000
    assert run_stdin("print('x' * 500_000)", "python", [("", expected)], isolation=best_isolation).is_passed


def test_full_disk_is_the_sandboxs_fault(best_isolation: Isolation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc")
    verdict = run("def f(x): return 2", TESTS, isolation=best_isolation)
    assert verdict.status is Status.SANDBOX_ERROR
    assert "could not be written" in verdict.detail


def test_tests_of_classes_use_the_nonce(best_isolation: Isolation) -> None:
    program = "class Pair:\n    def __init__(self, a): self.a = a\ndef total(pairs): return sum(p.a for p in pairs)\n"
    tests = "assert total([Pair(1), Pair(2)]) == 3"
    verdict = run(program, tests, isolation=best_isolation)
    assert (verdict.status, verdict.design) == (Status.PASSED, "nonce"), verdict
    verdict = run(program, tests, isolation=best_isolation, design="two_process")
    assert verdict.status is Status.FAILED


@pytest.mark.parametrize(
    ("program", "tests"),
    [
        ("def f(x): x.append(4)", "a = [1]\nf(a)\nassert a == [1, 4]"),
        ("def f(x): return {1: (2, {3})}", "assert f(0) == {1: (2, {3})}"),
        ("def f(x): raise KeyError(x)", "try:\n    f(1)\n    assert False\nexcept KeyError: pass"),
        ("def f(x): return float('nan')", "assert f(1) != f(1)"),
        ("def f(x): return 10 ** 6000", "assert f(1) == 10 ** 6000"),
        ("def f(x): return 'é\\ud800\\n'", "assert f(1) == 'é\\ud800\\n'"),
        ("import re\ndef f(x): return re.match('a', x)", "assert f('a')\nassert not f('b')"),
        ("def f(x): return (i for i in x)", "assert list(f([1, 2])) == [1, 2]"),
        ("from collections import Counter\ndef f(x): return Counter(x)", "assert f('aa') == {'a': 2}"),
        ("import math\ndef f(x): return x", "assert math.isclose(f(1), 1)"),
        ("def sum(a, b): return a + b", "assert sum(1, 2) == 3"),
        ("def f(*, x=1): return x", "assert f(x=2) == 2"),
        ("if __name__ == '__main__': input()\ndef f(x): return x", "assert f(1) == 1"),
    ],
)
def test_values_and_errors_cross_the_border(program: str, tests: str, best_isolation: Isolation) -> None:
    verdict = run(program, tests, isolation=best_isolation, design="two_process")
    assert verdict.is_passed, verdict


def test_failing_tests_are_named_by_line(best_isolation: Isolation) -> None:
    verdict = run("def f(x): return x", "assert f(1) == 1\nassert f(2) == 3", isolation=best_isolation)
    assert verdict.detail == "AssertionError (line 2 of the tests)"


@pytest.mark.parametrize("text", ["\0", "\ud800", "x" * (5 << 20)])
def test_text_that_is_no_source_is_refused(text: str, best_isolation: Isolation) -> None:
    with pytest.raises(InvalidTaskError, match="expected program"):
        run(text, TESTS, isolation=best_isolation)
    with pytest.raises(InvalidTaskError, match="expected tests"):
        run("x = 1", text, isolation=best_isolation)


@pytest.mark.parametrize("name", ["a b", "f(", "__import__('os').system('x')", 'x","call":"y'])
def test_entry_point_has_to_be_a_name(name: str, best_isolation: Isolation) -> None:
    with pytest.raises(InvalidTaskError, match="expected entry_point to be a Python name"):
        run("def f(x): return 2", TESTS, entry_point=name, isolation=best_isolation)
    with pytest.raises(InvalidTaskError, match="expected entry_point to be a Python name"):
        run_calls("def f(x): return 2", name, [[1]], isolation=best_isolation)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_impossible_limits_are_refused(value: float) -> None:
    with pytest.raises(InvalidTaskError, match="expected cpu_seconds to be a positive finite number"):
        Limits(cpu_seconds=value)


def test_other_malformed_tasks_are_refused(best_isolation: Isolation) -> None:
    with pytest.raises(InvalidTaskError, match="at least one case"):
        run_stdin("", "python", [], isolation=best_isolation)
    with pytest.raises(InvalidTaskError, match="at least one input"):
        run_calls("", "f", [], isolation=best_isolation)
    with pytest.raises(InvalidTaskError, match="plain built-in types"):
        run_calls("def f(x): return x", "f", [[object()]], isolation=best_isolation)
    with pytest.raises(InvalidTaskError, match="expected one of nonce for bash"):
        run("", "", "bash", design="two_process", isolation=best_isolation)
    with pytest.raises(InvalidTaskError, match="closing brace"):
        run("int f;", "no main here", "c", isolation=best_isolation)


@pytest.mark.parametrize(
    "tests", ["assert f(1) ==", "raise SystemExit(0)", "import sys\nsys.exit(0)", "undefined()"]
)
def test_broken_tests_pass_nobody(tests: str, best_isolation: Isolation) -> None:
    assert run("def f(x): return 2", tests, isolation=best_isolation).status is Status.FAILED
