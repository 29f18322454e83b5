"""Every language whose toolchain is on this machine, in each isolation method."""

from __future__ import annotations

import pytest

from sandbox import (
    LANGUAGES,
    InvalidTaskError,
    Isolation,
    LanguageMissingError,
    Limits,
    Method,
    Status,
    run,
    run_stdin,
)
from sandbox.languages import find_toolchain
from tests.sandbox.programs import EXAMPLES, FRAMEWORKS

pytestmark = pytest.mark.usefixtures("require_language")
# A busy machine may be slow; these are about right and wrong.
LIMITS = Limits(cpu_seconds=20.0, wall_seconds=40.0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_verdicts_of_a_language(language: str, isolation: Isolation) -> None:
    example = EXAMPLES[language]
    _skip_unreachable(language, isolation)
    verdict = run(example.right, example.tests, language, LIMITS, isolation=isolation, design="nonce")
    assert verdict.is_passed, verdict
    verdict = run(example.wrong, example.tests, language, LIMITS, isolation=isolation, design="nonce")
    assert verdict.status is Status.FAILED, verdict
    verdict = run(example.broken, example.tests, language, LIMITS, isolation=isolation, design="nonce")
    assert verdict.status is Status.COMPILE_ERROR, verdict


@pytest.mark.parametrize("language", LANGUAGES)
def test_stdin_of_a_language(language: str, isolation: Isolation) -> None:
    _skip_unreachable(language, isolation)
    program = EXAMPLES[language].stdin
    verdict = run_stdin(program, language, [("1\n", "2"), ("41", "42\n")], LIMITS, isolation=isolation)
    assert verdict.is_passed, verdict
    verdict = run_stdin(program, language, [("1\n", "3\n")], LIMITS, isolation=isolation)
    assert verdict.status is Status.FAILED, verdict


@pytest.mark.parametrize("language", FRAMEWORKS)
def test_frameworks_tests(language: str, best_isolation: Isolation) -> None:
    program, tests = FRAMEWORKS[language]
    verdict = run(program, tests, language, LIMITS, isolation=best_isolation)
    assert verdict.is_passed, verdict
    verdict = run(program.replace("+ 1", "+ 2"), tests, language, LIMITS, isolation=best_isolation)
    assert verdict.status is Status.FAILED, verdict


@pytest.mark.parametrize("language", ["go"])
def test_a_compile_error_says_what_is_wrong(language: str, best_isolation: Isolation) -> None:
    program, tests = FRAMEWORKS[language]
    verdict = run(program.replace("+ 1", "+ unknown"), tests, language, LIMITS, isolation=best_isolation)
    assert verdict.status is Status.COMPILE_ERROR
    assert "unknown" in verdict.detail


@pytest.mark.parametrize("language", ["c", "java", "go", "javascript", "rust"])
def test_endless_loop_in_a_language(language: str, best_isolation: Isolation) -> None:
    loops = {
        "c": "int main(void) { for (;;); }",
        "java": "class Main { public static void main(String[] a) { while (true); } }",
        "go": "package main\nfunc main() { for {} }",
        "javascript": "for (;;);",
        "rust": "fn main() { loop { std::hint::spin_loop() } }",
    }
    verdict = run_stdin(
        loops[language], language, [("", "")], Limits(cpu_seconds=1.0), isolation=best_isolation
    )
    assert verdict.status is Status.TIMEOUT, verdict


def _skip_unreachable(language: str, isolation: Isolation) -> None:
    from sandbox import landlock

    _, toolchain = find_toolchain(language)
    if isolation.method is Method.LANDLOCK and not landlock.is_reachable(toolchain.mounts):
        with pytest.raises(LanguageMissingError, match="only root may enter"):
            run("", "", language, isolation=isolation)
        pytest.skip(f"{language}'s toolchain lies where only root may enter")


@pytest.mark.parametrize("language", ["cobol", "", "Python", "../python"])
def test_unknown_language_is_refused(language: str, best_isolation: Isolation) -> None:
    with pytest.raises(InvalidTaskError, match="expected one of python, javascript"):
        run("", "", language, isolation=best_isolation)
