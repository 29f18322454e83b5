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
_HOST = re.compile(r"([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# Headers that two parsers in a row may read differently when they come twice.
_ONCE = frozenset({b"host", b"content-length", b"content-type", b"transfer-encoding", b"authorization"})


def trusted_hosts(settings: Settings) -> tuple[str, ...]:
    """Give the Host patterns to serve.

    Without keys, and unless the setting says otherwise, only loopback names: else any web page could call the
    service through the user's browser by pointing its own name at 127.0.0.1 (DNS rebinding).
    """
    server = settings.server
    if settings.access.keys_file is None and "trusted_hosts" not in server.model_fields_set:
        return (*LOOPBACK_HOSTS, server.host)
    return server.trusted_hosts


class HeadGuard:
    """Refuse heads that are oversized, or that a proxy in front may have read differently."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check and pass on. Raises BadRequestError."""
        if scope["type"] == "http":
            names = [name for name, _ in scope["headers"]]
            if len(names) > MAX_HEADERS:
                raise BadRequestError(f"Expected at most {MAX_HEADERS} headers; {len(names)} came.")
            for name in _ONCE:
                if names.count(name) > 1:
                    raise BadRequestError(f"Expected the header {name.decode()} once; it came more often.")
            if b"transfer-encoding" in names and b"content-length" in names:
                raise BadRequestError("Expected either Content-Length or Transfer-Encoding; both came.")
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
