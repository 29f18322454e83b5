"""Programs that read stdin and write stdout (CodeContests, APPS). The expected text never enters the sandbox."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sandbox.build import BuildFailedError, Built, Place, Sources, build
from sandbox.languages import Language, Toolchain
from sandbox.limits import Limits
from sandbox.nonce_sources import java_sources
from sandbox.supervise import Outcome
from sandbox.verdict import Status, Verdict
from sandbox.verdict_of import failure_of, make_verdict, syntax_error_of

TOLERANCE = 1e-5
_PYTHON_HARNESS = Path(__file__).parent / "inside" / "stdin_harness.py"
_DECIMAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def outputs_agree(got: str, expected: str) -> bool:
    """Compare two outputs.

    Rule: trailing white space of lines and trailing blank lines do not count; the lines then have to hold the same
    words. Where the expected word is written with a decimal point or an exponent, any number within 1e-5 of it,
    absolute or relative, is the same word. Integers and text are compared exactly.
    """
    got_lines, expected_lines = _lines(got), _lines(expected)
    if got_lines == expected_lines:
        return True
    return len(got_lines) == len(expected_lines) and all(map(_line_agrees, got_lines, expected_lines))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _line_agrees(got: str, expected: str) -> bool:
    got_words, expected_words = got.split(), expected.split()
    return len(got_words) == len(expected_words) and all(map(_word_agrees, got_words, expected_words))


def _word_agrees(got: str, expected: str) -> bool:
    if got == expected:
        return True
    if not _DECIMAL.fullmatch(expected) or not _NUMBER.fullmatch(got):
        return False
    return math.isclose(float(got), float(expected), rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def run_stdin_task(
    program: str,
    language: Language,
    toolchain: Toolchain,
    cases: Sequence[tuple[str, str]],
    limits: Limits,
    place: Place,
) -> Verdict:
    """Run the program on each case until one fails. Limits hold for each case. Raises LaunchError."""
    try:
        with build(toolchain, program_sources(program, language), limits, place) as built:
            return _run_cases(built, language.name, cases, limits)
    except BuildFailedError as error:
        return make_verdict(error.status, error.detail, error.outcome, "stdin")


def program_sources(program: str, language: Language) -> Sources:
    """Give a program's own files, without tests."""
    if language.name == "java":
        return java_sources(program)
    if language.name == "python":
        return Sources({language.file_name: _PYTHON_HARNESS.read_bytes(), "source.py": program.encode()})
    return Sources({language.file_name: program.encode()})


def _run_cases(built: Built, language: str, cases: Sequence[tuple[str, str]], limits: Limits) -> Verdict:
    seconds = cpu_seconds = 0.0
    verdict: Verdict | None = None
    for number, (stdin, expected) in enumerate(cases, 1):
        with _input(stdin) as descriptor:
            outcome = built.run(_with_room_for(expected, limits), stdin=descriptor)
        seconds, cpu_seconds = seconds + outcome.wall_seconds, cpu_seconds + outcome.cpu_seconds
        status, detail = _judge(outcome, expected, language)
        verdict = make_verdict(status, f"case {number} of {len(cases)}: {detail}", outcome, "stdin")
        if status is not Status.PASSED:
            break
    assert verdict is not None
    return replace(verdict, seconds=seconds, cpu_seconds=cpu_seconds)


@contextmanager
def _input(text: str) -> Generator[int]:
    """Give a descriptor of a file in memory, at its start."""
    descriptor = os.memfd_create("stdin")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as target:
            target.write(text.encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _with_room_for(expected: str, limits: Limits) -> Limits:
    """Let a right answer be written, however long it is."""
    return replace(limits, output_bytes=max(limits.output_bytes, 2 * len(expected.encode())))


def _judge(outcome: Outcome, expected: str, language: str) -> tuple[Status, str]:
    failure = failure_of(outcome)
    if failure is not None:
        refused = syntax_error_of(outcome, language) if failure[0] is Status.CRASHED else None
        return failure if refused is None else (Status.COMPILE_ERROR, refused)
    got = outcome.stdout.decode(errors="replace")
    if outputs_agree(got, expected):
        return Status.PASSED, "the output is right"
    return Status.FAILED, f"expected {_short(expected)}, got {_short(got)}"


def _short(text: str) -> str:
    return repr(text[:100]) + ("…" if len(text) > 100 else "")
