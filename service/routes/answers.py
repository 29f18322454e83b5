"""How an answer leaves: as one body or as a stream, and in both cases only as long as the client is there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

import structlog
from starlette.requests import Request
from starlette.responses import Response

from service.errors import DeadlineError, EngineDeadError, ServiceError
from service.services import Services, services
from service.sse import ClientGoneError, EventStream, cancel_on_disconnect

T = TypeVar("T")
log = structlog.get_logger(__name__)


def headers(request: Request) -> dict[str, str]:
    """Give the headers of the answer to a request, to be added to until it begins."""
    added: dict[str, str] = {}
    request.state.response_headers = added
    return added


def stream(request: Request, events: AsyncGenerator[str, None]) -> EventStream:
    """Answer with events; see `sse.EventStream`."""
    parts = services(request)
    metrics = parts.metrics

    def on_error(error: ServiceError) -> None:
        metrics.errors.labels(error.code or error.type).inc()
        _note(parts, error)

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

    parts = services(request)
    try:
        return to_response(await cancel_on_disconnect(request, last()))
    except ClientGoneError:
        parts.metrics.aborts.inc()
        raise
    except ServiceError as error:
        _note(parts, error)
        raise


def _note(parts: Services, error: ServiceError) -> None:
    if isinstance(error, DeadlineError):
        parts.metrics.aborts.inc()
    if isinstance(error, EngineDeadError):
        # The engine's watcher would find out a moment later; until then readiness would promise what is not there.
        log.error("engine_dead", open_requests=parts.lifecycle.open_requests)
        parts.lifecycle.mark_dead(error.message)
