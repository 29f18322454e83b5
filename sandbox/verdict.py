"""What can become of a run: one status of a closed set, with the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Design = Literal["two_process", "nonce", "stdin", "calls"]


class Status(StrEnum):
    """The closed set. Only PASSED counts as a pass; SANDBOX_ERROR says nothing about the program."""

    PASSED = "passed"
    FAILED = "failed"
    COMPILE_ERROR = "compile_error"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT = "output"
    CRASHED = "crashed"
    FORGED = "forged"
    SANDBOX_ERROR = "sandbox_error"


@dataclass(frozen=True)
class Verdict:
    """The result of one run.

    detail        one line that says why, for a reader
    stdout        end of what the program wrote, at most 4,096 characters; also stderr
    seconds       wall time of the whole run, compilation and controls included
    cpu_seconds   CPU time of the program, as far as it was seen
    design        how the verdict was reached: see docs/sandbox.md
    isolation     the method that held the program: bubblewrap or landlock
    """

    status: Status
    detail: str
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    design: Design = "two_process"
    isolation: str = ""

    @property
    def is_passed(self) -> bool:
        """Whether the program passed."""
        return self.status is Status.PASSED
