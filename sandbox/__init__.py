"""Runs untrusted code: isolated by bubblewrap or Landlock, refused where neither holds. See docs/sandbox.md."""

from sandbox.calls_task import Calls, Raised, Returned, values_agree
from sandbox.errors import (
    InvalidTaskError,
    LanguageMissingError,
    LaunchError,
    NoIsolationError,
    SandboxError,
)
from sandbox.languages import LANGUAGES, Toolchain, available_languages
from sandbox.launch import Method
from sandbox.limits import Limits
from sandbox.pool import SandboxPool
from sandbox.runner import run, run_calls, run_stdin
from sandbox.selftest import Isolation, prove_isolation
from sandbox.stdin_task import outputs_agree
from sandbox.verdict import Status, Verdict

__all__ = [
    "LANGUAGES",
    "Calls",
    "InvalidTaskError",
    "Isolation",
    "LanguageMissingError",
    "LaunchError",
    "Limits",
    "Method",
    "NoIsolationError",
    "Raised",
    "Returned",
    "SandboxError",
    "SandboxPool",
    "Status",
    "Toolchain",
    "Verdict",
    "available_languages",
    "outputs_agree",
    "prove_isolation",
    "run",
    "run_calls",
    "run_stdin",
    "values_agree",
]
