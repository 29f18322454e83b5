"""Request heads: refused when oversized, ambiguous, or addressed to someone else.

Decides on scope["path"] and the raw headers, never on a rebuilt URL. Knows no route but the probes of OPEN_PATHS.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import BadRequestError
from service.settings import Settings

# Probes and metrics answer in every state of the process and under any Host: kubelets send the pod's address.
OPEN_PATHS = frozenset({"/health", "/healthz", "/livez", "/readyz", "/startupz", "/metrics"})
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
MAX_HEADERS = 100
MAX_HEAD_BYTES = 64 * 1024
_HOST = re.compile(r"([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# Headers that two parsers in a row may read differently when they come twice.
_ONCE = frozenset({b"host", b"content-length", b"content-type", b"transfer-encoding", b"authorization"})


def trusted_hosts(settings: Settings) -> tuple[str, ...]:
    """Give the Host patterns to serve.

    Without keys, `*` means loopback names alone: else any web page could call the service through its reader's
    browser, by pointing a name of its own at 127.0.0.1 (DNS rebinding). Other names have to be listed.
    """
    server = settings.server
    if settings.access.keys_file is None and "*" in server.trusted_hosts:
        return (*LOOPBACK_HOSTS, server.host, *(name for name in server.trusted_hosts if name != "*"))
    return server.trusted_hosts


class HeadGuard:
    """Refuse heads that are oversized, or that a proxy in front may have read differently."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check and pass on. Raises BadRequestError."""
        if scope["type"] == "http":
            _check_head(scope)
        await self.app(scope, receive, send)


class TrustedHosts:
    """Refuse requests addressed to a name that is not ours. Patterns: a host, `*.domain`, or `*`."""

    def __init__(self, app: ASGIApp, patterns: tuple[str, ...]) -> None:
        self.app = app
        self.serves_all = "*" in patterns
        self.exact = frozenset(pattern.lower() for pattern in patterns)
        self.suffixes = tuple(pattern[1:].lower() for pattern in patterns if pattern.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check and pass on. Raises BadRequestError."""
        if scope["type"] == "http":
            match = _HOST.fullmatch(Headers(scope=scope).get("host", ""))
            if match is None:
                raise BadRequestError("Expected a well-formed Host header.")
            if scope["path"] not in OPEN_PATHS and not self._is_trusted(match[1].lower().rstrip(".")):
                raise BadRequestError("The Host header names no host this server serves (trusted_hosts).")
        await self.app(scope, receive, send)

    def _is_trusted(self, host: str) -> bool:
        return self.serves_all or host in self.exact or host.endswith(self.suffixes or ("\0",))


def _check_head(scope: Scope) -> None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if scope["http_version"] not in ("1.0", "1.1"):
        raise BadRequestError("Expected HTTP/1.0 or HTTP/1.1; another version came.")
    if len(headers) > MAX_HEADERS:
        raise BadRequestError(f"Expected at most {MAX_HEADERS} headers; {len(headers)} came.")
    # The parser's own limit holds for heads that come in pieces; one read may bring more.
    if sum(len(name) + len(value) for name, value in headers) > MAX_HEAD_BYTES:
        raise BadRequestError(f"Expected at most {MAX_HEAD_BYTES} bytes of headers; more came.")
    names = [name for name, _ in headers]
    for name in _ONCE:
        if names.count(name) > 1:
            raise BadRequestError(f"Expected the header {name.decode()} once; it came more often.")
    if b"transfer-encoding" in names and b"content-length" in names:
        raise BadRequestError("Expected either Content-Length or Transfer-Encoding; both came.")
