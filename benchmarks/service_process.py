"""The service as a child process: started, watched, ended. Every line it writes is kept with its time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import IO

import httpx

from benchmarks.errors import PortInUseError, ProcessFailedError

_LAST_LINES = 15
_POLL_SECONDS = 0.05
_STOP_SECONDS = 45.0
# For our own clients, not for the child: there it would count as a misspelt setting.
_CLIENT_KEY = "CODEFUSION_API_KEY"
# A benchmark is one client: its own limits would be what is measured.
UNLIMITED = {"access.requests_per_minute": "0", "access.max_concurrent": "0", "access.metrics_public": "true"}


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a process's output, and when it came, in seconds from the process's start."""

    at: float
    text: str


class LoggedProcess:
    """A child whose output is read by a thread, so that it never waits for us. Ended when the block ends."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.lines: list[LogLine] = []
        self.begun = time.perf_counter()
        environment = {key: value for key, value in os.environ.items() if key != _CLIENT_KEY}
        # A session of its own: Ctrl-C ends us, and we end the child, once.
        self._process = subprocess.Popen(
            list(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**environment, "PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                at = time.perf_counter() - self.begun
                self.lines.append(LogLine(at, line.decode("utf-8", "replace").rstrip()))

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def failed(self) -> ProcessFailedError:
        """Give the error that says how it ended, with the end of its log."""
        if self.exit_code is not None:
            self._reader.join(2)
        return ProcessFailedError(
            self.name, self.exit_code, [line.text for line in self.lines[-_LAST_LINES:]]
        )

    def wait(self, timeout_seconds: float) -> None:
        """Wait until it ends by itself, for a while."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_seconds)

    def stop(self) -> None:
        """Ask it to end, and make it, after a while."""
        if self.exit_code is None:
            self._process.send_signal(signal.SIGTERM)
            self.wait(_STOP_SECONDS)
            self._process.kill()
        self._process.wait()
        _end_session(self._process.pid)
        self._reader.join(5)

    def __enter__(self) -> LoggedProcess:
        """Give the process."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.stop()


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service of ours. `ready_after` and `listens_after` are seconds from the start of its process."""

    process: LoggedProcess
    base_url: str
    listens_after: float
    ready_after: float


@contextmanager
def running_service(
    arguments: Sequence[str], *, port: int | None = None, timeout_seconds: float = 900
) -> Generator[RunningService]:
    """Start `python -m service` and wait until it is ready; end it with the block.

    arguments  more arguments of `python -m service`
    port       the port to take, or None for a free one
    Raises     PortInUseError, ProcessFailedError
    """
    chosen = free_port() if port is None else port
    require_free(chosen)
    command = [sys.executable, "-m", "service", *arguments, "--port", str(chosen)]
    base_url = f"http://127.0.0.1:{chosen}"
    with LoggedProcess("The service", command) as process, httpx.Client(trust_env=False, timeout=5) as client:
        listens = _wait(process, client, f"{base_url}/healthz", timeout_seconds)
        ready = _wait(process, client, f"{base_url}/readyz", timeout_seconds)
        yield RunningService(process, base_url, listens, ready)


def settings_arguments(settings: dict[str, str]) -> list[str]:
    """Give settings as arguments of `python -m service`."""
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def free_port() -> int:
    """Give a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_free(port: int) -> None:
    """Raise PortInUseError if something listens on the port."""
    with socket.socket() as probe:
        # As servers do: a connection of the last minute that is still winding down is no listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortInUseError(port) from error


def _end_session(session: int) -> None:
    """Kill what is left of a session of ours: an engine's processes leave our group, but not our session."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # pid (name) state ppid pgrp session …; the name may hold spaces and parentheses.
            fields = stat.read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
            if int(fields[3]) == session:
                os.kill(int(stat.parent.name), signal.SIGKILL)


def _wait(process: LoggedProcess, client: httpx.Client, url: str, timeout_seconds: float) -> float:
    while (waited := time.perf_counter() - process.begun) < timeout_seconds:
        if process.exit_code is not None:
            raise process.failed()
        with suppress(httpx.TransportError):
            if client.get(url).status_code == HTTPStatus.OK:
                return waited
        time.sleep(_POLL_SECONDS)
    raise process.failed()
