"""The server against raw sockets: slow, broken and hostile peers, the drain, and the exit code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from unittest.mock import Mock

import pytest
import pytest_asyncio
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse
from uvicorn.server import ServerState

from service.edge import guard
from service.errors import ConfigurationError
from service.http_server import HttpServer, bind
from service.keys import FailedLogins, KeyRing
from service.lifecycle import Lifecycle, State
from service.settings import LimitSettings, ServerSettings, Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
QUICK: dict[str, Any] = {
    "port": 0,
    "header_timeout_seconds": 0.5,
    "body_timeout_seconds": 0.5,
    "send_timeout_seconds": 0.5,
    "drain_seconds": 5.0,
}


class Site:
    """A running server, and what its routes saw."""

    def __init__(self, **server: Any) -> None:
        self.settings = Settings(
            server=ServerSettings(**{**QUICK, **server}),
            limits=LimitSettings(max_body_bytes=2048),
        )
        self.lifecycle = Lifecycle()
        self.release = asyncio.Event()
        self.streams = 0
        self.cancelled = asyncio.Event()
        self.drains = 0
        self.shut_down = False
        self.writers: list[asyncio.StreamWriter] = []
        self.http = HttpServer(self._app(), self.settings, self.lifecycle, begin_drain=self._begin_drain)
        self.exit_code: int | None = None

    async def _begin_drain(self) -> None:
        self.drains += 1

    def _app(self) -> FastAPI:
        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
            yield
            self.shut_down = True

        app = FastAPI(middleware=guard(self.settings, self.lifecycle), lifespan=lifespan)
        app.state.keys, app.state.logins = KeyRing.open(), FailedLogins(0)
        app.get("/healthz")(lambda: {"state": "alive"})
        app.post("/echo")(self._echo)
        app.get("/wait")(self._wait)
        app.get("/flood")(self._flood)
        return app

    async def _echo(self, request: Request) -> dict[str, Any]:
        return {"got": await request.json()}

    async def _wait(self) -> dict[str, str]:
        await self.release.wait()
        return {"state": "done"}

    async def _flood(self) -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            self.streams += 1
            try:
                for _ in range(10_000):
                    yield b"x" * 16_384
                    await asyncio.sleep(0)
            finally:
                self.cancelled.set()

        return StreamingResponse(chunks())

    async def connect(self) -> Connection:
        assert self.http.bound_port
        reader, writer = await asyncio.open_connection("127.0.0.1", self.http.bound_port, limit=1 << 20)
        self.writers.append(writer)
        return reader, writer

    async def ask(self, raw: bytes) -> tuple[int, dict[str, Any]]:
        reader, writer = await self.connect()
        writer.write(raw)
        status, body = await answer(reader)
        writer.close()
        return status, body

    async def hang_up(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncGenerator[Site]:
    """One server for the tests that leave it as they found it: starting and stopping takes 0.3 s."""
    async with running() as shared:
        yield shared


@asynccontextmanager
async def running(**server: Any) -> AsyncGenerator[Site]:
    site = Site(**server)
    task = asyncio.create_task(site.http.run())
    try:
        await asyncio.wait_for(site.http.started.wait(), 5)
        site.lifecycle.mark_ready()
        yield site
    finally:
        site.release.set()
        site.http.stop()
        site.exit_code = await asyncio.wait_for(task, 10)
        await site.hang_up()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    headers = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:-2])
    body = await asyncio.wait_for(reader.readexactly(int(headers.get(b"content-length", 0))), 5)
    return int(head.split()[1]), json.loads(body or b"{}")


async def is_closed(reader: asyncio.StreamReader, within: float = 3.0) -> bool:
    with suppress(ConnectionError):
        while await asyncio.wait_for(reader.read(65536), within):
            pass
    return True


def post(body: bytes, *headers: str, path: str = "/echo") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


async def test_a_plain_request_is_served_and_no_server_header_is_sent() -> None:
    async with running() as site:
        reader, writer = await site.connect()
        writer.write(post(b'{"a":1}', "Content-Length: 7"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert b"server:" not in head.lower()
        assert b"x-request-id: req-" in head.lower()
        assert json.loads(await reader.readexactly(15)) == {"got": {"a": 1}}
    assert site.exit_code == 0


@pytest.mark.parametrize("lead_in", [b"", get("/healthz")], ids=["first request", "after keep-alive"])
async def test_a_head_that_drips_is_cut_in_time(site: Site, lead_in: bytes) -> None:
    reader, writer = await site.connect()
    if lead_in:
        writer.write(lead_in)
        await answer(reader)
        await asyncio.sleep(0.6)
    begin = time.monotonic()
    closed = asyncio.create_task(is_closed(reader))
    for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ":
        writer.write(bytes([byte]))
        await asyncio.sleep(0.02)
        if closed.done():
            break
    assert await closed
    assert time.monotonic() - begin < 2


async def test_a_silent_connection_is_cut_in_time(site: Site) -> None:
    reader, _ = await site.connect()
    assert await is_closed(reader, 2)


async def test_a_slow_answer_is_not_a_slow_head() -> None:
    async with running() as site:
        reader, writer = await site.connect()
        writer.write(get("/wait"))
        await asyncio.sleep(1)
        site.release.set()
        assert await answer(reader) == (200, {"state": "done"})


@pytest.mark.parametrize(
    ("framing", "drop"), [("Content-Length: 1000", b" "), ("Transfer-Encoding: chunked", b"1\r\n \r\n")]
)
async def test_a_body_that_drips_is_answered_408(site: Site, framing: str, drop: bytes) -> None:
    reader, writer = await site.connect()
    writer.write(post(b"", framing))
    answered = asyncio.create_task(answer(reader))
    begin = time.monotonic()
    while not answered.done():
        writer.write(drop)
        await asyncio.sleep(0.02)
    status, body = await answered
    assert (status, body["error"]["code"]) == (408, "request_timeout")
    assert time.monotonic() - begin < 3
    writer.close()


@pytest.mark.parametrize("size", [2048, 2049, 200_000])
async def test_a_chunked_body_is_counted(site: Site, size: int) -> None:
    body = b'"' + b"x" * (size - 2) + b'"'
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part) for part in (body[i : i + 999] for i in range(0, size, 999))
    )
    status, _ = await site.ask(post(chunks + b"0\r\n\r\n", "Transfer-Encoding: chunked"))
    assert status == (200 if size <= 2048 else 413)


@pytest.mark.parametrize("length", ["2049", "9999999999999999999"])
async def test_an_announced_body_that_is_too_large_is_refused_unread(site: Site, length: str) -> None:
    status, body = await site.ask(post(b"", f"Content-Length: {length}"))
    assert (status, body["error"]["code"]) == (413, "payload_too_large")


async def test_a_client_that_waits_for_100_continue_hears_413_first(site: Site) -> None:
    status, _ = await site.ask(post(b"", "Content-Length: 5000", "Expect: 100-continue"))
    assert status == 413


async def test_an_upload_nobody_reads_does_not_keep_its_connection(site: Site) -> None:
    reader, writer = await site.connect()
    writer.write(post(b"", "Content-Length: 99999999"))
    assert (await answer(reader))[0] == 413
    begin = time.monotonic()
    closed = asyncio.create_task(is_closed(reader))
    with suppress(ConnectionError):
        while not closed.done() and time.monotonic() - begin < 3:
            writer.write(b"x" * 100)
            await writer.drain()
            await asyncio.sleep(0.02)
    assert closed.done()
    assert time.monotonic() - begin < 3


async def test_a_length_shorter_than_the_body_does_not_smuggle_a_request(site: Site) -> None:
    reader, writer = await site.connect()
    writer.write(post(b'{"a":1}GARBAGE\r\n\r\n', "Content-Length: 7"))
    assert await answer(reader) == (200, {"got": {"a": 1}})
    status, body = await answer(reader)
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert await is_closed(reader)


async def test_the_beginning_of_a_next_request_is_a_slow_head_too(site: Site) -> None:
    reader, writer = await site.connect()
    writer.write(post(b'{"a":1}GET /he', "Content-Length: 7"))
    assert (await answer(reader))[0] == 200
    assert await is_closed(reader, 2)


async def test_a_length_longer_than_the_body_is_answered_408(site: Site) -> None:
    assert (await site.ask(post(b'{"a":1}', "Content-Length: 8")))[0] == 408


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 7", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 7"),
        ("Content-Length: 7", "Content-Length: 8"),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Content-Length: +7",),
        ("Content-Length: 7, 7, 8",),
    ],
)
async def test_ambiguous_framing_is_refused(site: Site, headers: tuple[str, ...]) -> None:
    status, body = await site.ask(post(b'7\r\n{"a":1}\r\n0\r\n\r\n', *headers))
    assert status in (400, 408)
    assert body["error"]["type"] == "invalid_request_error"


async def test_pipelined_requests_are_answered_in_order(site: Site) -> None:
    reader, writer = await site.connect()
    writer.write(b"".join(post(b'{"i":%d}' % i, "Content-Length: 7") for i in range(5)))
    assert [await answer(reader) for _ in range(5)] == [(200, {"got": {"i": i}}) for i in range(5)]


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: y\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"\x00" * 1000 + b"\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost/healthz?\r\n\r\n",
    ],
)
async def test_garbage_is_answered_400_and_the_server_lives(site: Site, raw: bytes) -> None:
    status, body = await site.ask(raw)
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert await site.ask(get("/healthz")) == (200, {"state": "alive"})


async def test_random_bytes_do_no_harm(site: Site) -> None:
    for seed in range(50):
        reader, writer = await site.connect()
        writer.write(
            b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"[: seed % 40] + os.urandom(seed * 7) + b"\r\n\r\n"
        )
        writer.write_eof()
        await is_closed(reader)
        writer.close()
    assert await site.ask(get("/healthz")) == (200, {"state": "alive"})
    assert site.lifecycle.open_requests == 0


async def test_an_upgrade_to_websocket_is_plain_http(site: Site) -> None:
    raw = get("/healthz")[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
    assert (await site.ask(raw))[0] == 200


async def test_a_reader_that_stalls_is_cut_and_its_request_cancelled() -> None:
    async with running() as site:
        reader, writer = await site.connect()
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(get("/flood"))
        begin = time.monotonic()
        await asyncio.wait_for(site.cancelled.wait(), 5)
        assert site.streams == 1
        assert 0.4 < time.monotonic() - begin < 4
        await asyncio.sleep(0.05)
        assert site.lifecycle.open_requests == 0


async def test_a_slow_reader_that_goes_on_reading_is_not_cut() -> None:
    async with running() as site:
        reader, writer = await site.connect()
        writer.write(get("/flood"))
        begin = time.monotonic()
        while time.monotonic() - begin < 1.2:
            assert await reader.read(65_536)
            await asyncio.sleep(0.02)
        assert not site.cancelled.is_set()


async def test_a_buffer_that_is_full_at_every_look_but_emptied_between_counts_as_read() -> None:
    now = [0.0]
    transport = Mock(get_write_buffer_size=Mock(return_value=65_536), get_extra_info=Mock(return_value=None))
    config = HttpServer(
        FastAPI(), Settings(server=ServerSettings(send_timeout_seconds=10)), Lifecycle()
    ).config
    config.load()
    create: Any = config.http_protocol_class
    connection = create(
        config=config, server_state=ServerState(), app_state={}, _loop=Mock(time=lambda: now[0])
    )
    connection.connection_made(transport)
    connection._head_since = None
    for now[0] in range(30):
        connection._check()
        connection.pause_writing()
        connection.resume_writing()
    transport.abort.assert_not_called()
    for now[0] in range(30, 45):
        connection._check()
    transport.abort.assert_called()


async def test_the_client_that_leaves_cancels_its_request() -> None:
    async with running() as site:
        reader, writer = await site.connect()
        writer.write(get("/flood"))
        await reader.read(1000)
        writer.transport.abort()
        await asyncio.wait_for(site.cancelled.wait(), 2)


async def test_connections_above_the_limit_are_answered_503_but_probes_pass() -> None:
    async with running(max_connections=2, header_timeout_seconds=5) as site:
        held = [await site.connect() for _ in range(2)]
        status, body = await site.ask(post(b"{}", "Content-Length: 2"))
        assert (status, body["error"]["code"]) == (503, "server_busy")
        assert (await site.ask(get("/healthz")))[0] == 200
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.05)
        assert (await site.ask(post(b"{}", "Content-Length: 2")))[0] == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_drains_with_open_sockets(number: signal.Signals) -> None:
    site = Site()
    task = asyncio.create_task(site.http.run())
    await site.http.started.wait()
    site.lifecycle.mark_ready()
    reader, writer = await site.connect()
    writer.write(get("/wait"))
    await asyncio.sleep(0.1)
    os.kill(os.getpid(), number)
    await asyncio.sleep(0.1)
    assert site.lifecycle.state is State.DRAINING
    assert site.drains == 1
    status, body = await site.ask(get("/wait"))
    assert (status, body["error"]["code"]) == (503, "draining")
    assert (await site.ask(get("/healthz")))[0] == 200
    assert not task.done()
    site.release.set()
    assert await answer(reader) == (200, {"state": "done"})
    assert await asyncio.wait_for(task, 3) == 0
    assert site.shut_down
    await site.hang_up()


async def test_the_drain_ends_after_its_seconds() -> None:
    begin = time.monotonic()
    async with running(drain_seconds=0.3) as site:
        reader, writer = await site.connect()
        writer.write(get("/wait"))
        await asyncio.sleep(0.1)
        site.http.stop()
        status, body = await answer(reader)
        assert (status, body["error"]["code"]) == (503, "draining")
        assert time.monotonic() - begin < 3
    assert site.exit_code == 0


async def test_the_second_signal_cuts_at_once_and_the_application_still_shuts_down() -> None:
    site = Site(drain_seconds=60)
    task = asyncio.create_task(site.http.run())
    await site.http.started.wait()
    site.lifecycle.mark_ready()
    reader, writer = await site.connect()
    writer.write(get("/wait"))
    await asyncio.sleep(0.1)
    site.http.stop()
    await asyncio.sleep(0.1)
    assert not task.done()
    site.http.stop()
    assert await asyncio.wait_for(task, 2) == 0
    assert site.shut_down
    assert (await answer(reader))[0] == 503
    await site.hang_up()


async def test_a_dead_engine_ends_the_process_with_1() -> None:
    site = Site()
    task = asyncio.create_task(site.http.run())
    await site.http.started.wait()
    site.lifecycle.mark_ready()
    site.lifecycle.mark_dead("test")
    assert await asyncio.wait_for(task, 3) == 1


async def test_a_failed_start_gives_1() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        raise ConfigurationError("no model")
        yield

    settings = Settings(server=ServerSettings(**QUICK))
    assert await HttpServer(FastAPI(lifespan=lifespan), settings, Lifecycle()).run() == 1


async def test_a_taken_port_is_a_clear_error() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(ConfigurationError, match="Cannot listen on"):
        bind("127.0.0.1", taken.getsockname()[1])


PROGRAM = """
import os, signal, sys, threading
from contextlib import asynccontextmanager
from fastapi import FastAPI
from service.http_server import serve
from service.lifecycle import Lifecycle
from service.settings import ServerSettings, Settings
lifecycle = Lifecycle()
@asynccontextmanager
async def lifespan(app):
    threading.Timer(0.2, os.kill, (os.getpid(), getattr(signal, sys.argv[1]))).start()
    yield
settings = Settings(server=ServerSettings(port=0))
sys.exit(serve(FastAPI(lifespan=lifespan), settings, lifecycle, reload=lambda: lifecycle.mark_dead("x")))
"""


@pytest.mark.parametrize(("end", "code"), [("SIGTERM", 0), ("SIGHUP", 1)])
async def test_the_process_exit_code(end: str, code: int) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, end)
    assert await asyncio.wait_for(process.wait(), 20) == code
