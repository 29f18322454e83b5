"""Start the service, wait until it is ready, show one request with its answer, and keep serving until Ctrl-C.

python -m scripts.serve --port 8000 -- [arguments of python -m service]
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console

from scripts.ask import show

_PROMPT = "Write a function is_prime(n) that tells whether n is a prime number."
_LOG = Path("results/service.log")
console = Console()


def main() -> int:
    """Run the service as a child; give its exit code."""
    parser = argparse.ArgumentParser(description="Start the service and show one answer.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("service_arguments", nargs="*")
    options = parser.parse_args()
    base_url = f"http://127.0.0.1:{options.port}"
    command = [sys.executable, "-m", "service", "--port", str(options.port), *options.service_arguments]
    _LOG.parent.mkdir(exist_ok=True)
    with _LOG.open("wb") as log:
        # Our own session, so that Ctrl-C reaches the service once, from us, and not from the terminal as well.
        service = subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log)
    with _signals_to(service):
        if _wait_until_ready(service, base_url):
            _demonstrate(base_url)
        code = service.wait()
    if code:
        console.print(f"[red]the service ended with code {code}[/red]; the end of {_LOG}:")
        console.print("\n".join(_log_lines()[-20:]), markup=False, highlight=False)
    return code


@contextmanager
def _signals_to(service: subprocess.Popen[bytes]) -> Generator[None]:
    def forward(number: int, frame: object) -> None:
        del frame
        if service.poll() is None:
            service.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, forward)
    yield


def _wait_until_ready(service: subprocess.Popen[bytes], base_url: str) -> bool:
    begun = time.monotonic()
    with console.status("") as status:
        while service.poll() is None:
            seconds = time.monotonic() - begun
            status.update(f"starting the engine … {seconds:.0f} s (about 30 s on two cores; log: {_LOG})")
            if _is_ready(base_url):
                console.print(f"ready after {time.monotonic() - begun:.0f} s at {base_url}")
                return True
            time.sleep(0.25)
    return False


def _log_lines() -> list[str]:
    return _LOG.read_text(encoding="utf-8", errors="replace").splitlines()


def _is_ready(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/readyz", timeout=2).is_success
    except httpx.TransportError:
        return False


def _demonstrate(base_url: str) -> None:
    request = {"prompt": _PROMPT, "language": "python", "max_tokens": 256}
    console.print(f"\n[bold]POST {base_url}/generate[/bold]")
    console.print_json(json.dumps(request))
    console.print("\n[bold]answer[/bold]")
    try:
        show(base_url, request)
    except (RuntimeError, httpx.TransportError) as error:
        console.print(f"no answer: {error}")
    console.print(f'\nserving at {base_url} until Ctrl-C; ask with `make ask Q="…"`; log: {_LOG}')


if __name__ == "__main__":
    sys.exit(main())
