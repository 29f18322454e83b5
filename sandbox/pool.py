"""Many runs at once, at most as many as there are slots. Knows threads and retries; judges nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from sandbox.calls_task import Calls
from sandbox.errors import InvalidTaskError, LanguageMissingError
from sandbox.limits import Limits
from sandbox.runner import DEFAULT_LIMITS, require_language, run, run_calls, run_stdin
from sandbox.selftest import Isolation, prove_isolation
from sandbox.verdict import Status, Verdict

_FIRST_PAUSE_SECONDS = 0.2


class SandboxPool:
    """Runs tasks in a bounded number of slots: `async with SandboxPool(slots=4) as pool: await pool.run(…)`.

    A sandbox_error is tried again, `attempts` times in all; what is left of them says nothing about the program, and
    an evaluation has to stop. A timeout by wall clock alone, while others were running, is tried once more with the
    machine to itself: it may have been the others' fault. A service where strangers' programs share the pool switches
    that off (`retries_timeouts`): one that sleeps would keep the others waiting.

    Raises NoIsolationError when it is entered on a machine where nothing holds untrusted code.
    """

    def __init__(
        self,
        slots: int | None = None,
        *,
        isolation: Isolation | None = None,
        attempts: int = 3,
        retries_timeouts: bool = True,
    ) -> None:
        self.slots = slots if slots is not None else os.cpu_count() or 1
        if self.slots < 1 or attempts < 1:
            raise InvalidTaskError(f"expected at least one slot and one attempt, got {slots} and {attempts}")
        self._attempts = attempts
        self._retries_timeouts = retries_timeouts
        self._isolation = isolation
        self._threads = ThreadPoolExecutor(self.slots, thread_name_prefix="sandbox")
        self._change = asyncio.Condition()
        self._running = 0
        self._is_exclusive = False

    async def __aenter__(self) -> Self:
        if self._isolation is None:
            self._isolation = await asyncio.to_thread(prove_isolation)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Runs that are still going on are bounded by their wall time.
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)

    async def run(
        self,
        program: str,
        tests: str,
        language: str = "python",
        limits: Limits = DEFAULT_LIMITS,
        **options: Any,
    ) -> Verdict:
        """Run as `sandbox.run` does."""
        call = partial(run, program, tests, language, limits, isolation=self._isolation, **options)
        return await self._judge(call, limits)

    async def run_stdin(
        self,
        program: str,
        language: str,
        cases: Sequence[tuple[str, str]],
        limits: Limits = DEFAULT_LIMITS,
    ) -> Verdict:
        """Run as `sandbox.run_stdin` does."""
        return await self._judge(
            partial(run_stdin, program, language, cases, limits, isolation=self._isolation), limits
        )

    async def run_calls(
        self,
        program: str,
        entry_point: str,
        inputs: Sequence[Sequence[object]],
        limits: Limits = DEFAULT_LIMITS,
    ) -> Calls:
        """Run as `sandbox.run_calls` does."""
        kept: list[Calls] = []

        def call() -> Verdict:
            kept.append(run_calls(program, entry_point, inputs, limits, isolation=self._isolation))
            return kept[-1].verdict

        verdict = await self._judge(call, limits)
        return replace(kept[-1], verdict=verdict)

    async def missing(self, language: str) -> str | None:
        """Say why a language cannot be run here, or None. Raises InvalidTaskError for one that is not known."""
        assert self._isolation is not None
        try:
            await asyncio.to_thread(require_language, language, self._isolation)
        except LanguageMissingError as error:
            return str(error)
        return None

    async def _judge(self, call: Callable[[], Verdict], limits: Limits) -> Verdict:
        verdict, had_company = await self._try(call)
        for attempt in range(1, self._attempts):
            if verdict.status is not Status.SANDBOX_ERROR:
                break
            await asyncio.sleep(_FIRST_PAUSE_SECONDS * 2**attempt)
            verdict, had_company = await self._try(call)
        starved = verdict.status is Status.TIMEOUT and verdict.cpu_seconds < limits.cpu_seconds / 2
        if starved and had_company and self._retries_timeouts:
            async with self._alone():
                verdict = await self._in_thread(call)
        return verdict

    async def _try(self, call: Callable[[], Verdict]) -> tuple[Verdict, bool]:
        async with self._among_others():
            had_company = self._running > 1
            verdict = await self._in_thread(call)
            return verdict, had_company or self._running > 1

    async def _in_thread(self, call: Callable[[], Verdict]) -> Verdict:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    @asynccontextmanager
    async def _among_others(self) -> AsyncGenerator[None]:
        async with self._change:
            await self._change.wait_for(lambda: not self._is_exclusive and self._running < self.slots)
            self._running += 1
        try:
            yield
        finally:
            async with self._change:
                self._running -= 1
                self._change.notify_all()

    @asynccontextmanager
    async def _alone(self) -> AsyncGenerator[None]:
        async with self._change:
            await self._change.wait_for(lambda: not self._is_exclusive)
            self._is_exclusive = True
        try:
            async with self._change:
                await self._change.wait_for(lambda: self._running == 0)
            yield
        finally:
            async with self._change:
                self._is_exclusive = False
                self._change.notify_all()
