"""The door to the engine: the fair queue's laws, rates, open requests, in memory and in a real Redis."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import socket
import subprocess
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.admission import Admission, seats_for
from service.errors import ConfigurationError, RateLimitedError, ServerBusyError
from service.fair_queue import FairQueue
from service.keys import Principal
from service.rates import Counters, Window
from service.settings import AccessSettings, LimitSettings, Settings

ACME = Principal("acme", "key00001", frozenset({"infer"}))
OTHER = Principal("umbrella", "key00002", frozenset({"infer"}))


def admission(*, seats: int = 8, queue_seconds: float = 5, **access: Any) -> Admission:
    quiet: dict[str, Any] = {"requests_per_minute": 0, "max_concurrent": 0, **access}
    limits = LimitSettings(queue_seconds=queue_seconds)
    return Admission(Settings(access=AccessSettings(**quiet), limits=limits), seats)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class QueueMachine(RuleBasedStateMachine):
    """Arrivals, ends and cancellations in any order, against the laws of the queue."""

    SEATS, MAX_QUEUED = 6, 5

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.queue = FairQueue(self.SEATS, self.MAX_QUEUED, queue_seconds=1000)
        self.open: list[tuple[asyncio.Task[None], str, int]] = []

    def settle(self) -> None:
        self.loop.run_until_complete(settle())

    def held(self) -> list[tuple[asyncio.Task[None], str, int]]:
        return [entry for entry in self.open if entry[0].done()]

    def waiting(self) -> list[tuple[asyncio.Task[None], str, int]]:
        return [entry for entry in self.open if not entry[0].done()]

    def drop_refused(self) -> None:
        for entry in self.held():
            if entry[0].cancelled() or entry[0].exception():
                self.open.remove(entry)

    @rule(tenant=st.sampled_from("abc"), sequences=st.integers(1, 8))
    def arrive(self, tenant: str, sequences: int) -> None:
        before = Counter(tenant for _, tenant, _ in self.waiting())
        task = self.loop.create_task(self.queue.acquire(tenant, sequences))
        self.open.append((task, tenant, sequences))
        self.settle()
        refused = [entry for entry in self.held() if entry[0].exception()]
        assert all(isinstance(entry[0].exception(), ServerBusyError) for entry in refused)
        if refused:
            assert sum(before.values()) == self.MAX_QUEUED
            # The loser stood in a longest line, counting the newcomer.
            after = before + Counter([tenant])
            assert after[refused[0][1]] == max(after.values())
        self.drop_refused()

    @precondition(lambda self: self.held())
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.held()))
        self.open.remove(entry)
        self.queue.release(entry[1], entry[2], 0.1)
        self.settle()

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.waiting()))
        self.open.remove(entry)
        entry[0].cancel()
        self.settle()

    @precondition(lambda self: self.held() and self.waiting())
    @rule(data=st.data())
    def leave_just_when_seated(self, data: st.DataObject) -> None:
        seated = data.draw(st.sampled_from(self.held()))
        leaver = data.draw(st.sampled_from(self.waiting()))
        self.open.remove(seated)
        self.queue.release(seated[1], seated[2], 0.1)
        leaver[0].cancel()
        self.settle()
        self.drop_refused()

    @invariant()
    def the_books_agree(self) -> None:
        assert self.queue.seats_taken == sum(sequences for _, _, sequences in self.held())
        assert self.queue.num_waiting == len(self.waiting()) <= self.MAX_QUEUED

    @invariant()
    def seats_are_never_exceeded(self) -> None:
        assert self.queue.seats_taken <= self.SEATS or len(self.held()) == 1

    @invariant()
    def seats_are_not_left_empty_while_someone_waits(self) -> None:
        assert self.held() or not self.waiting()

    def teardown(self) -> None:
        for task, tenant, sequences in self.open:
            if task.done():
                self.queue.release(tenant, sequences, 0.1)
            task.cancel()
        self.settle()
        # Those that were seated by the releases, before their cancellation arrived, have given back.
        assert (self.queue.seats_taken, self.queue.num_waiting) == (0, 0)
        self.loop.close()


QueueMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestQueue = QueueMachine.TestCase


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 10)), min_size=1, max_size=30),
    st.integers(1, 8),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_everyone_who_waits_is_served_in_turn(
    arrivals: list[tuple[str, int]], seats: int, rng: random.Random
) -> None:
    """Whatever order requests end in, all are served, and no tenant more than a round ahead of another."""

    async def run() -> None:
        queue = FairQueue(seats, 100, 1000)
        await queue.acquire("first", seats)
        running: deque[tuple[str, int]] = deque()
        served: list[str] = []

        async def request(tenant: str, sequences: int) -> None:
            await queue.acquire(tenant, sequences)
            served.append(tenant)
            running.append((tenant, sequences))

        tasks = [asyncio.create_task(request(*arrival)) for arrival in arrivals]
        await settle()
        queue.release("first", seats, 0.1)
        for _ in arrivals:
            await settle()
            assert running
            running.rotate(rng.randrange(len(running)))
            queue.release(*running.popleft(), 0.1)
        await asyncio.gather(*tasks)
        assert Counter(served) == Counter(tenant for tenant, _ in arrivals)

    asyncio.run(run())


async def test_a_wide_request_is_not_starved_by_narrow_ones() -> None:
    queue = FairQueue(8, 100, 1000)
    for _ in range(8):
        await queue.acquire("narrow", 1)
    wide = asyncio.create_task(queue.acquire("wide", 8))
    await settle()
    others = [asyncio.create_task(queue.acquire(f"t{i % 3}", 1)) for i in range(30)]
    for _ in range(8):
        await settle()
        assert not wide.done()
        queue.release("narrow", 1, 0.1)
    await settle()
    assert wide.done()
    queue.release("wide", 8, 0.1)
    for task in others:
        task.cancel()


async def test_a_request_wider_than_all_seats_runs_alone() -> None:
    queue = FairQueue(4, 10, 1000)
    await queue.acquire("a", 1)
    wide = asyncio.create_task(queue.acquire("b", 9))
    await settle()
    assert not wide.done()
    queue.release("a", 1, 0.1)
    await settle()
    assert wide.done()
    narrow = asyncio.create_task(queue.acquire("a", 1))
    await settle()
    assert not narrow.done()
    queue.release("b", 9, 0.1)
    await narrow


async def test_one_tenant_may_take_all_seats_until_another_waits_then_half() -> None:
    queue = FairQueue(8, 100, 1000)
    for _ in range(8):
        await queue.acquire("noisy", 1)
    noisy = [asyncio.create_task(queue.acquire("noisy", 1)) for _ in range(20)]
    quiet = [asyncio.create_task(queue.acquire("quiet", 1)) for _ in range(6)]
    await settle()
    for released in range(1, 9):
        queue.release("noisy", 1, 0.1)
        await settle()
        # The first four all go to the quiet one; then each has half, and goes on with its own.
        seated = [sum(task.done() for task in tasks) for tasks in (noisy, quiet)]
        assert seated == [max(0, released - 4), min(4, released)]
    for task in (*noisy, *quiet):
        task.cancel()


async def test_whoever_stood_behind_one_that_leaves_is_served_if_it_fits() -> None:
    queue = FairQueue(4, 100, 1000)
    await queue.acquire("a", 3)
    wide = asyncio.create_task(queue.acquire("b", 4))
    narrow = asyncio.create_task(queue.acquire("c", 1))
    await settle()
    assert not narrow.done()
    wide.cancel()
    await settle()
    assert narrow.done()


async def test_a_full_queue_refuses_with_an_estimate_and_makes_room_for_shorter_lines() -> None:
    queue = FairQueue(1, 3, 1000)
    await queue.acquire("noisy", 1)
    noisy = [asyncio.create_task(queue.acquire("noisy", 1)) for _ in range(3)]
    await settle()
    with pytest.raises(ServerBusyError) as caught:
        await queue.acquire("noisy", 1)
    assert caught.value.headers()["Retry-After"] == "3"
    quiet = asyncio.create_task(queue.acquire("quiet", 1))
    await settle()
    assert isinstance(noisy[-1].exception(), ServerBusyError)
    assert not quiet.done()
    queue.release("noisy", 1, 0.1)
    await settle()
    queue.release("noisy", 1, 0.1)
    await quiet
    for task in noisy[:-1]:
        task.cancel()


async def test_without_a_queue_seats_are_given_or_refused_at_once() -> None:
    queue = FairQueue(2, 0, 1000)
    await queue.acquire("a", 2)
    with pytest.raises(ServerBusyError):
        await queue.acquire("b", 1)
    queue.release("a", 2, 0.1)
    await queue.acquire("b", 1)


async def test_waiting_longer_than_allowed_is_503_and_leaves_nothing() -> None:
    door = admission(seats=1, queue_seconds=0.05)
    async with door.enter(ACME, sequences=1, tokens=1):
        begin = time.monotonic()
        with pytest.raises(ServerBusyError) as caught:
            async with door.enter(OTHER, sequences=1, tokens=1):
                pass
        assert 0.04 < time.monotonic() - begin < 1
        assert caught.value.retry_after
        assert (door.seats_taken, door.num_waiting) == (1, 0)
    assert (door.seats_taken, door.num_waiting) == (0, 0)


async def test_one_noisy_tenant_at_twenty_times_leaves_a_quiet_one_served() -> None:
    door = admission(seats=8, max_queued=32)
    outcomes: dict[str, list[float | None]] = {"acme": [], "umbrella": []}

    async def request(principal: Principal) -> None:
        try:
            async with door.enter(principal, sequences=1, tokens=1) as seat:
                await asyncio.sleep(0.01)
                outcomes[principal.tenant].append(seat.queue_seconds)
        except ServerBusyError:
            outcomes[principal.tenant].append(None)

    async with asyncio.TaskGroup() as group:
        for _ in range(40):
            for _ in range(20):
                group.create_task(request(ACME))
            group.create_task(request(OTHER))
            await asyncio.sleep(0.005)
    assert len(outcomes["umbrella"]) == 40
    waits = [wait for wait in outcomes["umbrella"] if wait is not None]
    assert len(waits) == 40
    assert sorted(waits)[36] < 0.1
    assert outcomes["acme"].count(None) > 200
    assert (door.seats_taken, door.num_waiting) == (0, 0)


async def test_nothing_leaks_after_a_storm_of_cancellations() -> None:
    rng = random.Random(7)
    door = admission(seats=4, max_queued=20, max_concurrent=30, requests_per_minute=100_000)

    async def request(principal: Principal) -> None:
        async with door.enter(principal, sequences=rng.randint(1, 5), tokens=1):
            await asyncio.sleep(rng.random() * 0.002)

    tasks = [asyncio.create_task(request(rng.choice([ACME, OTHER]))) for _ in range(400)]
    for task in rng.sample(tasks, 200):
        await asyncio.sleep(0)
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    allowed = (type(None), asyncio.CancelledError, ServerBusyError, RateLimitedError)
    assert all(isinstance(outcome, allowed) for outcome in outcomes)
    assert (door.seats_taken, door.num_waiting) == (0, 0)
    assert not door._counters._open  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(("sequences", "seats"), [(1, 2), (8, 9), (16, 18), (256, 288)])
def test_seats_are_the_engines_sequences_and_a_little(sequences: int, seats: int) -> None:
    assert seats_for(sequences) == seats


COUNTS = st.integers(0, 50)
SECONDS = st.floats(0.01, 60)


@given(COUNTS, SECONDS, COUNTS, st.integers(0, 60))
def test_seconds_until_is_the_least_wait(previous: int, rest: float, current: int, target: int) -> None:
    def after(seconds: float) -> int:
        if seconds < rest:
            return Window(previous, rest - seconds, current, rest - seconds).used
        return Window(current, max(0.0, 60 - (seconds - rest)), 0, 0).used

    wait = Window(previous, rest, current, rest).seconds_until(target)
    assert after(wait) <= target
    if wait > 0.02:
        assert after(wait - 0.02) > target


async def test_the_request_rate_is_a_limit_with_openai_headers_and_an_exact_retry_after() -> None:
    now = [1_000_000_020.0]
    with mock.patch("time.time", side_effect=lambda: now[0]):
        door = admission(requests_per_minute=3)
        for remaining in (2, 1, 0):
            async with door.enter(ACME, sequences=1, tokens=1) as seat:
                assert seat.rate_headers["x-ratelimit-limit-requests"] == "3"
                assert seat.rate_headers["x-ratelimit-remaining-requests"] == str(remaining)
                assert seat.rate_headers["x-ratelimit-reset-requests"].endswith("s")
        async with door.enter(OTHER, sequences=1, tokens=1):
            pass
        with pytest.raises(RateLimitedError) as caught:
            await door.enter(ACME, sequences=1, tokens=1).__aenter__()
        wait = caught.value.retry_after
        assert wait
        assert caught.value.headers()["x-ratelimit-remaining-requests"] == "0"
        assert int(caught.value.headers()["Retry-After"]) >= wait
        now[0] += wait - 0.1
        with pytest.raises(RateLimitedError):
            await door.enter(ACME, sequences=1, tokens=1).__aenter__()
        now[0] += 0.1
        async with door.enter(ACME, sequences=1, tokens=1):
            pass


@pytest.mark.usefixtures("within_a_minute")
async def test_tokens_are_charged_at_admission() -> None:
    door = admission(tokens_per_minute=1000)
    async with door.enter(ACME, sequences=1, tokens=900) as seat:
        assert seat.rate_headers["x-ratelimit-remaining-tokens"] == "100"
    with pytest.raises(RateLimitedError) as caught:
        await door.enter(ACME, sequences=1, tokens=101).__aenter__()
    assert caught.value.retry_after
    async with door.enter(ACME, sequences=1, tokens=100):
        pass


async def test_a_request_that_can_never_fit_says_so_without_retry_after() -> None:
    with pytest.raises(RateLimitedError) as caught:
        await admission(tokens_per_minute=1000).enter(ACME, sequences=1, tokens=1001).__aenter__()
    assert caught.value.code == "request_too_large"
    assert "Retry-After" not in caught.value.headers()


async def test_open_requests_of_a_key_are_bounded_at_one_above() -> None:
    door = admission(max_concurrent=2)
    async with door.enter(ACME, sequences=1, tokens=1), door.enter(ACME, sequences=1, tokens=1):
        with pytest.raises(RateLimitedError) as caught:
            await door.enter(ACME, sequences=1, tokens=1).__aenter__()
        assert caught.value.code == "too_many_open_requests"
        assert caught.value.retry_after
        async with door.enter(OTHER, sequences=1, tokens=1):
            pass
    async with door.enter(ACME, sequences=1, tokens=1):
        pass


async def test_zero_means_no_limit_and_no_headers() -> None:
    async with admission().enter(ACME, sequences=1, tokens=10**9) as seat:
        assert seat.rate_headers == {}


@pytest.mark.parametrize(
    "url", ["memcached://x", "redis", "async+redis://x", "http://x", "redis://x:port", ""]
)
def test_other_storages_are_refused_at_the_start(url: str) -> None:
    with pytest.raises(ConfigurationError, match="storage_url"):
        admission(storage_url=url)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Redis:
    """A real server that a test may stop and start."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self.process = subprocess.Popen([*command, "--dir", str(self.folder)], stdout=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed (Debian package redis-server)")
    server = Redis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


