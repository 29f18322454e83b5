"""One HTTP connection: uvicorn's h11 protocol with limits on slow and broken peers.

    connect ──► head ──► request … response ──► idle ──► head ──► …
                 └ header_timeout_seconds   └ send_timeout_seconds: the reader must take what is sent

h11, not httptools: it bounds the head (64 KB) and refuses what is ambiguous; its cost, some 20 µs a chunk, is small
beside a token's. Bodies are bounded by body_guard.py, requests by the edge. Knows no route but the probes.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar, cast

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.edge import send_error
from service.errors import BadRequestError, ServerBusyError
from service.head_guard import OPEN_PATHS
from service.settings import ServerSettings

_MALFORMED = BadRequestError("Expected a well-formed HTTP/1.1 request.")


def protocol_class(settings: ServerSettings) -> type[GuardedProtocol]:
    """Give the protocol class for these settings, as uvicorn wants it."""

    class Configured(GuardedProtocol):
        server_settings = settings

    return Configured


class GuardedProtocol(H11Protocol):
    """See the module."""

    server_settings: ClassVar[ServerSettings]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        server = self.server_settings
        self._check_every = min(1.0, min(server.header_timeout_seconds, server.send_timeout_seconds) / 4)
        self._check_timer: asyncio.TimerHandle | None = None
        # Since when a request head is due; None while there is nothing to wait for.
        self._head_since: float | None = None
        self._unsent = 0
        self._taken_at = 0.0

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_since = self._taken_at = self.loop.time()
        if len(self.connections) > self.server_settings.max_connections:
            self.app = self._refuse
        self._check_timer = self.loop.call_later(self._check_every, self._check)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._check_timer is not None:
            self._check_timer.cancel()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        is_idle = self.cycle is None or self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]
        if self._head_since is None and is_idle:
            self._head_since = self.loop.time()
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._head_since = None

    @override
    def resume_writing(self) -> None:
        # The buffer emptied and may be full again at the next check: only this callback saw it.
        self._taken_at = self.loop.time()
        super().resume_writing()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        is_idle = self.cycle.response_complete
        if is_idle and self.conn.trailing_data[0]:
            # The beginning of a next head came along with the last request.
            self._head_since = self.loop.time()

    @override
    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP in OpenAI's form, if an answer has not begun; close in any case."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps(_MALFORMED.body().model_dump()).encode()
            headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
            head = h11.Response(
                status_code=400, headers=[*headers, ("connection", "close")], reason=b"Bad Request"
            )
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    @override
    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: whoever asks for a WebSocket gets HTTP, and must not fill the log."""

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in place of the app on a connection too many; probes still get through."""
        if scope["path"] in OPEN_PATHS:
            await cast("ASGIApp", self.config.loaded_app)(scope, receive, send)
            return
        busy = ServerBusyError("The server has as many connections as it takes.", retry_after=5.0)
        await send_error(busy, send, {"connection": "close"})

    def _check(self) -> None:
        now = self.loop.time()
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent < self._unsent:
            self._taken_at = now
        self._unsent = unsent
        is_slow = (
            self._head_since is not None
            and now - self._head_since > self.server_settings.header_timeout_seconds
        )
        if is_slow or now - self._taken_at > self.server_settings.send_timeout_seconds:
            # Not close: that would wait for a reader that takes nothing.
            self.transport.abort()
        else:
            self._check_timer = self.loop.call_later(self._check_every, self._check)
