"""The end of the process: a drain that loses nothing, a second stop that cuts, an engine that dies or never starts."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from typing_extensions import override

from retrieval_index.update import update_index
from service.app import create_app
from service.engine import EngineObserver
from service.errors import ConfigurationError
from service.fake_engine import FakeEngine
from service.http_server import HttpServer
from service.lifecycle import State
from service.metrics import Metrics
from service.sse import HEARTBEAT
from tests.conftest import Running, Serve, settings_with, until
from tests.service.streams import payloads

REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("/generate", {"prompt": "x"}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
    ("/v1/completions", {"prompt": "x"}),
]
EVERY_ROUTE = pytest.mark.parametrize(("path", "body"), REQUESTS, ids=[path for path, _ in REQUESTS])


def server_of(service: Running) -> tuple[HttpServer, asyncio.Future[int]]:
    assert service.server is not None
    assert service.exit_code is not None
    return service.server, service.exit_code


async def open_streams(service: Running, count: int) -> list[asyncio.Task[httpx.Response]]:
    """Start streams of every shape and wait until all are in the engine."""
    tasks = [
        asyncio.create_task(service.client.post(path, json={**body, "stream": True}))
        for path, body in (REQUESTS * count)[:count]
    ]
    await until(lambda: service.engine.num_open == count)
    return tasks


# ── drain ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_drain_refuses_the_new_completes_the_open_and_exits_0(over_socket: Serve) -> None:
    engine = FakeEngine(script="one two three\n```", token_seconds=0.2)
    async with over_socket(engine) as service:
        server, exit_code = server_of(service)
        streams = await open_streams(service, 9)
        begun = time.monotonic()
        server.stop()
        ready = await service.client.get("/readyz")
        # The bar is 100 ms on an idle machine.
        assert time.monotonic() - begun < 0.5
        assert (ready.status_code, ready.json()["error"]["code"]) == (503, "draining")
        assert (await service.client.get("/healthz")).status_code == 200
        for path, body in REQUESTS:
            refused = await service.client.post(path, json=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
            assert int(refused.headers["retry-after"]) >= 1
            assert refused.headers["connection"] == "close"
        assert service.engine.num_open == 9
        for stream in await asyncio.gather(*streams):
            assert stream.status_code == 200
            assert not any("error" in event for event in payloads(stream.text))
        assert await asyncio.wait_for(exit_code, 10) == 0
        assert engine.num_aborted == 0


async def test_an_idle_service_ends_at_once(over_socket: Serve) -> None:
    async with over_socket() as service:
        server, exit_code = server_of(service)
        server.stop()
        assert await asyncio.wait_for(exit_code, 5) == 0


async def test_requests_in_the_queue_are_completed_too(over_socket: Serve) -> None:
    async with over_socket(FakeEngine(token_seconds=0.02), seats=1) as service:
        server, exit_code = server_of(service)
        admission = service.app.state.services.admission
        tasks = [
            asyncio.create_task(service.client.post("/generate", json={"prompt": "x"})) for _ in range(4)
        ]
        await until(lambda: admission.num_waiting == 3)
        server.stop()
        assert [(await task).status_code for task in tasks] == [200] * 4
        assert await asyncio.wait_for(exit_code, 10) == 0


async def test_a_second_stop_cuts_what_is_open(over_socket: Serve) -> None:
    async with over_socket(FakeEngine(token_seconds=60)) as service:
        server, exit_code = server_of(service)
        streams = await open_streams(service, 3)
        server.stop()
        await until(lambda: service.lifecycle.state is State.DRAINING)
        assert not exit_code.done()
        begun = time.monotonic()
        server.stop()
        assert await asyncio.wait_for(exit_code, 5) == 0
        assert time.monotonic() - begun < 3
        assert service.engine.num_open == 0
        for outcome in await asyncio.gather(*streams, return_exceptions=True):
            # Cut before its first byte it is a 503 or no answer; never one that looks whole.
            assert isinstance(outcome, httpx.Response | httpx.HTTPError)
            assert not isinstance(outcome, httpx.Response) or outcome.status_code == 503


async def test_a_drain_ends_after_its_seconds(over_socket: Serve) -> None:
    async with over_socket(FakeEngine(token_seconds=60), server__drain_seconds=0.2) as service:
        server, exit_code = server_of(service)
        streams = await open_streams(service, 1)
        server.stop()
        assert await asyncio.wait_for(exit_code, 5) == 0
        assert service.engine.num_open == 0
        await asyncio.gather(*streams, return_exceptions=True)


# ── death ────────────────────────────────────────────────────────────────────────────────────────────────────


@EVERY_ROUTE
async def test_engine_death_is_an_error_for_every_open_request_within_two_seconds(
    over_socket: Serve, path: str, body: dict[str, Any]
) -> None:
    engine = FakeEngine(token_seconds=60)
    async with over_socket(engine, seats=2, server__heartbeat_seconds=0.05) as service:
        _, exit_code = server_of(service)
        admission = service.app.state.services.admission
        ask = service.client.post
        whole = [asyncio.create_task(ask(path, json=body)) for _ in range(2)]
        await until(lambda: admission.seats_taken == 2)
        whole.append(asyncio.create_task(ask(path, json=body)))
        async with service.client.stream("POST", path, json={**body, "stream": True}) as waiting:
            lines = waiting.aiter_lines()
            # Opened by a heartbeat, so its failure can only be an event.
            assert await anext(lines) == HEARTBEAT.strip()
            assert admission.num_waiting == 2
            begun = time.monotonic()
            engine.die()
            for answer in await asyncio.gather(*whole):
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_dead")
                assert int(answer.headers["retry-after"]) >= 1
            (error,) = payloads("".join([f"{line}\n" async for line in lines]).lstrip("\n"))
            assert time.monotonic() - begun < 2
        assert waiting.status_code == 200
        assert error["error"]["code"] == "engine_dead"
        assert await asyncio.wait_for(exit_code, 10) == 1


async def test_engine_death_in_mid_stream_is_an_error_event(over_socket: Serve) -> None:
    engine = FakeEngine(script="word " * 5000, token_seconds=0.01)
    async with over_socket(engine) as service:
        _, exit_code = server_of(service)
        async with service.client.stream("POST", "/generate", json={"prompt": "x", "stream": True}) as stream:
            lines = stream.aiter_lines()
            text = await anext(lines) + "\n"
            engine.die()
            async for line in lines:
                text += line + "\n"
        assert payloads(text)[-1]["error"]["code"] == "engine_dead"
        assert await asyncio.wait_for(exit_code, 10) == 1


async def test_a_dead_engine_shows_in_every_answer(in_process: Serve) -> None:
    async with in_process() as service:
        service.engine.die()
        await until(lambda: service.lifecycle.state is State.DEAD, 2)
        for probe in ("/healthz", "/readyz"):
            answer = await service.client.get(probe)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_dead")
        for path, body in REQUESTS:
            refused = await service.client.post(path, json=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "engine_dead")
            assert int(refused.headers["retry-after"]) >= 1
        assert service.engine.requests == []


async def test_an_idle_services_engine_death_ends_the_process_with_1(over_socket: Serve) -> None:
    async with over_socket() as service:
        _, exit_code = server_of(service)
        service.engine.die()
        assert await asyncio.wait_for(exit_code, 5) == 1


async def test_death_during_a_drain_is_not_hidden(over_socket: Serve) -> None:
    async with over_socket(FakeEngine(token_seconds=60)) as service:
        server, exit_code = server_of(service)
        streams = await open_streams(service, 1)
        server.stop()
        await until(lambda: service.lifecycle.state is State.DRAINING)
        service.engine.die()
        assert await asyncio.wait_for(exit_code, 10) == 1
        assert (await streams[0]).json()["error"]["code"] == "engine_dead"


# ── start ────────────────────────────────────────────────────────────────────────────────────────────────────


class Unstartable(FakeEngine):
    """Fails to start, in a way it expected or not."""

    failure: Exception = ConfigurationError("no memory")

    async def start(self, observer: EngineObserver) -> None:
        await super().start(observer)
        raise self.failure


@pytest.mark.parametrize("failure", [ConfigurationError("no memory"), RuntimeError("a bug")])
async def test_an_engine_that_cannot_start_ends_the_process_with_1(
    over_socket: Serve, failure: Exception
) -> None:
    engine = Unstartable()
    engine.failure = failure
    async with over_socket(engine, ready=False) as service:
        _, exit_code = server_of(service)
        assert await asyncio.wait_for(exit_code, 5) == 1
        assert service.lifecycle.state is State.DEAD


async def test_while_the_engine_starts_probes_answer_and_requests_wait(over_socket: Serve) -> None:
    async with over_socket(FakeEngine(start_seconds=0.5), ready=False) as service:
        assert (await service.client.get("/healthz")).status_code == 200
        ready = await service.client.get("/readyz")
        assert (ready.status_code, ready.json()["error"]["code"]) == (503, "starting")
        for path, body in REQUESTS:
            refused = await service.client.post(path, json=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "starting")
            assert int(refused.headers["retry-after"]) >= 1
        models = await service.client.get("/v1/models")
        assert (models.status_code, models.json()["error"]["code"]) == (503, "starting")
        await until(lambda: service.lifecycle.ready)
        assert (await service.client.get("/readyz")).status_code == 200
        assert (await service.client.post("/generate", json={"prompt": "x"})).status_code == 200


async def test_a_stop_while_the_engine_starts_ends_the_process(over_socket: Serve) -> None:
    async with over_socket(FakeEngine(start_seconds=60), ready=False) as service:
        server, exit_code = server_of(service)
        server.stop()
        assert await asyncio.wait_for(exit_code, 5) == 0


async def test_what_fails_in_the_background_keeps_nothing_from_being_closed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    closed: list[str] = []

    class Watched(FakeEngine):
        @override
        async def shutdown(self) -> None:
            closed.append("engine")
            await super().shutdown()

    async def fail(_: Metrics) -> None:
        raise OSError("an error of the test")

    monkeypatch.setattr(Metrics, "watch_event_loop", fail)
    app = create_app(settings_with(retrieval__enabled=False), Watched(), seats=1)
    async with app.router.lifespan_context(app):
        await asyncio.sleep(0.05)
    assert closed == ["engine"]
    assert "an error of the test" in capfd.readouterr().out


async def test_an_application_can_live_twice(tmp_path: Path) -> None:
    (tmp_path / "prices.py").write_text("def price():\n    return 1\n")
    update_index(tmp_path, tmp_path / "indexes", "shop")
    app = create_app(settings_with(retrieval__folder=tmp_path / "indexes"), FakeEngine(), seats=1)
    for _ in range(2):
        async with app.router.lifespan_context(app):
            (loaded,) = await app.state.services.retriever.indexes.visible_to("local")
            assert [hit.chunk.path for hit in loaded.index.search("price")] == ["prices.py"]
