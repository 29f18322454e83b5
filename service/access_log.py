"""One line in the log for each HTTP request: sizes, times and who asked, never the query, a header or the body.

A layer of `service.edge`, which puts the caller into `scope["state"]`. Knows no route but the probes of OPEN_PATHS,
whose lines are debug lines.
"""

from __future__ import annotations

import time
from typing import cast

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.head_guard import OPEN_PATHS
from service.keys import Principal
from service.logs import hashed

log = structlog.stdlib.get_logger(__name__)


class AccessLog:
    """Write one line per request: sizes and times, never the query, a header or the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what passes, and log it at the end."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        tally = _Tally()
        try:
            return await self.app(scope, tally.counting_receive(receive), tally.counting_send(send))
        finally:
            write = log.debug if scope["path"] in OPEN_PATHS else log.info
            principal = cast("Principal | None", scope["state"].get("principal"))
            write(
                "request",
                method=scope["method"][:16],
                path=scope["path"][:200],
                status=tally.status,
                duration_ms=round((time.perf_counter() - tally.begin) * 1000, 1),
                bytes_in=tally.bytes_in,
                bytes_out=tally.bytes_out,
                tenant=hashed(principal.tenant) if principal else None,
                client_left=tally.has_left,
            )


class _Tally:
    def __init__(self) -> None:
        self.begin = time.perf_counter()
        self.status: int | None = None
        self.bytes_in = self.bytes_out = 0
        self.has_left = False
        self._is_complete = False

    def counting_receive(self, receive: Receive) -> Receive:
        async def counted() -> Message:
            message = await receive()
            self.bytes_in += len(message.get("body", b""))
            # After the last byte of the answer the server says so too; that is nobody's leaving.
            self.has_left |= message["type"] == "http.disconnect" and not self._is_complete
            return message

        return counted

    def counting_send(self, send: Send) -> Send:
        async def counted(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.start":
                self.status = message["status"]
            else:
                self.bytes_out += len(message.get("body", b""))
                self._is_complete = not message.get("more_body", False)

        return counted
