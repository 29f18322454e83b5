"""Server-sent events that never end in silence.

first event in time    -> its failure is a plain HTTP error with the right status
slow to start          -> the stream opens, with comments as heartbeats
failure in mid-stream  -> an `error` event, then [DONE]
the client leaves      -> the producer is closed at once, and with it the engine's request
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TypeVar

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from service.errors import InternalError, ServiceError

log = structlog.get_logger(__name__)

DONE = "data: [DONE]\n\n"
HEARTBEAT = ": still here\n\n"
T = TypeVar("T")


class ClientGoneError(Exception):
    """The client closed the connection before the answer was ready."""


def frame(payload: str) -> str:
    """Frame one JSON text as an event. JSON has no raw line breaks, so one `data:` line holds it."""
    return f"data: {payload}\n\n"


async def cancel_on_disconnect(request: Request, work: Awaitable[T]) -> T:
    """Await `work`, but cancel it as soon as the client leaves. Raises ClientGoneError then."""
    task = asyncio.ensure_future(work)
    watcher = asyncio.create_task(_disconnected(request.receive))
    try:
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGoneError
        return task.result()
    finally:
        await _cancel(task)
        await _cancel(watcher)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel(task: asyncio.Future[T]) -> None:
    if task.done():
        return
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


class EventStream(Response):
    """A response made of events.

    events     yields JSON texts; a failure is raised as ServiceError. Closed in every case.
    on_error   told of each ServiceError that ended the stream, for metrics
    on_gone    told when the client left before the end
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[str, None],
        *,
        heartbeat_seconds: float,
        on_error: Callable[[ServiceError], None],
        on_gone: Callable[[], None],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.background = None
        self.status_code = 200
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})})
        del self.headers["content-length"]
        self._events = events
        self._heartbeat = heartbeat_seconds
        self._on_error = on_error
        self._on_gone = on_gone
        self._last_sent = time.monotonic()

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        producer = asyncio.create_task(self._produce(scope, receive, send))
        watcher = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({producer, watcher}, return_when=asyncio.FIRST_COMPLETED)
            if producer.done():
                producer.result()
            else:
                self._on_gone()
        finally:
            await _cancel(producer)
            await _cancel(watcher)
            await self._events.aclose()

    async def _produce(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = asyncio.ensure_future(anext(self._events, None))
        try:
            await asyncio.wait({first}, timeout=self._heartbeat)
            if first.done() and (error := _service_error(first)) is not None:
                self._on_error(error)
                await error_response(error)(scope, receive, send)
                return
            await self._stream(first, send)
        finally:
            await _cancel(first)

    async def _stream(self, first: asyncio.Future[str | None], send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        heartbeat = asyncio.create_task(self._beat(send))
        try:
            payload = await first
            while payload is not None:
                await self._send(send, frame(payload))
                payload = await anext(self._events, None)
        except Exception as failure:  # noqa: BLE001 - whatever it is, the client must be told
            error = _as_service_error(failure)
            self._on_error(error)
            await self._send(send, frame(error.body().model_dump_json()))
        finally:
            await _cancel(heartbeat)
        await self._send(send, DONE)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, text: str) -> None:
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        self._last_sent = time.monotonic()

    async def _beat(self, send: Send) -> None:
        while True:
            silent = time.monotonic() - self._last_sent
            await asyncio.sleep(max(0.01, self._heartbeat - silent))
            if time.monotonic() - self._last_sent >= self._heartbeat:
                await self._send(send, HEARTBEAT)


def error_response(error: ServiceError) -> JSONResponse:
    """Give the HTTP answer for an error."""
    return JSONResponse(json.loads(error.body().model_dump_json()), error.status, error.headers())


def _service_error(finished: asyncio.Future[str | None]) -> ServiceError | None:
    failure = finished.exception()
    return None if failure is None else _as_service_error(failure)


def _as_service_error(failure: BaseException) -> ServiceError:
    if isinstance(failure, ServiceError):
        return failure
    log.error("stream_failed", error_type=type(failure).__name__, exc_info=failure)
    return InternalError("The request failed for a reason of ours; its id is in the header X-Request-Id.")
