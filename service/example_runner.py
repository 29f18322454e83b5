"""Runs candidates on a request's own examples, in the sandbox alone. Knows no HTTP and no engine.

Opened once with the service: the sandbox proves there that it holds, and where it does not, nothing is ever run and
requests that ask for it are refused with the reason. Bounded on every side: examples per request by
`limits.max_examples`, time and memory of a run, all runs of a request by `sandbox.seconds`, runs at once by
`sandbox.slots`, which tenants share fairly. What could not be found out in these bounds is None, and no failure.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

import structlog

from sandbox import InvalidTaskError, Limits, SandboxError, SandboxPool, Status, Verdict
from service.errors import BadRequestError, ServerBusyError
from service.example_task import ExampleTask, tests_of
from service.fair_queue import FairQueue
from service.metrics import Metrics
from service.schemas.generate import Example
from service.settings import SandboxSettings

_MIB: Final = 1 << 20
log = structlog.stdlib.get_logger(__name__)


class ExampleRunner:
    """The service's sandbox. `open` and `aclose` are called once; `require` and `count_passed` by each request."""

    def __init__(self, settings: SandboxSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._limits = Limits(
            cpu_seconds=settings.cpu_seconds,
            # A program that waits for nothing needs this much only when the machine is busy.
            wall_seconds=2 * settings.cpu_seconds + 1,
            memory_bytes=settings.memory_mib * _MIB,
            compile_seconds=settings.compile_seconds,
        )
        self._queue = FairQueue(settings.slots, settings.max_queued, settings.seconds)
        self._opened = asyncio.Event()
        self._stack = AsyncExitStack()
        self._pool: SandboxPool | None = None
        self._reason = "the sandbox is switched off (sandbox.enabled)"

    async def open(self) -> None:
        """Prove the isolation. Never raises for want of one: `require` then says why."""
        try:
            if self._settings.enabled:
                self._pool = await self._stack.enter_async_context(self._new_pool())
        except (SandboxError, OSError) as error:
            self._reason = str(error)
            log.warning("sandbox_off", effect='select "examples" is refused', reason=self._reason)
        finally:
            self._opened.set()

    async def aclose(self) -> None:
        """Wait for what is running, which its own bounds end, and take no more."""
        self._reason, self._pool = "the service is shutting down", None
        await self._stack.aclose()

    async def require(self, task: ExampleTask) -> None:
        """Raise BadRequestError unless such examples can be run here."""
        await self._opened.wait()
        if self._pool is None:
            raise BadRequestError(
                f'select "examples" is not available here: {self._reason}; expected "logprob".',
                param="select",
                code="not_available",
            )
        if (missing := await self._pool.missing(task.language)) is not None:
            raise BadRequestError(
                f'select "examples": {missing}.', param="language", code="unsupported_language"
            )

    async def count_passed(self, programs: Sequence[str], task: ExampleTask, tenant: str) -> list[int | None]:
        """Give for each program how many examples it passes; None where that was not found out.

        Equal programs are run once. Cost: one run of all examples together; of a program that fails some, one more
        for each, since only then is it known which.
        """
        begun = time.monotonic()
        counts: dict[str, int | None] = dict.fromkeys(programs)

        async def judge(program: str) -> None:
            counts[program] = await self._count(program, task, tenant)

        try:
            async with asyncio.timeout(self._settings.seconds), asyncio.TaskGroup() as group:
                for program in counts:
                    group.create_task(judge(program))
        except TimeoutError:
            log.info("examples_unfinished", seconds=self._settings.seconds)
        self._metrics.example_seconds.observe(time.monotonic() - begun)
        return [counts[program] for program in programs]

    async def _count(self, program: str, task: ExampleTask, tenant: str) -> int | None:
        if not program.strip():
            return 0
        together = await self._run(program, task, task.examples, tenant)
        if together is None:
            return None
        if together is Status.PASSED:
            return len(task.examples)
        if together is Status.COMPILE_ERROR or len(task.examples) == 1:
            return 0
        alone = [await self._run(program, task, (example,), tenant) for example in task.examples]
        return None if None in alone else alone.count(Status.PASSED)

    async def _run(
        self, program: str, task: ExampleTask, examples: Sequence[Example], tenant: str
    ) -> Status | None:
        """Run once; None when the sandbox, not the program, is at fault."""
        try:
            await self._queue.acquire(tenant, 1)
        except ServerBusyError:
            self._metrics.example_runs.labels("refused").inc()
            return None
        begun = time.monotonic()
        try:
            verdict = await self._verdict(program, task, examples)
        finally:
            self._queue.release(tenant, 1, time.monotonic() - begun)
        self._metrics.example_runs.labels(verdict.status).inc()
        if verdict.status is Status.SANDBOX_ERROR:
            log.warning("sandbox_error", reason=verdict.detail)
            return None
        return verdict.status

    async def _verdict(self, program: str, task: ExampleTask, examples: Sequence[Example]) -> Verdict:
        pool = self._pool
        if pool is None:
            return Verdict(Status.SANDBOX_ERROR, self._reason)
        try:
            if task.form == "stdin":
                cases = [(each.input, each.output) for each in examples]
                return await pool.run_stdin(program, task.language, cases, self._limits)
            return await pool.run(program, tests_of(examples, task.language), task.language, self._limits)
        except InvalidTaskError as error:
            # A text that is no program anywhere: a NUL character, Java without a class.
            return Verdict(Status.COMPILE_ERROR, str(error))
        except (SandboxError, OSError) as error:
            return Verdict(Status.SANDBOX_ERROR, str(error))

    def _new_pool(self) -> SandboxPool:
        # A program that sleeps must not get the machine to itself for another try: others wait.
        return SandboxPool(self._settings.slots, retries_timeouts=False)
