"""What keeps a benchmark from running. Each message says what was expected and what came.

BenchmarkError
├── ServiceUnreachableError   nothing answers at the address, or it is not ready
├── PortInUseError            the port asked for is taken
├── ProcessFailedError        a process we started ended early; carries the end of its log
├── ModelMissingError         the weights are not on this machine
└── UnequalArmsError          the two arms of a comparison did not run the same thing
"""

from __future__ import annotations

from collections.abc import Sequence


class BenchmarkError(Exception):
    """Any reason for which there is no result."""


class ServiceUnreachableError(BenchmarkError):
    """Nothing answers at the address, or it is not ready."""


class PortInUseError(BenchmarkError):
    """The port asked for is taken."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"Port {port} is in use. Stop what listens there, or leave --port out to take a free one."
        )


class ProcessFailedError(BenchmarkError):
    """A process we started ended before it should have."""

    def __init__(self, what: str, exit_code: int | None, last_lines: Sequence[str]) -> None:
        ended = "did not get ready in time" if exit_code is None else f"ended with exit code {exit_code}"
        tail = "".join(f"\n  {line[:300]}" for line in last_lines) or "\n  (it wrote nothing)"
        super().__init__(f"{what} {ended}. Its last lines:{tail}")


class ModelMissingError(BenchmarkError):
    """The weights are not on this machine, and a benchmark downloads nothing."""

    def __init__(self, model_id: str) -> None:
        super().__init__(
            f"The model {model_id!r} is not on this machine. Fetch it first: python -m model_store fetch {model_id}"
        )


class UnequalArmsError(BenchmarkError):
    """The two arms of a comparison did not run the same thing, so that their ratio means nothing."""
