"""A bounded queue in front of the engine's seats, fair between tenants.

    arrivals ──► one line per tenant ──► round robin ──► seats (sequences the engine decodes together)

Laws, tested:
  - no more than `seats` seats are taken, except by one request wider than all of them, which then runs alone
  - while others wait, a tenant gets no more than half of the seats (one request, if that alone is wider)
  - the tenant whose turn it is keeps it until the seats it needs are free: wide requests do not starve
  - when the queue is full, a newcomer takes the place of the longest line's last, or is refused if that line is
    not longer than its own: one noisy tenant cannot fill the queue for the others
  - whoever leaves, served or not, leaves nothing behind
Knows neither HTTP nor keys. One event loop; no awaits between looking and taking, so no locks.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass

from service.errors import ServerBusyError

# How much one request's service time moves the running mean.
_MEAN_WEIGHT = 0.1
_MAX_RETRY_SECONDS = 60.0


@dataclass(slots=True, eq=False)
class _Waiter:
    tenant: str
    sequences: int
    granted: asyncio.Future[None]


class FairQueue:
    """Hands out seats. `acquire` and `release` come in pairs with equal arguments."""

    def __init__(self, seats: int, max_queued: int, queue_seconds: float) -> None:
        self.seats = seats
        self._max_queued = max_queued
        self._queue_seconds = queue_seconds
        self._taken: Counter[str] = Counter()
        # Lines in the order of their turns; a tenant without waiters has none.
        self._lines: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        self._mean_seconds = 1.0

    @property
    def seats_taken(self) -> int:
        """Seats in use."""
        return self._taken.total()

    @property
    def num_waiting(self) -> int:
        """Requests in line."""
        return sum(map(len, self._lines.values()))

    async def acquire(self, tenant: str, sequences: int) -> None:
        """Wait for `sequences` seats. Raises ServerBusyError when the queue is full or the wait too long."""
        waiter = _Waiter(tenant, sequences, asyncio.get_running_loop().create_future())
        self._lines.setdefault(tenant, deque()).append(waiter)
        self._serve()
        if self.num_waiting > self._max_queued:
            self._push_out(tenant)
        try:
            async with asyncio.timeout(self._queue_seconds):
                await waiter.granted
        except TimeoutError as error:
            self._withdraw(waiter)
            raise self._busy(f"No seat became free within {self._queue_seconds:g} s.") from error
        except BaseException:
            self._withdraw(waiter)
            raise

    def release(self, tenant: str, sequences: int, seconds: float) -> None:
        """Give seats back after `seconds` of use."""
        self._mean_seconds += _MEAN_WEIGHT * (seconds - self._mean_seconds)
        self._give_back(tenant, sequences)

    def retry_after(self) -> float:
        """Estimate when the present queue will be done, in seconds: its length, by how fast seats turn over."""
        ahead = sum(waiter.sequences for line in self._lines.values() for waiter in line)
        return min(_MAX_RETRY_SECONDS, max(1.0, self._mean_seconds * ahead / self.seats))

    def _serve(self) -> None:
        """Seat everyone who may sit, in turn."""
        while (tenant := self._next_tenant()) is not None:
            waiter = self._lines[tenant].popleft()
            self._lines.move_to_end(tenant)
            self._drop_if_empty(tenant)
            if waiter.granted.done():
                continue
            self._taken[tenant] += waiter.sequences
            waiter.granted.set_result(None)

    def _next_tenant(self) -> str | None:
        """Give the first tenant in turn that is within its share, if there is room for its next request."""
        for tenant, line in self._lines.items():
            if self._is_within_share(tenant, line[0].sequences):
                return tenant if self._fits(line[0].sequences) else None
        return None

    def _is_within_share(self, tenant: str, sequences: int) -> bool:
        if self._taken[tenant] == 0 or len(self._lines) == 1:
            return True
        return self._taken[tenant] + sequences <= self.seats // 2

    def _fits(self, sequences: int) -> bool:
        return self.seats_taken == 0 or self.seats_taken + sequences <= self.seats

    def _push_out(self, newcomer: str) -> None:
        longest = max(self._lines, key=lambda tenant: len(self._lines[tenant]))
        if len(self._lines[longest]) <= len(self._lines[newcomer]):
            longest = newcomer
        loser = self._lines[longest].pop()
        self._drop_if_empty(longest)
        loser.granted.set_exception(self._busy("The server has as many requests waiting as it takes."))

    def _withdraw(self, waiter: _Waiter) -> None:
        """Undo an acquire that failed: the seats if they were granted meanwhile, else the place in line."""
        if waiter.granted.done() and not waiter.granted.cancelled():
            if waiter.granted.exception() is None:
                self._give_back(waiter.tenant, waiter.sequences)
            return
        line = self._lines.get(waiter.tenant)
        if line is not None and waiter in line:
            line.remove(waiter)
            self._drop_if_empty(waiter.tenant)
        # Whoever stood behind may fit where this one did not.
        self._serve()

    def _give_back(self, tenant: str, sequences: int) -> None:
        self._taken[tenant] -= sequences
        if not self._taken[tenant]:
            del self._taken[tenant]
        self._serve()

    def _drop_if_empty(self, tenant: str) -> None:
        if not self._lines[tenant]:
            del self._lines[tenant]

    def _busy(self, reason: str) -> ServerBusyError:
        return ServerBusyError(f"{reason} Try again later.", retry_after=self.retry_after())
