"""How an answer leaves: as one body or as a stream, and in both cases only as long as the client is there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from service.errors import DeadlineError, ServiceError
from service.services import services
from service.sse import ClientGoneError, EventStream, cancel_on_disconnect

T = TypeVar("T")


def stream(request: Request, events: AsyncGenerator[str, None]) -> EventStream:
    """Answer with events; see `sse.EventStream`."""
    parts = services(request)
    metrics = parts.metrics

    def on_error(error: ServiceError) -> None:
        metrics.errors.labels(error.code or error.type).inc()
        if isinstance(error, DeadlineError):
            metrics.aborts.inc()

    return EventStream(
        events,
        heartbeat_seconds=parts.settings.server.heartbeat_seconds,
        on_error=on_error,
        on_gone=metrics.aborts.inc,
    )


async def whole(
    request: Request, items: AsyncGenerator[T, None], to_response: Callable[[T], Response]
) -> Response:
    """Answer with the last item; the others are progress that nobody asked to see."""

    async def last() -> T:
        async with aclosing(items):
            found = [item async for item in items]
        return found[-1]

    metrics = services(request).metrics
    try:
        return to_response(await cancel_on_disconnect(request, last()))
    except (ClientGoneError, DeadlineError):
        metrics.aborts.inc()
        raise
