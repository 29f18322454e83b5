"""Errors of the sandbox package.

SandboxError
├── NoIsolationError       no isolation method passed its self-test: nothing may be run here
├── LaunchError            an isolated process could not be started (becomes the verdict sandbox_error)
├── LanguageMissingError   the language's toolchain is not on this machine
└── InvalidTaskError       the caller's input makes no task: unknown language, NUL bytes, impossible limits
"""

from __future__ import annotations


class SandboxError(Exception):
    """Any error of this package that a caller may want to catch."""


class NoIsolationError(SandboxError):
    """Every isolation method is missing or failed its self-test; `reasons` says which and why."""

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons
        listed = "; ".join(f"{method}: {reason}" for method, reason in reasons.items())
        super().__init__(
            f"expected one isolation method that works, refusing to run untrusted code ({listed})"
        )


class LaunchError(SandboxError):
    """The isolated process did not start."""


class LanguageMissingError(SandboxError):
    """A language is known, but cannot run here."""

    def __init__(self, language: str, reason: str) -> None:
        self.language = language
        self.reason = reason
        super().__init__(f"{language} cannot run here: {reason}")


class InvalidTaskError(SandboxError):
    """The task is not one that could be run anywhere."""
