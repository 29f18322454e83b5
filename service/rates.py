"""Counters per key: requests and tokens per minute, and open requests. In memory, or in Redis for several replicas.

Rates use the sliding-window counter of `limits`: two integers per key, whatever the charge. (Its moving window
keeps one entry per token charged.) Open requests are leases in a sorted set, scored by their end, so those of a
killed replica run out by themselves.

When Redis is down everything is allowed: a limiter must not take the service with it. Each failure is counted and
logged, and the next one is tried only seconds later, so that requests do not wait for a dead server.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import ConfigurationError as StorageConfigurationError

from service.errors import ConfigurationError

T = TypeVar("T")
MINUTE = 60
_REDIS_SECONDS = 1.0
_PAUSE_SECONDS = 5.0

# KEYS[1] the key's leases; ARGV: most of them, seconds of a lease, this lease. The server's clock decides, so that
# replicas with different clocks agree. Gives 1 if the lease was taken.
_TAKE_LEASE = """
local now = redis.call('TIME')
now = tonumber(now[1]) + tonumber(now[2]) / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[3])
local length = math.ceil(tonumber(ARGV[2]) * 1000)
if redis.call('PTTL', KEYS[1]) < length then redis.call('PEXPIRE', KEYS[1], length) end
return 1
"""

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window: counts of the last and of this minute, and the seconds until each ends."""

    previous: int
    previous_seconds: float
    current: int
    current_seconds: float

    @property
    def used(self) -> int:
        """What counts against the limit now: the last minute fades out as it slides away."""
        return math.floor(self.previous * self.previous_seconds / MINUTE) + self.current

    def seconds_until(self, used: int) -> float:
        """Give the seconds until at most `used` is used, if nothing is added."""
        if self.used <= used:
            return 0.0
        if self.current <= used:
            return self.previous_seconds - _fade_seconds(self.previous, used - self.current)
        return self.current_seconds + MINUTE - _fade_seconds(self.current, used)


@dataclass(frozen=True, slots=True)
class Charge:
    """The outcome of charging a key: whether it was within the limit, and the window after it."""

    allowed: bool
    limit: int
    window: Window


class Counters:
    """All counters of the service. `storage_url` is `memory://`, `redis://…` or `rediss://…`."""

    def __init__(self, storage_url: str, lease_seconds: float) -> None:
        self.failures = 0
        self._paused_until = 0.0
        self._lease_seconds = lease_seconds
        self._open: Counter[str] = Counter()
        self._releases: set[asyncio.Task[None]] = set()
        self._storage = _storage(storage_url)
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._redis: Any = None
        if isinstance(self._storage, RedisStorage):
            self._redis = cast("Any", self._storage.bridge).get_connection()
            self._take_lease = self._redis.register_script(_TAKE_LEASE)

    async def charge(self, name: str, key_id: str, limit: int, amount: int = 1) -> Charge | None:
        """Charge a key, if that stays within `limit` a minute. None when the storage is down."""
        item = RateLimitItemPerMinute(limit)

        async def ask() -> Charge:
            allowed = await self._limiter.hit(item, name, key_id, cost=amount)
            found = await self._storage.get_sliding_window(item.key_for(name, key_id), MINUTE)
            previous, previous_seconds, current, current_seconds = found
            # The storage keeps each count for two minutes: its own and the next one, in which it fades.
            rest = max(0.0, current_seconds - MINUTE)
            return Charge(allowed, limit, Window(previous, previous_seconds, current, rest))

        return await self._or_none(ask)

    async def open(self, key_id: str, most: int) -> str | None:
        """Count one more open request of a key; give its lease, or None if there are `most` already."""
        lease = secrets.token_hex(8)
        if self._redis is None:
            if self._open[key_id] >= most:
                return None
            self._open[key_id] += 1
            return lease

        async def ask() -> bool:
            return bool(await self._take_lease([_lease_key(key_id)], [most, self._lease_seconds, lease]))

        try:
            taken = await self._or_none(ask)
        except asyncio.CancelledError:
            # The server may have taken it before we stopped listening.
            self.close(key_id, lease)
            raise
        return None if taken is False else lease

    def close(self, key_id: str, lease: str) -> None:
        """Count one open request less. Never waits: it is called while a request is being cancelled."""
        if self._redis is None:
            self._open[key_id] -= 1
            if self._open[key_id] <= 0:
                del self._open[key_id]
            return
        task = asyncio.create_task(self._close(key_id, lease))
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    async def aclose(self) -> None:
        """Finish what is under way and disconnect."""
        await asyncio.gather(*self._releases, return_exceptions=True)
        if self._redis is not None:
            await self._redis.aclose()

    async def _close(self, key_id: str, lease: str) -> None:
        async def ask() -> int:
            return cast("int", await self._redis.zrem(_lease_key(key_id), lease))

        await self._or_none(ask)

    async def _or_none(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Ask the storage; None when it is down, or was a moment ago."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            return await ask()
        except (*_storage_errors(self._storage), OSError, TimeoutError) as error:
            self.failures += 1
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
            log.warning(
                "limits not enforced: their storage is down",
                error=type(error).__name__,
                pause_seconds=_PAUSE_SECONDS,
                failures=self.failures,
            )
            return None


def _storage(url: str) -> MemoryStorage | RedisStorage:
    if url == "memory://":
        return MemoryStorage()
    if not url.startswith(("redis://", "rediss://")):
        # Not quoted whole: what looks like a URL may hold a password.
        raise ConfigurationError("Expected access.storage_url to be memory://, redis://… or rediss://…")
    try:
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as error:
        raise ConfigurationError(
            "A redis:// storage needs the package redis: install codefusion[redis]."
        ) from error
    options: dict[str, Any] = {
        "socket_timeout": _REDIS_SECONDS,
        "socket_connect_timeout": _REDIS_SECONDS,
        # Once, at once: it mends a connection that went stale, and no more.
        "retry": Retry(NoBackoff(), 1),
    }
    try:
        return RedisStorage(f"async+{url}", implementation="redispy", key_prefix="codefusion", **options)
    except (ValueError, StorageConfigurationError) as error:
        raise ConfigurationError("Expected access.storage_url to be redis://host:port.") from error


def _storage_errors(storage: MemoryStorage | RedisStorage) -> tuple[type[Exception], ...]:
    if isinstance(storage, MemoryStorage):
        return ()
    errors = storage.base_exceptions
    return errors if isinstance(errors, tuple) else (errors,)


def _lease_key(key_id: str) -> str:
    return f"codefusion:open:{key_id}"


def _fade_seconds(count: int, share: int) -> float:
    """Give how long before its end a fading count has come down to `share`: floor(count * t / 60) <= share."""
    return min(MINUTE, MINUTE * (share + 1) / count - 1e-3) if count > share else float(MINUTE)
