"""The package's calls: run a program with its tests, on stdin cases, or function by function.

Each takes a proven isolation method, or proves one; refuses with NoIsolationError where there is none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from sandbox import landlock
from sandbox.build import Place
from sandbox.calls_task import Calls, run_calls_task
from sandbox.errors import InvalidTaskError, LanguageMissingError, LaunchError
from sandbox.function_task import FunctionTask, run_function_task
from sandbox.languages import find_toolchain
from sandbox.launch import Method
from sandbox.limits import Limits
from sandbox.nonce_task import run_nonce_task
from sandbox.selftest import Isolation, prove_isolation
from sandbox.slots import take_slot
from sandbox.stdin_task import run_stdin_task
from sandbox.verdict import Design, Status, Verdict

MOST_TEXT_BYTES = 4 << 20
DEFAULT_LIMITS = Limits()


def run(
    program: str,
    tests: str,
    language: str = "python",
    limits: Limits = DEFAULT_LIMITS,
    *,
    entry_point: str = "",
    prelude: str = "",
    design: Design | None = None,
    isolation: Isolation | None = None,
) -> Verdict:
    """Judge a program by tests in its own language.

    tests         Python: assertions, or `check(candidate)`, which is called when entry_point is given. Others: text
                  that follows the program and fails by exit code; C, C++, Java, Rust, Go: ends with main, or tests
    entry_point   Python: the one function under test; nothing else of the program can then help its tests
    prelude       Python: what the tests need and the program must not supply (imports, helpers of the prompt)
    design        "two_process" or "nonce"; by default the first for Python, unless its tests use classes
    Raises        InvalidTaskError, LanguageMissingError, NoIsolationError; trouble of a run is a verdict instead
    """
    _check_texts(program=program, tests=tests, prelude=prelude)
    _check_entry_point(entry_point)
    _check_design(design, language)
    _, toolchain = find_toolchain(language)

    def judge(place: Place) -> Verdict:
        if language == "python" and design != "nonce":
            task = FunctionTask(program, tests, entry_point, prelude)
            verdict = run_function_task(task, limits, place.method, place.slot)
            if verdict is not None:
                return verdict
            if design == "two_process":
                return Verdict(Status.FAILED, "the tests use classes or values of the program")
        whole = f"{prelude}\n{program}" if prelude else program
        return run_nonce_task(whole, _with_check(tests, entry_point), language, toolchain, limits, place)

    return _in_slot(judge, language, isolation, "nonce" if language != "python" else "two_process")


def run_stdin(
    program: str,
    language: str,
    cases: Sequence[tuple[str, str]],
    limits: Limits = DEFAULT_LIMITS,
    *,
    isolation: Isolation | None = None,
) -> Verdict:
    """Judge a program by (stdin, expected stdout) cases; the first that fails decides. Limits hold for each case.

    The rule of comparison is `stdin_task.outputs_agree`'s. Raises as `run` does.
    """
    _check_texts(program=program)
    if not cases:
        raise InvalidTaskError("expected at least one case")
    for stdin, expected in cases:
        _check_texts(most_bytes=64 << 20, stdin=stdin, expected=expected)
    found, toolchain = find_toolchain(language)
    return _in_slot(
        lambda place: run_stdin_task(program, found, toolchain, cases, limits, place),
        language,
        isolation,
        "stdin",
    )


def run_calls(
    program: str,
    entry_point: str,
    inputs: Sequence[Sequence[object]],
    limits: Limits = DEFAULT_LIMITS,
    *,
    isolation: Isolation | None = None,
) -> Calls:
    """Call a Python function on each of the inputs, for comparison by `calls_task.values_agree`. Raises as `run` does.

    Limits hold for all calls together.
    """
    _check_texts(program=program)
    _check_entry_point(entry_point)
    if not entry_point or not inputs:
        raise InvalidTaskError("expected an entry point and at least one input")
    found: list[Calls] = []

    def call(place: Place) -> Verdict:
        found.append(run_calls_task(program, entry_point, inputs, limits, place))
        return found[-1].verdict

    verdict = _in_slot(call, "python", isolation, "calls")
    return Calls(found[-1].answers if found else (), verdict)


def require_language(language: str, held: Isolation) -> None:
    """Raise InvalidTaskError or LanguageMissingError unless a language can be run by the method in force."""
    _, toolchain = find_toolchain(language)
    if held.method is Method.LANDLOCK and not landlock.is_reachable(toolchain.mounts):
        raise LanguageMissingError(
            language, "its toolchain lies in a folder that only root may enter (no mounts here)"
        )


def _in_slot(
    judge: Callable[[Place], Verdict], language: str, isolation: Isolation | None, design: Design
) -> Verdict:
    """Run in a free slot; what goes wrong with the sandbox itself becomes the verdict sandbox_error."""
    held = isolation or prove_isolation()
    require_language(language, held)
    begun = time.monotonic()
    try:
        with take_slot() as slot:
            verdict = judge(Place(held.method, slot))
    except LaunchError as error:
        verdict = Verdict(Status.SANDBOX_ERROR, str(error), design=design)
    return replace(verdict, seconds=time.monotonic() - begun, isolation=str(held.method))


def _check_texts(*, most_bytes: int = MOST_TEXT_BYTES, **texts: str) -> None:
    for name, text in texts.items():
        try:
            size = len(text.encode())
        except UnicodeEncodeError as error:
            raise InvalidTaskError(f"expected {name} to be valid Unicode: {error.reason}") from error
        if size > most_bytes:
            raise InvalidTaskError(f"expected {name} of at most {most_bytes} bytes, got {size}")
        if "\0" in text and name not in {"stdin", "expected"}:
            raise InvalidTaskError(f"expected {name} without NUL characters")


def _check_entry_point(entry_point: str) -> None:
    if entry_point and not entry_point.isidentifier():
        raise InvalidTaskError(f"expected entry_point to be a Python name, got {entry_point[:80]!r}")


def _check_design(design: Design | None, language: str) -> None:
    known = ("two_process", "nonce") if language == "python" else ("nonce",)
    if design is not None and design not in known:
        raise InvalidTaskError(f"expected one of {', '.join(known)} for {language}, got {design!r}")


def _with_check(tests: str, entry_point: str) -> str:
    """Call check() where tests define it and leave the call to whoever knows the entry point."""
    calls = "\ncheck(" in tests or tests.startswith("check(")
    return (
        tests if calls or not entry_point or "def check(" not in tests else f"{tests}\ncheck({entry_point})\n"
    )
