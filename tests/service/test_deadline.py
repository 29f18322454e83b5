"""A bound on how long an answer may take: kept below it, cut above it, and the seat is free again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from service.deadline import within
from service.engine import Delta, Sampling
from service.errors import DeadlineError
from service.fake_engine import FakeEngine
from service.steering_spec import SteeringSpec
from tests.conftest import Serve, until
from tests.service.streams import payloads
from tests.service.virtual_time import now, run

REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("/generate", {"prompt": "x"}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
    ("/v1/completions", {"prompt": "x"}),
]
EVERY_ROUTE = pytest.mark.parametrize(("path", "body"), REQUESTS, ids=[path for path, _ in REQUESTS])


class Source:
    """Yields numbers, pausing before each, and notes when it is closed."""

    def __init__(self, *pauses: float) -> None:
        self.pauses = pauses
        self.is_closed = False

    async def __call__(self) -> AsyncGenerator[int, None]:
        try:
            for number, pause in enumerate(self.pauses):
                await asyncio.sleep(pause)
                yield number
        finally:
            self.is_closed = True


class Stalling(FakeEngine):
    """Gives its first tokens at once, and the others never."""

    async def _tokens(
        self, prompt_tokens: int, sampling: Sampling, steering: SteeringSpec | None
    ) -> AsyncGenerator[Delta, None]:
        async for delta in super()._tokens(prompt_tokens, sampling, steering):
            yield delta
            if delta.text.strip() == "return":
                self.token_seconds = 1000


async def taken(source: Source, seconds: float, *, consumer_seconds: float = 0) -> tuple[list[int], bool]:
    """Give what came, and whether the deadline ended it."""
    numbers: list[int] = []
    try:
        async for number in within(seconds, source()):
            numbers.append(number)
            await asyncio.sleep(consumer_seconds)
    except DeadlineError:
        return numbers, True
    return numbers, False


@pytest.mark.parametrize(
    ("pauses", "numbers", "is_cut"),
    [
        ((), [], False),
        ((0, 0, 0), [0, 1, 2], False),
        ((3, 3, 3), [0, 1, 2], False),
        ((9.99,), [0], False),
        ((10.01,), [], True),
        ((6, 6), [0], True),
        ((1, 1, 1000), [0, 1], True),
    ],
)
def test_a_source_has_until_its_deadline(pauses: tuple[float, ...], numbers: list[int], is_cut: bool) -> None:
    source = Source(*pauses)

    async def main() -> tuple[tuple[list[int], bool], float]:
        return await taken(source, 10), now()

    outcome, ended = run(main())
    assert outcome == (numbers, is_cut)
    assert ended == pytest.approx(10 if is_cut else sum(pauses), abs=0.01)
    assert source.is_closed


@pytest.mark.parametrize(("consumer_seconds", "is_cut"), [(4.9, False), (5.1, True)])
def test_a_slow_consumer_spends_the_deadline_too(consumer_seconds: float, is_cut: bool) -> None:
    source = Source(0, 0.01, 0.01)
    numbers, cut = run(taken(source, 10, consumer_seconds=consumer_seconds))
    assert cut is is_cut
    assert numbers == ([0, 1] if is_cut else [0, 1, 2])
    assert source.is_closed


async def test_leaving_early_closes_the_source() -> None:
    source = Source(0, 0, 0)
    items = within(10, source())
    assert await anext(items) == 0
    await items.aclose()
    assert source.is_closed


async def test_a_sources_own_failure_is_passed_on() -> None:
    async def failing() -> AsyncGenerator[int, None]:
        yield 1
        raise KeyError

    with pytest.raises(KeyError):
        [item async for item in within(10, failing())]


@EVERY_ROUTE
async def test_an_answer_past_its_deadline_is_504(in_process: Serve, path: str, body: dict[str, Any]) -> None:
    async with in_process(FakeEngine(token_seconds=30), limits__deadline_seconds=0.05) as service:
        answer = await service.client.post(path, json=body)
        error = answer.json()["error"]
        assert answer.status_code == 504
        assert (error["type"], error["code"]) == ("timeout_error", "deadline_exceeded")
        assert "0.05 s" in error["message"]
        assert service.engine.num_open == 0
        assert service.engine.num_aborted == 1
        assert service.app.state.services.admission.seats_taken == 0


@EVERY_ROUTE
async def test_a_stream_past_its_deadline_before_a_token_is_504(
    in_process: Serve, path: str, body: dict[str, Any]
) -> None:
    async with in_process(FakeEngine(token_seconds=30), limits__deadline_seconds=0.05) as service:
        answer = await service.client.post(path, json={**body, "stream": True})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")


@EVERY_ROUTE
async def test_a_deadline_in_mid_stream_is_an_error_event(
    in_process: Serve, path: str, body: dict[str, Any]
) -> None:
    async with in_process(Stalling(), limits__deadline_seconds=0.1) as service:
        answer = await service.client.post(path, json={**body, "stream": True})
        assert answer.status_code == 200
        *pieces, last = payloads(answer.text)
        assert len(pieces) >= 2
        assert last["error"]["code"] == "deadline_exceeded"
        assert service.engine.num_open == 0
        assert service.app.state.services.admission.seats_taken == 0


@EVERY_ROUTE
async def test_an_answer_within_its_deadline_is_whole(
    in_process: Serve, path: str, body: dict[str, Any]
) -> None:
    async with in_process(FakeEngine(token_seconds=0.001), limits__deadline_seconds=30) as service:
        answer = await service.client.post(path, json=body)
    assert answer.status_code == 200


@EVERY_ROUTE
async def test_waiting_for_a_seat_spends_the_deadline(
    in_process: Serve, path: str, body: dict[str, Any]
) -> None:
    async with in_process(FakeEngine(token_seconds=30), seats=1, limits__deadline_seconds=0.3) as service:
        admission = service.app.state.services.admission
        first = asyncio.create_task(service.client.post(path, json=body))
        await until(lambda: admission.seats_taken == 1)
        # Started later, so it still waits when the first one's deadline frees the seat: then it runs, and is cut.
        second = asyncio.create_task(service.client.post(path, json=body))
        assert [(await task).status_code for task in (first, second)] == [504, 504]
        assert (admission.seats_taken, admission.num_waiting, service.engine.num_open) == (0, 0, 0)


@pytest.mark.parametrize("ending", ["item", "error", "end"])
def test_a_source_that_swallows_its_cancellation_is_too_late_all_the_same(ending: str) -> None:
    """The engine answers a cancelled request with "Client disconnected", whoever cancelled it."""

    async def swallowing() -> AsyncGenerator[int, None]:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            if ending == "item":
                yield 1
            elif ending == "error":
                raise KeyError from None

    async def main() -> list[int]:
        return [number async for number in within(10, swallowing())]

    with pytest.raises(DeadlineError):
        run(main())
