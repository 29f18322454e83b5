"""Who may start generating, and when: rates, open requests, then a seat.

    async with admission.enter(principal, sequences=n, tokens=n * max_tokens) as seat: ...

    1 requests and tokens per minute of the key      429, Retry-After from the window
    2 open requests of the key                       429
    3 the fair queue in front of the engine's seats  503 when full or too slow

A request refused at a later step stays charged at the earlier ones. Leaving the block, however it happens, gives
back what steps 2 and 3 took. Knows neither HTTP nor the engine. A limit of 0 in the settings is no limit.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from service.errors import RateLimitedError
from service.fair_queue import FairQueue
from service.keys import Principal
from service.rates import Charge, Counters
from service.settings import Settings

# A lease that outlives every request it may stand for by this much has no owner any more.
_LEASE_MARGIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Seat:
    """What an admitted request holds.

    queue_seconds  how long it waited
    rate_headers   OpenAI's x-ratelimit-* headers for its answer; empty without limits
    """

    queue_seconds: float
    rate_headers: dict[str, str] = field(default_factory=dict[str, str])


def seats_for(max_num_seqs: int) -> int:
    """Give the seats for an engine that decodes that many sequences: an eighth more, so that it never idles."""
    return max_num_seqs + max(1, max_num_seqs // 8)


class Admission:
    """The door to the engine. One per process; `seats` counts sequences (see `seats_for`)."""

    def __init__(self, settings: Settings, seats: int) -> None:
        access, limits = settings.access, settings.limits
        self._access = access
        self._queue = FairQueue(seats, access.max_queued, limits.queue_seconds)
        lease_seconds = limits.queue_seconds + limits.deadline_seconds + _LEASE_MARGIN_SECONDS
        self._counters = Counters(access.storage_url, lease_seconds)

    @property
    def seats_taken(self) -> int:
        """Seats in use."""
        return self._queue.seats_taken

    @property
    def num_waiting(self) -> int:
        """Requests waiting for a seat."""
        return self._queue.num_waiting

    @property
    def storage_failures(self) -> int:
        """How often the counters' storage was down and limits were not enforced."""
        return self._counters.failures

    @asynccontextmanager
    async def enter(self, principal: Principal, *, sequences: int, tokens: int) -> AsyncGenerator[Seat]:
        """Hold seats for the length of the block.

        sequences  candidates decoded together; a request wider than all seats is served alone
        tokens     the most the request may generate, over all candidates
        Raises     RateLimitedError, ServerBusyError
        """
        headers = await self._charge(principal.key_id, tokens)
        lease = await self._open(principal.key_id)
        try:
            begin = time.monotonic()
            await self._queue.acquire(principal.tenant, sequences)
            seated = time.monotonic()
            try:
                yield Seat(seated - begin, headers)
            finally:
                self._queue.release(principal.tenant, sequences, time.monotonic() - seated)
        finally:
            if lease is not None:
                self._counters.close(principal.key_id, lease)

    async def aclose(self) -> None:
        """Disconnect from the counters' storage."""
        await self._counters.aclose()

    async def _charge(self, key_id: str, tokens: int) -> dict[str, str]:
        headers: dict[str, str] = {}
        for name, limit, amount in (
            ("requests", self._access.requests_per_minute, 1),
            ("tokens", self._access.tokens_per_minute, tokens),
        ):
            if not limit:
                continue
            charge = await self._counters.charge(name, key_id, limit, amount)
            if charge is None:
                continue
            headers.update(_rate_headers(name, charge))
            if not charge.allowed:
                raise _over_rate(name, charge, amount, headers)
        return headers

    async def _open(self, key_id: str) -> str | None:
        most = self._access.max_concurrent
        if not most:
            return None
        lease = await self._counters.open(key_id, most)
        if lease is None:
            raise RateLimitedError(
                f"Expected at most {most} open requests of this key.",
                code="too_many_open_requests",
                retry_after=self._queue.retry_after(),
            )
        return lease


def _over_rate(name: str, charge: Charge, amount: int, headers: dict[str, str]) -> RateLimitedError:
    if amount > charge.limit:
        # Waiting would not help, so no Retry-After.
        error = RateLimitedError(
            f"Expected at most {charge.limit} {name} per minute of this key; this request alone asks for "
            f"{amount}. Ask for less (max_tokens, n).",
            code="request_too_large",
        )
    else:
        error = RateLimitedError(
            f"Expected at most {charge.limit} {name} per minute of this key; {charge.window.used} were used.",
            retry_after=charge.window.seconds_until(charge.limit - amount),
        )
    error.rate_headers = headers
    return error


def _rate_headers(name: str, charge: Charge) -> dict[str, str]:
    """Give OpenAI's headers: `reset` is when the limit is whole again, as in `6m0s` or `1.2s`."""
    reset = charge.window.seconds_until(0)
    minutes, seconds = divmod(math.ceil(reset * 10) / 10, 60)
    return {
        f"x-ratelimit-limit-{name}": str(charge.limit),
        f"x-ratelimit-remaining-{name}": str(max(0, charge.limit - charge.window.used)),
        f"x-ratelimit-reset-{name}": f"{minutes:.0f}m{seconds:g}s" if minutes else f"{seconds:g}s",
    }
