"""Who calls: API keys, the principals they stand for, and the guard of every route.

    Authorization: Bearer cf_k3v9x0ab_…   ──►  Principal(tenant="acme", key_id="k3v9x0ab", scopes={"infer"})

Every router carries `Depends(require("infer"))` or another scope; a route without one is a bug that a test finds.
The dependency reads `app.state.keys` (KeyRing) and `app.state.logins` (FailedLogins).
`python -m service.keys` manages the file (keys_cli.py). Knows nothing of rates and queues.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection, Request

from service.errors import ConfigurationError, ForbiddenError, RateLimitedError, UnauthorizedError
from service.key_file import SCOPES, KeyRecord, Scope, digest, read_keys
from service.settings import Settings

_BEARER = re.compile(r"bearer +cf_([a-z0-9]{8})_([A-Za-z0-9_-]{43})", re.ASCII | re.IGNORECASE)
# No secret has this digest, and comparing with it takes the same time as with a real one.
_NO_DIGEST = "0" * 64
_REFUSAL = "Expected a valid API key in the header `Authorization: Bearer cf_…`."
_LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sent a request, as its key says. The tenant never comes from a body."""

    tenant: str
    key_id: str
    scopes: frozenset[Scope]


ANONYMOUS = Principal(tenant="local", key_id="anonymous", scopes=frozenset(SCOPES))


class KeyRing:
    """The keys that are good now. `path` None: no keys, everyone is the anonymous local principal."""

    def __init__(self, records: tuple[KeyRecord, ...], path: Path | None) -> None:
        self._records = {record.id: record for record in records}
        self._path = path

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """Read a key file. Raises ConfigurationError."""
        return cls(read_keys(path), path)

    @classmethod
    def open(cls) -> KeyRing:
        """Give the ring of a service without keys; see `require_keys_or_loopback`."""
        return cls((), None)

    @property
    def is_open(self) -> bool:
        """Whether no key is asked for."""
        return self._path is None

    def reload(self) -> bool:
        """Read the file again (SIGHUP); a broken one leaves the ring as it is. Tells whether it was read."""
        if self._path is None:
            return True
        try:
            records = read_keys(self._path)
        except ConfigurationError as error:
            log.error("keys not reloaded, the old ones stay", reason=str(error))
            return False
        self._records = {record.id: record for record in records}
        log.info("keys reloaded", count=len(records))
        return True

    def authenticate(self, header_value: str | None) -> Principal:
        """Give the principal of an Authorization header.

        Every failure takes the same steps and gives the same message: unknown, wrong, expired and revoked keys
        cannot be told apart. Raises UnauthorizedError.
        """
        if self._path is None:
            return ANONYMOUS
        match = _BEARER.fullmatch((header_value or "").strip())
        key_id, secret = (match[1], match[2]) if match else ("", "")
        record = self._records.get(key_id)
        is_right = hmac.compare_digest(digest(secret), record.sha256 if record else _NO_DIGEST)
        if record is None or not is_right or not record.is_usable(datetime.now(UTC)):
            raise UnauthorizedError(_REFUSAL)
        return Principal(record.tenant, record.id, record.scopes)


class FailedLogins:
    """Counts wrong keys per client address and minute.

    A right key always passes, whatever its address did: behind a proxy all clients share one address, and one
    of them must not lock out the rest. Bounded: past 10,000 addresses a minute the others share a count.
    """

    _MAX_ADDRESSES = 10_000

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = 0
        self._per_minute = per_minute
        self._clock = clock
        self._minute = -1
        self._counts: Counter[str] = Counter()

    def record(self, address: str) -> None:
        """Count one wrong key. Raises RateLimitedError past the limit."""
        self.total += 1
        minute, second = divmod(self._clock(), 60)
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
        bucket = _network(address)
        if bucket not in self._counts and len(self._counts) >= self._MAX_ADDRESSES:
            bucket = "others"
        self._counts[bucket] += 1
        if self._per_minute and self._counts[bucket] > self._per_minute:
            raise RateLimitedError(
                "Too many requests with a wrong API key from this address.",
                code="too_many_failed_logins",
                retry_after=60 - second,
            )


def identify(connection: HTTPConnection) -> Principal:
    """Give the principal of a request, looked up once and kept in its state.

    Raises UnauthorizedError, or RateLimitedError once an address has failed too often.
    """
    known: Principal | None = getattr(connection.state, "principal", None)
    if known is not None:
        return known
    keys: KeyRing = connection.app.state.keys
    try:
        principal = keys.authenticate(connection.headers.get("authorization"))
    except UnauthorizedError:
        logins: FailedLogins = connection.app.state.logins
        logins.record(connection.client.host if connection.client else "unknown")
        raise
    connection.state.principal = principal
    return principal


_bearer = HTTPBearer(
    auto_error=False, description="An API key: `cf_…`, made by `python -m service.keys add`."
)


def require(scope: Scope) -> Callable[..., Awaitable[Principal]]:
    """Make the dependency that lets only keys with a scope pass, and gives their principal.

    Raises UnauthorizedError, ForbiddenError, RateLimitedError.
    """

    async def permitted(
        request: Request,
        _documented: HTTPAuthorizationCredentials | None = Depends(_bearer),  # noqa: B008
    ) -> Principal:
        principal = identify(request)
        if scope not in principal.scopes:
            raise ForbiddenError(f"Expected a key with the scope {scope!r}; this key has none such.")
        return principal

    permitted.required_scope = scope  # type: ignore[attr-defined]
    return permitted


def require_keys_or_loopback(settings: Settings) -> None:
    """Refuse to serve other machines without keys. Raises ConfigurationError."""
    if settings.access.keys_file is None and not is_loopback(settings.server.host):
        raise ConfigurationError(
            f"Expected API keys (access.keys_file) to listen on {settings.server.host}; none are configured. "
            "Make a file with `python -m service.keys add`, or listen on 127.0.0.1."
        )


def is_loopback(host: str) -> bool:
    """Tell whether a listening address reaches this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in _LOOPBACK_NAMES


def _network(address: str) -> str:
    """Give the address, or for IPv6 its /64, which is what one customer of a provider gets."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed.packed[:8] + bytes(8), 64)))


if __name__ == "__main__":
    from service.keys_cli import main

    raise SystemExit(main())
