"""The service as a process of its own, for as long as a stage needs it. The trainer reaches it over HTTP alone."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from trainer.errors import ServiceError

_START_SECONDS = 600.0
_END_SECONDS = 60.0


@contextmanager
def served(model: str, log: Path, settings: dict[str, object]) -> Generator[str]:
    """Run the service on a free port and give its address. Raises ServiceError when it does not start.

    settings  dotted names to values, as `python -m service --set` takes them
    """
    port = _free_port()
    arguments = [sys.executable, "-m", "service", "--port", str(port), "--model", model]
    for name, value in settings.items():
        arguments += ["--set", f"{name}={value}"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=output)  # noqa: S603 - our own service
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServiceError(f"the service ended with code {process.returncode}; see {log}")
        try:
            if httpx.get(f"{url}/readyz", timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.25)
    raise ServiceError(f"the service was not ready within {_START_SECONDS:.0f} s; see {log}")
