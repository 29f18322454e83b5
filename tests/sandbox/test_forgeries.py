"""No wrong program passes, in either design."""

from __future__ import annotations

import pytest

from sandbox import Isolation, Limits, Status, run
from sandbox.verdict import Design
from tests.sandbox.forgeries import FORGERIES, TESTS

LIMITS = Limits(cpu_seconds=2.0, wall_seconds=4.0)
# What the nonce alone would believe, and the control finds out.
FOUND_BY_CONTROL = (
    "an object that equals all",
    "a number that equals all",
    "the nonce out of the files",
    "the nonce out of the frames",
)
PRINTS_ITS_NONCE = """function f() {
    const text = require('fs').readFileSync(process.argv[1], 'utf8');
    console.log('\\n' + (text.match(/[0-9a-f]{32}/) || [''])[0]);
    process.exit(0);
}"""


@pytest.mark.parametrize("design", ["two_process", "nonce"])
@pytest.mark.parametrize("name", FORGERIES)
def test_forgery_is_refused(name: str, design: Design, best_isolation: Isolation) -> None:
    verdict = run(
        FORGERIES[name], TESTS, limits=LIMITS, entry_point="add", design=design, isolation=best_isolation
    )
    assert not verdict.is_passed, verdict
    assert verdict.status is not Status.SANDBOX_ERROR, verdict


@pytest.mark.parametrize("name", FOUND_BY_CONTROL)
def test_control_finds_what_a_nonce_believes(name: str, best_isolation: Isolation) -> None:
    verdict = run(
        FORGERIES[name], TESTS, limits=LIMITS, entry_point="add", design="nonce", isolation=best_isolation
    )
    assert verdict.status is Status.FORGED, verdict


@pytest.mark.parametrize("design", ["two_process", "nonce"])
def test_right_program_passes_its_control(design: Design, best_isolation: Isolation) -> None:
    verdict = run(
        "def add(a, b): return a + b\n", TESTS, entry_point="add", design=design, isolation=best_isolation
    )
    assert verdict.is_passed, verdict
    assert verdict.design == design


@pytest.mark.parametrize(
    ("program", "tests"),
    [
        ("def f(x): return x\ndef set(*_): return 1\n", "assert set(f([1])) == set([2])"),
        ("from operator import truth as set\ndef f(x): return x\n", "assert set(f([1])) == set([2])"),
        ("def f(x): return x\ndef isinstance(*_): return True\n", "assert isinstance(f(1), str)"),
    ],
)
def test_names_of_python_stay_pythons(program: str, tests: str, best_isolation: Isolation) -> None:
    assert run(program, tests, isolation=best_isolation).status is Status.FAILED


def test_helpers_of_the_prompt_are_not_the_candidates(best_isolation: Isolation) -> None:
    prompt = "def encode(s): return s[::-1]\n"
    tests = "def check(candidate):\n    assert candidate(encode('ab')) == 'ab'\n"
    cheat = "def encode(s): return s\ndef decode(s): return s\n"
    verdict = run(cheat, tests, entry_point="decode", prelude=prompt, isolation=best_isolation)
    assert verdict.status is Status.FAILED
    assert run(
        "def decode(s): return s[::-1]\n",
        tests,
        entry_point="decode",
        prelude=prompt,
        isolation=best_isolation,
    ).is_passed


def test_answers_in_another_form_are_a_forgery(best_isolation: Isolation) -> None:
    program = "import os, sys\nos.write(int(sys.argv[3]), b'nonsense\\n')\ndef add(a, b): return 3\n"
    verdict = run(program, TESTS, entry_point="add", isolation=best_isolation)
    assert verdict.status is Status.FORGED, verdict


@pytest.mark.parametrize(
    ("language", "program", "tests"),
    [
        ("javascript", "process.exit(0)", "console.assert(f(1) === 2)"),
        ("javascript", "function f() { process.exit(0) }", "console.assert(f(1) === 2)"),
        (
            "javascript",
            PRINTS_ITS_NONCE,
            "console.assert(f(1) === 2)",
        ),
        ("bash", "exit 0", "[[ $(f 1) = 2 ]]"),
        ("bash", "f() { :; }\ntrap 'exit 0' EXIT", "[[ $(f 1) = 2 ]]"),
        (
            "c",
            "#include <stdlib.h>\nint f(int x) { exit(0); }",
            "#include <assert.h>\nint main() { assert(f(1) == 2); }",
        ),
    ],
)
def test_forgery_in_another_language_is_refused(
    language: str, program: str, tests: str, best_isolation: Isolation, require_language: None
) -> None:
    verdict = run(program, tests, language, LIMITS, isolation=best_isolation)
    assert not verdict.is_passed, verdict
    assert verdict.status is not Status.SANDBOX_ERROR, verdict
