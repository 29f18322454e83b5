"""The states of the process and the count of open requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from service.errors import DrainingError, EngineDeadError, UnavailableError
from service.lifecycle import Lifecycle, State

READY: Callable[[Lifecycle], None] = Lifecycle.mark_ready
DRAIN: Callable[[Lifecycle], None] = Lifecycle.begin_drain


def die(lifecycle: Lifecycle) -> None:
    lifecycle.mark_dead("first cause")


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ([], State.STARTING),
        ([READY], State.READY),
        ([READY, DRAIN], State.DRAINING),
        ([DRAIN, READY], State.DRAINING),
        ([die, READY], State.DEAD),
        ([die, DRAIN], State.DEAD),
        ([READY, DRAIN, die], State.DEAD),
    ],
)
def test_states_follow_the_drawing(steps: list[Callable[[Lifecycle], None]], state: State) -> None:
    lifecycle = Lifecycle()
    for step in steps:
        step(lifecycle)
    assert lifecycle.state is state
    assert lifecycle.ready is (state is State.READY)


@pytest.mark.parametrize(
    ("step", "error"), [(None, UnavailableError), (DRAIN, DrainingError), (die, EngineDeadError)]
)
def test_only_a_ready_process_admits(
    step: Callable[[Lifecycle], None] | None, error: type[UnavailableError]
) -> None:
    lifecycle = Lifecycle()
    if step:
        step(lifecycle)
    with pytest.raises(error) as caught, lifecycle.admit():
        pass
    assert caught.value.retry_after
    assert lifecycle.open_requests == 0


def test_the_first_cause_of_death_is_kept() -> None:
    lifecycle = Lifecycle()
    die(lifecycle)
    lifecycle.mark_dead("second cause")
    assert lifecycle.death_cause == "first cause"


async def test_idle_is_when_the_last_open_request_ends() -> None:
    lifecycle = Lifecycle()
    lifecycle.mark_ready()
    assert await lifecycle.wait_idle(0.01)
    with lifecycle.admit():
        with lifecycle.admit():
            lifecycle.begin_drain()
            assert lifecycle.open_requests == 2
        assert not await lifecycle.wait_idle(0.01)
        waiting = asyncio.create_task(lifecycle.wait_idle(5))
        await asyncio.sleep(0)
    assert await waiting


async def test_death_wakes_whoever_waits_for_it() -> None:
    lifecycle = Lifecycle()
    waiting = asyncio.create_task(lifecycle.wait_dead())
    await asyncio.sleep(0)
    die(lifecycle)
    await asyncio.wait_for(waiting, 1)
