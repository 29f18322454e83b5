"""Where the process is in its life, and how many requests are open.

    starting ──► ready ──► draining
        │          │          │
        └──────────┴──────────┴──► dead        (an engine died; nothing leaves this state)

The edge asks `admit` before each request, readiness asks `ready`, the server waits for `wait_idle`.
Knows nothing of HTTP or of the engine. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum

from service.errors import DrainingError, EngineDeadError, UnavailableError

# A load balancer needs about this long to send the retry somewhere else.
_RETRY_SECONDS = 5.0


class State(StrEnum):
    """One of the four states drawn above."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    DEAD = "dead"


class Lifecycle:
    """The state of the process, and its open requests (health probes are not counted)."""

    def __init__(self) -> None:
        self._state = State.STARTING
        self._open_requests = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._dead = asyncio.Event()
        self.death_cause: str | None = None

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    @property
    def ready(self) -> bool:
        """Whether new requests are taken."""
        return self._state is State.READY

    @property
    def open_requests(self) -> int:
        """Requests admitted and not yet answered to the last byte."""
        return self._open_requests

    def mark_ready(self) -> None:
        """Take requests from now on. Does nothing when draining or dead: a late start must not undo those."""
        if self._state is State.STARTING:
            self._state = State.READY

    def begin_drain(self) -> None:
        """Take no new requests; those open go on."""
        if self._state is not State.DEAD:
            self._state = State.DRAINING

    def mark_dead(self, cause: str) -> None:
        """Take no new requests, ever. The first cause is kept; it goes to the log, never to a client."""
        if self._state is not State.DEAD:
            self._state = State.DEAD
            self.death_cause = cause
            self._dead.set()

    @contextmanager
    def admit(self) -> Generator[None]:
        """Count a request as open for the length of the block. Raises UnavailableError unless ready."""
        self.require_ready()
        self._open_requests += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._open_requests -= 1
            if self._open_requests == 0:
                self._idle.set()

    async def wait_idle(self, timeout: float) -> bool:  # noqa: ASYNC109 - the answer is a bool, not an exception
        """Wait until no request is open, at most `timeout` seconds; tell whether it came so far."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def wait_dead(self) -> None:
        """Wait until the process is dead."""
        await self._dead.wait()

    def require_ready(self) -> None:
        """Raise UnavailableError unless new requests are taken."""
        match self._state:
            case State.READY:
                return
            case State.STARTING:
                raise UnavailableError(
                    "The server is starting; try again soon.", code="starting", retry_after=_RETRY_SECONDS
                )
            case State.DRAINING:
                raise DrainingError("The server is shutting down; try again.", retry_after=_RETRY_SECONDS)
            case State.DEAD:
                raise EngineDeadError("The engine stopped working; try again.", retry_after=_RETRY_SECONDS)
