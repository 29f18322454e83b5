"""The engine process is killed while it works: nobody waits for ever, and the service ends with an error."""

from __future__ import annotations

import json
import signal
import time
from contextlib import suppress

import httpx
import psutil
import pytest

from tests.model.conftest import Service
from tests.model.test_real_service import ENDLESS

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(600)]


def _engine_core(service: Service) -> psutil.Process:
    """The service's child that is no Python helper: EngineCore names itself."""
    children = psutil.Process(service.process.pid).children()
    named = [child for child in children if "EngineCore" in " ".join(child.cmdline())]
    assert named, [child.cmdline() for child in children]
    return named[0]


def test_killing_the_engine_fails_open_requests_and_ends_the_service(service: Service) -> None:
    children = service.engine_processes()
    request = {**ENDLESS, "stream": True}
    with service.http() as client, client.stream("POST", "/v1/completions", json=request) as response:
        lines = response.iter_lines()
        next(lines)
        _engine_core(service).send_signal(signal.SIGKILL)
        killed = time.monotonic()
        rest = [line for line in lines if line]
        assert time.monotonic() - killed < 5
    error = json.loads(rest[-2].removeprefix("data: "))["error"]
    assert error["code"] == "engine_dead"
    assert rest[-1] == "data: [DONE]"
    with suppress(httpx.TransportError):  # a server that is gone already is as clear an answer
        assert httpx.get(f"{service.base_url}/readyz", timeout=5).status_code == 503
    assert service.process.wait(30) == 1, service.tail()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
