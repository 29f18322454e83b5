"""Streams that never end in silence: framing, errors, heartbeats, and what happens when the client leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from openai._streaming import SSEDecoder
from starlette.requests import Request
from starlette.types import Message

from service.errors import BadRequestError, DeadlineError, RateLimitedError, ServiceError
from service.fake_engine import FakeEngine
from service.sse import DONE, HEARTBEAT, ClientGoneError, EventStream, cancel_on_disconnect, frame
from tests.conftest import Serve, until
from tests.service.streams import payloads
from tests.service.virtual_time import now, run

Events = AsyncGenerator[str, None]


@dataclass
class Client:
    """The far side of an ASGI call: keeps what was sent, and leaves when told."""

    sent: list[Message] = field(default_factory=list[Message])
    left: asyncio.Event = field(default_factory=asyncio.Event)
    errors: list[ServiceError] = field(default_factory=list[ServiceError])
    num_gone: int = 0

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def gone(self) -> None:
        self.num_gone += 1

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def chunks(self) -> list[bytes]:
        return [message["body"] for message in self.sent[1:]]

    @property
    def text(self) -> str:
        return b"".join(self.chunks).decode()

    async def read(self, events: Events, heartbeat_seconds: float = 30) -> None:
        """Take a whole stream."""
        await stream_of(self, events, heartbeat_seconds)({"type": "http"}, self.receive, self.send)


def stream_of(client: Client, events: Events, heartbeat_seconds: float) -> EventStream:
    return EventStream(
        events, heartbeat_seconds=heartbeat_seconds, on_error=client.errors.append, on_gone=client.gone
    )


async def several(*items: str | Exception | float) -> Events:
    """Yield texts, raise exceptions, wait seconds."""
    for item in items:
        if isinstance(item, Exception):
            raise item
        if isinstance(item, str):
            yield item
        else:
            await asyncio.sleep(item)


# ── framing ──────────────────────────────────────────────────────────────────────────────────────────────────

TEXTS = ["plain", "é 漢 🙂", "line\nbreak\r\n\u2028\u0085", "data: [DONE]\n\n", "", "\x00\x1b"]


async def test_each_event_is_one_frame_and_done_is_the_last() -> None:
    client = Client()
    sent = [json.dumps({"delta": text}) for text in TEXTS]
    await client.read(several(*sent))
    assert client.status == 200
    assert client.text == "".join(map(frame, sent)) + DONE
    assert [event["delta"] for event in payloads(client.text)] == TEXTS
    assert client.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_no_chunk_cuts_a_character_or_a_frame() -> None:
    client = Client()
    await client.read(several(*(json.dumps({"delta": text}, ensure_ascii=False) for text in TEXTS)))
    assert all(chunk.decode().endswith("\n\n") for chunk in client.chunks[:-1])


async def test_the_official_parser_reads_it_under_every_cut() -> None:
    client = Client()
    sent = [json.dumps({"delta": text}, ensure_ascii=False) for text in TEXTS]
    await client.read(several(*sent))
    body = b"".join(client.chunks)
    for cut in range(len(body) + 1):
        read = [event.data for event in SSEDecoder().iter_bytes(iter([body[:cut], body[cut:]]))]
        assert read == [*sent, "[DONE]"]
    single = [event.data for event in SSEDecoder().iter_bytes(bytes([byte]) for byte in body)]
    assert single == [*sent, "[DONE]"]


async def test_a_stream_without_events_is_done() -> None:
    client = Client()
    await client.read(several())
    assert (client.status, client.text) == (200, DONE)


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (BadRequestError("no", param="n"), 400),
        (RateLimitedError("slow", retry_after=2), 429),
        (DeadlineError("late"), 504),
    ],
)
async def test_a_failure_before_the_first_event_is_a_plain_answer(failure: ServiceError, status: int) -> None:
    client = Client()
    await client.read(several(failure))
    assert client.status == status
    assert json.loads(client.text) == failure.body().model_dump()
    headers = {name.decode(): value.decode() for name, value in client.sent[0]["headers"]}
    assert headers["content-type"] == "application/json"
    assert headers.get("retry-after") == failure.headers().get("Retry-After")
    assert client.errors == [failure]
    assert client.num_gone == 0


async def test_a_failure_in_mid_stream_is_an_error_event_then_done() -> None:
    client = Client()
    failure = DeadlineError("late")
    await client.read(several("1", "2", failure, "3"))
    assert client.status == 200
    assert client.text == frame("1") + frame("2") + frame(failure.body().model_dump_json()) + DONE
    assert client.errors == [failure]


@pytest.mark.parametrize("before", [(), ("1",)], ids=["first", "mid-stream"])
async def test_a_bug_is_told_without_its_details(before: tuple[str, ...]) -> None:
    client = Client()
    await client.read(several(*before, KeyError("SECRET")))
    assert "SECRET" not in client.text
    assert [error.status for error in client.errors] == [500]
    if before:
        _, error = payloads(client.text.replace("data: 1", "data: {}"))
        assert error["error"]["code"] == "internal_error"
    else:
        assert client.status == 500


async def test_a_failure_after_a_slow_start_is_an_error_event() -> None:
    client = Client()
    await client.read(several(0.05, DeadlineError("late")), heartbeat_seconds=0.01)
    assert client.status == 200
    (error,) = payloads(client.text)
    assert error["error"]["code"] == "deadline_exceeded"


# ── heartbeats ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.sse.time", SimpleNamespace(monotonic=now))


@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize(
    ("items", "read"),
    [
        ((14.9, "1"), ["1"]),
        ((15.1, "1"), [HEARTBEAT, "1"]),
        ((0.0, "1", 40.0, "2"), ["1", HEARTBEAT, HEARTBEAT, "2"]),
        ((40.0, "1"), [HEARTBEAT, HEARTBEAT, "1"]),
        # What counts is the silence, not the time in all.
        ((10.0, "1", 10.0, "2", 10.0, "3", 10.0, "4"), ["1", "2", "3", "4"]),
        ((10.0, "1", 20.0, "2"), ["1", HEARTBEAT, "2"]),
        ((1.0, "1", 14.9), ["1"]),
        ((1.0, "1", 15.1), ["1", HEARTBEAT]),
    ],
)
def test_silence_is_bridged_by_comments(items: tuple[str | float, ...], read: list[str]) -> None:
    client = Client()
    run(client.read(several(*items), heartbeat_seconds=15))
    assert client.status == 200
    assert client.text == "".join(item if item == HEARTBEAT else frame(item) for item in read) + DONE


async def test_a_comment_is_what_the_standard_ignores() -> None:
    assert HEARTBEAT.startswith(":")
    assert HEARTBEAT.endswith("\n\n")
    assert not list(SSEDecoder().iter_bytes(iter([HEARTBEAT.encode()])))


# ── the client leaves ────────────────────────────────────────────────────────────────────────────────────────


def endless(closed: asyncio.Event, first: str | None) -> Callable[[], Events]:
    async def events() -> Events:
        try:
            if first is not None:
                yield first
            await asyncio.Event().wait()
            yield "never"
        finally:
            closed.set()

    return events


@pytest.mark.parametrize("first", [None, "1"], ids=["before the first event", "in mid-stream"])
async def test_a_client_that_leaves_closes_the_source_at_once(first: str | None) -> None:
    client, closed = Client(), asyncio.Event()
    reading = asyncio.create_task(client.read(endless(closed, first)()))
    await until(lambda: len(client.sent) == (2 if first else 0))
    await asyncio.sleep(0)
    client.left.set()
    await asyncio.wait_for(reading, 1)
    assert closed.is_set()
    assert client.num_gone == 1
    assert client.errors == []
    assert DONE.encode() not in client.chunks


async def test_a_client_that_stays_to_the_end_has_not_left() -> None:
    client = Client()
    await client.read(several("1"))
    client.left.set()
    assert client.num_gone == 0


async def test_a_source_is_closed_when_the_server_cuts_the_request() -> None:
    client, closed = Client(), asyncio.Event()
    reading = asyncio.create_task(client.read(endless(closed, "1")()))
    await until(lambda: len(client.sent) == 2)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert closed.is_set()
    assert client.num_gone == 0


async def test_a_source_is_closed_when_sending_fails() -> None:
    closed = asyncio.Event()

    async def broken(message: Message) -> None:
        raise OSError("gone")

    client = Client()
    stream = stream_of(client, endless(closed, "1")(), 30)
    with pytest.raises(OSError, match="gone"):
        await stream({"type": "http"}, client.receive, broken)
    assert closed.is_set()


async def test_no_task_outlives_a_stream() -> None:
    before = asyncio.all_tasks()
    for events in (several("1"), several("1", DeadlineError("late")), several(DeadlineError("late"))):
        await Client().read(events, heartbeat_seconds=0.01)
    assert asyncio.all_tasks() == before


async def test_work_goes_on_while_the_client_is_there() -> None:
    client = Client()

    async def work() -> int:
        await asyncio.sleep(0.01)
        return 42

    assert await cancel_on_disconnect(Request({"type": "http"}, client.receive), work()) == 42


async def test_work_is_cancelled_when_the_client_leaves() -> None:
    client, cancelled = Client(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    client.left.set()
    with pytest.raises(ClientGoneError):
        await cancel_on_disconnect(Request({"type": "http"}, client.receive), work())
    assert cancelled.is_set()


async def test_the_works_own_failure_is_passed_on() -> None:
    async def work() -> None:
        raise BadRequestError("no")

    with pytest.raises(BadRequestError):
        await cancel_on_disconnect(Request({"type": "http"}, Client().receive), work())


# ── over a socket ────────────────────────────────────────────────────────────────────────────────────────────

REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("/generate", {"prompt": "x"}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
    ("/v1/completions", {"prompt": "x"}),
]
EVERY_ROUTE = pytest.mark.parametrize(("path", "body"), REQUESTS, ids=[path for path, _ in REQUESTS])


@EVERY_ROUTE
@pytest.mark.parametrize("stream", [True, False])
async def test_client_that_leaves_frees_the_seat_within_a_second(
    over_socket: Serve, path: str, body: dict[str, Any], stream: bool
) -> None:
    async with over_socket(FakeEngine(token_seconds=30)) as service:
        admission = service.app.state.services.admission
        asking = asyncio.create_task(service.client.post(path, json={**body, "stream": stream}))
        await until(lambda: service.engine.num_open == 1)
        asking.cancel()
        await until(lambda: service.engine.num_open == 0, 1)
        await until(lambda: admission.seats_taken == 0 and service.lifecycle.open_requests == 0, 1)
        assert service.engine.num_aborted == 1


async def test_a_client_that_leaves_the_queue_leaves_its_place(over_socket: Serve) -> None:
    async with over_socket(FakeEngine(token_seconds=30), seats=1) as service:
        admission = service.app.state.services.admission
        seated = asyncio.create_task(service.client.post("/generate", json={"prompt": "x"}))
        await until(lambda: admission.seats_taken == 1)
        waiting = asyncio.create_task(service.client.post("/generate", json={"prompt": "x", "stream": True}))
        await until(lambda: admission.num_waiting == 1)
        waiting.cancel()
        await until(lambda: admission.num_waiting == 0, 1)
        assert len(service.engine.requests) == 1
        seated.cancel()


@EVERY_ROUTE
async def test_pieces_arrive_while_the_engine_still_works(
    over_socket: Serve, path: str, body: dict[str, Any]
) -> None:
    engine = FakeEngine(script="one two " * 1000, token_seconds=0.01)
    async with (
        over_socket(engine) as service,
        service.client.stream("POST", path, json={**body, "stream": True}) as stream,
    ):
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("data: {")
        assert engine.num_open == 1


async def test_a_silent_stream_carries_heartbeats_to_the_client(over_socket: Serve) -> None:
    async with (
        over_socket(FakeEngine(token_seconds=30), server__heartbeat_seconds=0.02) as service,
        service.client.stream("POST", "/generate", json={"prompt": "x", "stream": True}) as stream,
    ):
        assert stream.status_code == 200
        assert await anext(stream.aiter_lines()) == HEARTBEAT.strip()
