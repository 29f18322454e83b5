"""What every HTTP request passes before a route sees it: pure ASGI, one class per job.

`guard` lists the layers, outermost first; give its result to `FastAPI(middleware=...)`. Layers decide on
scope["path"] and on the raw headers, never on a rebuilt URL: a malformed Host header makes the latter lie.
They share `scope["state"]`, which routes read as `request.state`:

    request_id        RequestId     also the X-Request-Id response header, and bound to the log context
    principal         KnownCaller   who calls, where a body is to follow (routes: `Depends(require(scope))`)
    json              BodyGuard     the parsed body
    response_headers  routes        a dict of headers to add to the answer, e.g. a seat's `rate_headers`

No CORS: browsers of other origins get nothing. Knows no route but the probes of OPEN_PATHS.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Mapping

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access_log import AccessLog
from service.body_guard import BODY_METHODS, BodyGuard, PromptBound
from service.errors import DrainingError, InternalError, ServiceError
from service.head_guard import OPEN_PATHS, HeadGuard, TrustedHosts, trusted_hosts
from service.keys import identify
from service.lifecycle import Lifecycle, State
from service.settings import Settings
from service.sse import ClientGoneError

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.stdlib.get_logger(__name__)


def guard(settings: Settings, lifecycle: Lifecycle, *counting: Middleware) -> list[Middleware]:
    """Give the layers around the routes, outermost first.

    counting  further layers for the place inside LastResort, where every refusal still passes as an exception
    """
    server, limits = settings.server, settings.limits
    return [
        Middleware(RequestId),
        Middleware(AccessLog),
        Middleware(ResponseHeaders, lifecycle=lifecycle),
        Middleware(LastResort),
        *counting,
        Middleware(HeadGuard),
        Middleware(TrustedHosts, patterns=trusted_hosts(settings)),
        Middleware(Gate, lifecycle=lifecycle),
        Middleware(KnownCaller),
        Middleware(BodyGuard, limits=limits, timeout_seconds=server.body_timeout_seconds),
        Middleware(PromptBound, max_chars=limits.max_prompt_chars),
    ]


async def send_error(error: ServiceError, send: Send, headers: Mapping[str, str] | None = None) -> None:
    """Answer with an error in OpenAI's form. HEAD needs no care: the server drops the body."""
    body = json.dumps(error.body().model_dump()).encode()
    all_headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        **error.headers(),
        **(headers or {}),
    }
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in all_headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


class RequestId:
    """Name each request: the client's X-Request-Id if it is a plain word, else one of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bind the id and pass on."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        offered = Headers(scope=scope).get("x-request-id", "")
        request_id = offered if _REQUEST_ID.fullmatch(offered) else f"req-{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            return await self.app(scope, receive, send_with_id)


class ResponseHeaders:
    """Add the headers every answer carries, and those a route left in the request's state."""

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle) -> None:
        self.app = app
        self.lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, completing the response's head."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("x-content-type-options", "nosniff")
                headers.setdefault("cache-control", "no-store")
                for name, value in scope["state"].get("response_headers", {}).items():
                    headers.setdefault(name, value)
                if self.lifecycle.state in (State.DRAINING, State.DEAD):
                    # So that clients open their next connection at another replica.
                    headers["connection"] = "close"
            await send(message)

        return await self.app(scope, receive, send_with_headers)


class LastResort:
    """Turn whatever was raised into OpenAI's error body; the details of our own faults stay in the log.

    Once the answer has begun nothing can be added: the connection is cut, which a client sees as an incomplete
    answer. (A stream's own code ends it with an error event before it comes to that.)
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and answer exceptions."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        has_begun = False

        async def noting_send(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, noting_send)
        except asyncio.CancelledError:
            # Only the server cancels a request, when it ends without waiting any longer.
            if not has_begun:
                await send_error(DrainingError("The server stopped before the answer was ready."), send)
            raise
        except ClientGoneError:
            log.debug("the client left before its answer")
        except Exception as error:  # noqa: BLE001 - this is the last resort
            answer = _answer_to(error, scope["state"]["request_id"])
            if not has_begun:
                await send_error(answer, send)
        return None


def _answer_to(error: Exception, request_id: str) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    log.error("unhandled exception", exc_info=error)
    return InternalError(f"Internal error; the server's log has the details under request id {request_id}.")


class Gate:
    """Take requests only while the process is ready, and count them. Probes always pass, uncounted."""

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle) -> None:
        self.app = app
        self.lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, counted as open. Raises UnavailableError."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            return await self.app(scope, receive, send)
        with self.lifecycle.admit():
            return await self.app(scope, receive, send)


class KnownCaller:
    """Look at the key before a body is read: strangers get 401 without our buffering or parsing a megabyte.

    Routes still ask for their scope themselves; this layer alone protects nothing that comes without a body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check and pass on. Raises UnauthorizedError."""
        if scope["type"] == "http" and scope["method"] in BODY_METHODS:
            identify(HTTPConnection(scope))
        await self.app(scope, receive, send)
