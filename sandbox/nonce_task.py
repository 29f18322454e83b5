"""The nonce design: program and tests in one process, believed only with a nonce and after a control that must fail.

For every language but Python, and for Python's tests that use the program's classes. The program shares the process
with its judge, so this is weaker than two processes: see docs/sandbox.md.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import replace

from sandbox.build import BuildFailedError, Place, build
from sandbox.languages import Toolchain
from sandbox.limits import Limits
from sandbox.nonce_sources import NonceTask, make_sources
from sandbox.supervise import Outcome
from sandbox.verdict import Status, Verdict
from sandbox.verdict_of import failure_of, last_line, make_verdict, syntax_error_of

_SIGNALLED = 128
_ASSERTION = re.compile(rb"Assertion.*failed", re.IGNORECASE)


def run_nonce_task(
    program: str, tests: str, language: str, toolchain: Toolchain, limits: Limits, place: Place
) -> Verdict:
    """Judge a program; a pass costs a second run. Raises InvalidTaskError, LaunchError."""
    judged = _run(program, tests, language, toolchain, limits, place, is_control=False)
    if not judged.is_passed:
        return judged
    control = _run(program, tests, language, toolchain, limits, place, is_control=True)
    seconds = judged.seconds + control.seconds
    if control.is_passed:
        detail = "passed tests that must fail, so its passes mean nothing"
        return replace(control, status=Status.FORGED, detail=detail, seconds=seconds)
    if control.status is Status.SANDBOX_ERROR:
        return replace(control, seconds=seconds)
    return replace(judged, seconds=seconds)


def _run(
    program: str,
    tests: str,
    language: str,
    toolchain: Toolchain,
    limits: Limits,
    place: Place,
    *,
    is_control: bool,
) -> Verdict:
    task = NonceTask(program, tests, secrets.token_hex(16), is_control)
    try:
        with build(toolchain, make_sources(language, task), limits, place) as built:
            outcome = built.run(limits)
    except BuildFailedError as error:
        return make_verdict(error.status, error.detail, error.outcome, "nonce")
    status, detail = _judge(outcome, task.nonce, language)
    return make_verdict(status, detail, outcome, "nonce")


def _judge(outcome: Outcome, nonce: str, language: str) -> tuple[Status, str]:
    failure = failure_of(outcome)
    if failure is None:
        lines = bytes(outcome.stdout).rstrip().splitlines()
        if lines and lines[-1] == nonce.encode():
            return Status.PASSED, "every test passed"
        return Status.CRASHED, "the program ended before its tests did"
    if failure[0] is not Status.CRASHED:
        return failure
    return _explain(outcome, language)


def _explain(outcome: Outcome, language: str) -> tuple[Status, str]:
    """Tell an assertion or exception from an end by a signal, and both from text that is no program."""
    message = last_line(outcome.stderr)
    refused = syntax_error_of(outcome, language)
    if refused is not None:
        return Status.COMPILE_ERROR, refused
    if outcome.exit_code < _SIGNALLED or _ASSERTION.search(outcome.stderr):
        return Status.FAILED, f"exit code {outcome.exit_code}: {message}"
    return Status.CRASHED, f"ended by signal {outcome.exit_code - _SIGNALLED}: {message}"
