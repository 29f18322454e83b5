"""From how a process ended to a verdict, where no test framework has said more."""

from __future__ import annotations

import re

from sandbox.supervise import Breach, Outcome
from sandbox.verdict import Design, Status, Verdict

TAIL_CHARACTERS = 4096
PYTHON_COMPILE_ERROR = 87  # of our own harnesses
_SYNTAX_SIGNS = {
    "javascript": re.compile(r"^SyntaxError"),
    "typescript": re.compile(r"^SyntaxError"),
    "bash": re.compile(r"syntax error"),
}
_BREACHES = {
    Breach.TIMEOUT: (Status.TIMEOUT, "ran past its time"),
    Breach.MEMORY: (Status.MEMORY, "used more memory than allowed"),
    Breach.OUTPUT: (Status.OUTPUT, "wrote more than allowed"),
    Breach.SCRATCH: (Status.OUTPUT, "wrote more files than allowed"),
}
# How each runtime says that an allocation was refused (RLIMIT_AS, heap bounds).
_OUT_OF_MEMORY = re.compile(
    rb"^MemoryError|std::bad_alloc|OutOfMemoryError|heap out of memory|fatal error: .*out of memory"
    rb"|memory allocation of \d+ bytes failed|Cannot allocate memory|cannot allocate \d+ bytes"
    rb"|runtime: cannot allocate memory|invalid array length Allocation failed",
    re.MULTILINE,
)
_NAMES_ERROR = re.compile(r"(Error|Exception)\b|panic|[Aa]ssertion|fatal|terminate called")


def tail(text: bytes | bytearray) -> str:
    """Give the end of an output, as text."""
    return bytes(text[-4 * TAIL_CHARACTERS :]).decode(errors="replace")[-TAIL_CHARACTERS:]


def failure_of(outcome: Outcome) -> tuple[Status, str] | None:
    """Say what went wrong by the process's own end, or None when it ended with exit code 0."""
    if outcome.breach is not None:
        return _BREACHES[outcome.breach]
    if not outcome.started:
        return Status.SANDBOX_ERROR, f"the sandbox did not start: {tail(outcome.stderr).strip()[-300:]}"
    if outcome.exit_code != 0:
        if _OUT_OF_MEMORY.search(outcome.stderr):
            return Status.MEMORY, "an allocation was refused"
        return Status.CRASHED, f"ended with exit code {outcome.exit_code}: {last_line(outcome.stderr)}"
    return None


def syntax_error_of(outcome: Outcome, language: str) -> str | None:
    """Give the message of an interpreter that refused the program's text, or None when it did not."""
    if language == "python":
        return last_line(outcome.stderr) if outcome.exit_code == PYTHON_COMPILE_ERROR else None
    sign = _SYNTAX_SIGNS.get(language)
    lines = tail(outcome.stderr).splitlines() if sign is not None else []
    return next((line[:300] for line in lines if sign is not None and sign.search(line)), None)


def last_line(text: bytes | bytearray) -> str:
    """Give the last line that names an error, or else the last one that is not blank, shortened."""
    lines = tail(text).strip().splitlines()
    naming = [line for line in lines if _NAMES_ERROR.search(line)] or lines
    return naming[-1].strip()[:300] if naming else "(no message)"


def make_verdict(status: Status, detail: str, outcome: Outcome, design: Design) -> Verdict:
    """Make a verdict with the tails of what the process wrote."""
    return Verdict(
        status=status,
        detail=detail,
        stdout=tail(outcome.stdout),
        stderr=tail(outcome.stderr),
        seconds=outcome.wall_seconds,
        cpu_seconds=outcome.cpu_seconds,
        design=design,
    )