KEYS = (f"key{i:05d}" for i in itertools.count())


def someone() -> Principal:
    """A principal no other test has used: the server keeps its counts."""
    return Principal("acme", next(KEYS), frozenset({"infer"}))


@asynccontextmanager
async def replicas(redis: Redis, count: int, **access: Any) -> AsyncGenerator[list[Admission]]:
    doors = [admission(storage_url=redis.url, **access) for _ in range(count)]
    yield doors
    for door in doors:
        await door.aclose()


async def test_replicas_share_the_rate(redis: Redis) -> None:
    who = someone()
    async with replicas(redis, 2, requests_per_minute=4, tokens_per_minute=1000) as doors:
        for i in range(4):
            async with doors[i % 2].enter(who, sequences=1, tokens=10) as seat:
                assert seat.rate_headers["x-ratelimit-remaining-requests"] == str(3 - i)
                assert seat.rate_headers["x-ratelimit-remaining-tokens"] == str(990 - 10 * i)
        for door in doors:
            with pytest.raises(RateLimitedError) as caught:
                await door.enter(who, sequences=1, tokens=10).__aenter__()
            assert 1 < (caught.value.retry_after or 0) <= 120
            assert door.storage_failures == 0


async def test_replicas_share_the_bound_of_open_requests(redis: Redis) -> None:
    who = someone()
    async with replicas(redis, 2, max_concurrent=2) as (one, two):
        async with one.enter(who, sequences=1, tokens=1), two.enter(who, sequences=1, tokens=1):
            for door in (one, two):
                with pytest.raises(RateLimitedError):
                    await door.enter(who, sequences=1, tokens=1).__aenter__()
        await asyncio.sleep(0.05)
        async with one.enter(who, sequences=1, tokens=1), two.enter(who, sequences=1, tokens=1):
            pass


