"""The pool bounds what runs at once, retries the sandbox's own failures, and suspects its own load."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import InvalidTaskError, Isolation, Limits, SandboxPool, Status, Verdict, pool

RIGHT = "def f(x): return x + 1"
TESTS = "assert f(1) == 2"


async def test_pool_runs_each_kind_of_task(best_isolation: Isolation) -> None:
    async with SandboxPool(slots=2, isolation=best_isolation) as made:
        one, two, three = await asyncio.gather(
            made.run(RIGHT, TESTS),
            made.run_stdin("print(input())", "python", [("a", "a")]),
            made.run_calls(RIGHT, "f", [[1], [2]]),
        )
    assert one.is_passed
    assert two.is_passed
    assert [getattr(each, "value", None) for each in three.answers] == [2, 3]


async def test_verdicts_do_not_depend_on_company(best_isolation: Isolation) -> None:
    tasks = [
        (RIGHT, Status.PASSED),
        ("def f(x): return x", Status.FAILED),
        ("def f(", Status.COMPILE_ERROR),
    ] * 4
    async with SandboxPool(slots=4, isolation=best_isolation) as made:
        verdicts = await asyncio.gather(*(made.run(program, TESTS) for program, _ in tasks))
    assert [verdict.status for verdict in verdicts] == [status for _, status in tasks]


def _replace_run(monkeypatch: pytest.MonkeyPatch, replacement: Callable[..., Verdict]) -> None:
    monkeypatch.setattr(pool, "run", replacement)


async def test_no_more_runs_than_slots(best_isolation: Isolation, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, running, most = threading.Lock(), 0, 0

    def slow(*_: Any, **__: Any) -> Verdict:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return Verdict(Status.PASSED, "")

    _replace_run(monkeypatch, slow)
    async with SandboxPool(slots=3, isolation=best_isolation) as made:
        await asyncio.gather(*(made.run("", "") for _ in range(20)))
    assert most == 3


@pytest.mark.parametrize(("failures", "status"), [(2, Status.PASSED), (3, Status.SANDBOX_ERROR)])
async def test_sandbox_error_is_tried_again(
    failures: int, status: Status, best_isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [Verdict(Status.SANDBOX_ERROR, "no memory for a process")] * failures + [
        Verdict(Status.PASSED, "")
    ]
    _replace_run(monkeypatch, lambda *_, **__: left.pop(0))
    monkeypatch.setattr(pool, "_FIRST_PAUSE_SECONDS", 0.0)
    async with SandboxPool(slots=1, isolation=best_isolation, attempts=3) as made:
        assert (await made.run("", "")).status is status


async def test_starved_timeout_is_tried_alone(
    best_isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: set[int] = set()
    company: list[int] = []

    def starve(program: str, *_: Any, **__: Any) -> Verdict:
        running.add(id(program))
        time.sleep(0.1)
        company.append(len(running))
        running.discard(id(program))
        if program == "victim" and company[-1] > 1:
            return Verdict(Status.TIMEOUT, "", cpu_seconds=0.1)
        return Verdict(Status.PASSED, "")

    _replace_run(monkeypatch, starve)
    async with SandboxPool(slots=2, isolation=best_isolation) as made:
        verdicts = await asyncio.gather(
            made.run("victim", ""), *(made.run(f"other {n}", "") for n in range(4))
        )
    assert all(verdict.is_passed for verdict in verdicts)
    assert 1 in company


async def test_a_busy_loop_is_not_tried_twice(best_isolation: Isolation) -> None:
    async with SandboxPool(slots=2, isolation=best_isolation) as made:
        begun = time.monotonic()
        limits = Limits(cpu_seconds=0.5, wall_seconds=20.0)
        verdicts = await asyncio.gather(
            *(made.run("while True: pass", TESTS, "python", limits) for _ in range(2))
        )
    assert {verdict.status for verdict in verdicts} == {Status.TIMEOUT}
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(("slots", "attempts"), [(0, 1), (-1, 1), (1, 0)])
def test_impossible_pool_is_refused(slots: int, attempts: int) -> None:
    with pytest.raises(InvalidTaskError, match="at least one slot and one attempt"):
        SandboxPool(slots, attempts=attempts)


async def test_a_client_that_leaves_while_it_waits_to_be_alone_blocks_nobody(
    best_isolation: Isolation,
) -> None:
    async with SandboxPool(slots=1, isolation=best_isolation) as made:
        running = asyncio.create_task(
            made.run("import time\ndef f(x):\n    time.sleep(0.5)\n    return 2", TESTS)
        )
        await asyncio.sleep(0.1)

        async def alone() -> None:
            async with made._alone():  # pyright: ignore[reportPrivateUsage]
                pytest.fail("another run is going on")

        waiting = asyncio.create_task(alone())
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        assert (await running).is_passed
        async with asyncio.timeout(20):
            assert (await made.run(RIGHT, TESTS)).is_passed
