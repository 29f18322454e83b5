"""Request bodies: JSON only, counted while they arrive, parsed strictly, and replayed to the route.

The parsed value is left in `scope["state"]["json"]`, its size in `body_bytes`. Knows no field of any request.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BadRequestError, PayloadTooLargeError, RequestTimeoutError
from service.settings import LimitSettings
from service.strict_json import parse, text_chars

BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_JSON_TYPE = re.compile(r'application/json(?:\s*;\s*charset\s*=\s*"?utf-?8"?)?\s*;?', re.IGNORECASE)
_ANY_JSON_TYPE = re.compile(r"application/json\s*(;.*)?", re.IGNORECASE)
# Larger bodies are parsed in a thread, so that 1 MB of brackets does not hold up everyone's streams.
_INLINE_BYTES = 64 * 1024


class BodyGuard:
    """Read and parse the body, or refuse it with 400, 408 or 413."""

    def __init__(self, app: ASGIApp, limits: LimitSettings, timeout_seconds: float) -> None:
        self.app = app
        self.limits = limits
        self.timeout_seconds = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, parse and pass on. Raises BadRequestError, RequestTimeoutError, PayloadTooLargeError."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        if scope["method"] not in BODY_METHODS:
            _refuse_body(scope["method"], headers)
            return await self.app(scope, receive, send)
        _check_type(headers)
        _check_length(headers, self.limits.max_body_bytes)
        body = await self._read(receive)
        if body is None:
            return None
        scope["state"]["json"] = await self._parse(body)
        scope["state"]["body_bytes"] = len(body)
        return await self.app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """Give the whole body, or None when the client left before its end."""
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.timeout_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > self.limits.max_body_bytes:
                        raise _too_large(self.limits.max_body_bytes)
                    if not message.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError as error:
            raise RequestTimeoutError(
                f"Expected the whole body within {self.timeout_seconds:g} s; {size} bytes came."
            ) from error

    async def _parse(self, body: bytes) -> Any:
        if len(body) <= _INLINE_BYTES:
            return parse(body, max_depth=self.limits.max_json_depth)
        return await asyncio.to_thread(parse, body, max_depth=self.limits.max_json_depth)


class PromptBound:
    """Bound the text of a request, all strings of its body together."""

    def __init__(self, app: ASGIApp, max_chars: int) -> None:
        self.app = app
        self.max_chars = max_chars

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check and pass on. Raises BadRequestError."""
        # No character takes less than a byte, so most bodies need no counting.
        if scope["type"] == "http" and scope["state"].get("body_bytes", 0) > self.max_chars:
            chars = await asyncio.to_thread(text_chars, scope["state"]["json"])
            if chars > self.max_chars:
                raise BadRequestError(
                    f"Expected at most {self.max_chars} characters of text in a request; {chars} came."
                )
        await self.app(scope, receive, send)


def _refuse_body(method: str, headers: Headers) -> None:
    if headers.get("content-length", "0").strip("0") or "transfer-encoding" in headers:
        raise BadRequestError(f"Expected no body with {method}; one came.")


def _check_type(headers: Headers) -> None:
    if "content-encoding" in headers:
        raise BadRequestError("Expected a body without Content-Encoding; compressed bodies are not read.")
    content_type = headers.get("content-type", "").strip()
    if _JSON_TYPE.fullmatch(content_type):
        return
    if _ANY_JSON_TYPE.fullmatch(content_type):
        raise BadRequestError("Expected JSON in UTF-8; Content-Type names another charset or parameter.")
    raise BadRequestError("Expected Content-Type: application/json; another, or none, came.")


def _check_length(headers: Headers, max_bytes: int) -> None:
    """Refuse by the announced length; what really comes is counted all the same."""
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadRequestError("Expected a decimal Content-Length.")
    # Longer numerals are too large whatever they say, and are not converted.
    if len(length.lstrip("0")) > 18 or int(length) > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"Expected a body of at most {max_bytes} bytes; a larger one came.")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body once more, then what the server sends next: `http.disconnect` when the client leaves."""
    is_replayed = False

    async def replaying() -> Message:
        nonlocal is_replayed
        if is_replayed:
            return await receive()
        is_replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replaying