async def test_the_leases_of_a_killed_replica_run_out(redis: Redis) -> None:
    killed, alive = Counters(redis.url, lease_seconds=0.3), Counters(redis.url, lease_seconds=30)
    who = someone().key_id
    kept = await alive.open(who, 2)
    assert kept
    assert await killed.open(who, 2)
    assert await alive.open(who, 2) is None
    await asyncio.sleep(0.35)
    assert await alive.open(who, 2)
    assert await alive.open(who, 2) is None
    alive.close(who, kept)
    await asyncio.sleep(0.05)
    assert await killed.open(who, 2)
    await killed.aclose()
    await alive.aclose()


async def test_cancellations_leave_no_lease(redis: Redis) -> None:
    who = someone()
    async with replicas(redis, 1, max_concurrent=5, seats=2) as (door,):
        rng = random.Random(3)

        async def request() -> None:
            async with door.enter(who, sequences=1, tokens=1):
                await asyncio.sleep(0.001)

        for _ in range(30):
            tasks = [asyncio.create_task(request()) for _ in range(4)]
            await asyncio.sleep(rng.random() * 0.003)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)
        assert await door._counters._redis.zcard(f"codefusion:open:{who.key_id}") == 0  # pyright: ignore[reportPrivateUsage]
        assert (door.seats_taken, door.num_waiting) == (0, 0)


async def test_without_redis_everything_is_allowed_quickly_and_it_comes_back(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.rates._PAUSE_SECONDS", 0.2)
    who = someone()
    async with replicas(redis, 1, requests_per_minute=1, max_concurrent=1) as (door,):
        async with door.enter(who, sequences=1, tokens=1):
            pass
        redis.stop()
        try:
            begin = time.monotonic()
            for _ in range(20):
                async with door.enter(who, sequences=1, tokens=1) as seat:
                    assert seat.rate_headers == {}
            assert time.monotonic() - begin < 1
            # Not once per question: after a failure there is a pause.
            assert 1 <= door.storage_failures <= 3
        finally:
            redis.start()
        await asyncio.sleep(0.25)
        async with door.enter(who, sequences=1, tokens=1) as seat:
            assert seat.rate_headers["x-ratelimit-remaining-requests"] == "0"
        with pytest.raises(RateLimitedError):
            await door.enter(who, sequences=1, tokens=1).__aenter__()
