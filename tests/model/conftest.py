"""A real service with the real 0.5B model, started once per module: two engines never run at the same time."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from openai import OpenAI

from service.key_file import SCOPES
from service.keys_cli import main as keys_cli

ROOT = Path(__file__).parents[2]
MODEL = "qwen2.5-coder-0.5b-instruct"
START_SECONDS = 300.0


@dataclass
class Service:
    """A running service process and the keys of its tenants."""

    process: subprocess.Popen[bytes]
    base_url: str
    keys: dict[str, str]
    log: Path

    def http(self, tenant: str = "acme") -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.keys[tenant]}"}
        return httpx.Client(base_url=self.base_url, headers=headers, timeout=120)

    def openai(self, tenant: str = "acme", *, timeout: float = 120) -> Any:
        """Give OpenAI's client; as Any, since its overloads know no request made of a dict."""
        return OpenAI(
            base_url=f"{self.base_url}/v1", api_key=self.keys[tenant], max_retries=0, timeout=timeout
        )

    def metric(self, name: str) -> float:
        """Sum a metric over its labels."""
        with self.http() as client:
            lines = client.get("/metrics").text.splitlines()
        values = [float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name]
        assert values, f"no metric {name}"
        return sum(values)

    def engine_processes(self) -> list[psutil.Process]:
        """Every process below the service's."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Generator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@contextmanager
def running_service(folder: Path, **more: Any) -> Generator[Service]:
    """Run a service; `engine__threads=1` sets engine.threads."""
    keys_file = folder / "keys.json"
    keys = {tenant: _add_key(keys_file, tenant) for tenant in ("acme", "globex")}
    port = free_port()
    log = folder / "service.log"
    arguments = [sys.executable, "-m", "service", "--port", str(port), "--model", MODEL]
    overrides: dict[str, Any] = {
        "access.keys_file": keys_file,
        "log.format": "json",
        "access.requests_per_minute": 6000,
    }
    overrides |= {name.replace("__", ".", 1): value for name, value in more.items()}
    for name, value in overrides.items():
        arguments += ["--set", f"{name}={value}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments, cwd=ROOT, stdout=output, stderr=output, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
    service = Service(process, f"http://127.0.0.1:{port}", keys, log)
    try:
        _wait_until_ready(service)
        yield service
    finally:
        _end(service)


def _add_key(keys_file: Path, tenant: str) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        scopes = [part for scope in sorted(SCOPES) for part in ("--scope", scope)]
        assert keys_cli(["add", "--file", str(keys_file), "--tenant", tenant, *scopes]) == 0
    return next(word for word in printed.getvalue().split() if word.startswith("cf_"))


def _wait_until_ready(service: Service) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert service.process.poll() is None, service.tail()
        try:
            if httpx.get(f"{service.base_url}/readyz", timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.25)
    raise AssertionError(f"not ready within {START_SECONDS} s:\n{service.tail()}")


def _end(service: Service) -> None:
    if service.process.poll() is None:
        children = service.engine_processes()
        service.process.send_signal(signal.SIGTERM)
        try:
            service.process.wait(60)
        except subprocess.TimeoutExpired:
            service.process.kill()
        for child in children:
            if child.is_running():
                child.kill()
