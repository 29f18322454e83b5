"""Samples a service: many requests at once, each answer on disk as soon as it is there.

    pending keys ──► workers (one request each) ──► samples.jsonl ──► sandboxes ──► verdicts.jsonl

The number of workers is what saturates the engine; nothing else waits. Order of answers does not matter: request
seeds come from the sample's key, so an interrupted run that goes on asks exactly for what is missing. Ctrl-C lets the
answers that are under way come in, which on a slow machine are minutes of work; a second one leaves them.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from evaluation.client import Answer, BusyError, ServiceClient
from evaluation.errors import EvaluationError, ServiceDownError
from evaluation.extraction import program_of
from evaluation.problems import Problem
from evaluation.prompts import request_for
from evaluation.records import Record, RecordWriter
from evaluation.run_folder import Key, RunConfig, RunFolder

Score = Callable[[Problem, Record], Awaitable[Record]]
_FIRST_WAIT_SECONDS: Final = 0.25
_LONGEST_WAIT_SECONDS: Final = 5.0
_MOST_DEADLINES: Final = 2


class Watcher(Protocol):
    """Is told of each answer and verdict (`progress.py` shows them)."""

    def sampled(self, record: Record) -> None:
        """Take note of an answer."""
        ...

    def scored(self, verdict: Record) -> None:
        """Take note of a verdict."""
        ...

    def interrupted(self) -> None:
        """Take note that nothing more is asked for, and only what is under way comes in."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard the service is asked.

    concurrency       requests at once
    patience_seconds  how long it may give no answer at all before the run stops
    scorers           sandboxes at once
    """

    concurrency: int = 32
    patience_seconds: float = 120.0
    scorers: int = 2


def request_seed(seed: int, index: int) -> int:
    """Give the seed that is sent for a sample: distinct for each seed and index below a million."""
    return seed * 1_000_003 + index


async def sample_run(
    folder: RunFolder,
    config: RunConfig,
    problems: Sequence[Problem],
    score: Score | None,
    watcher: Watcher,
    pace: Pace,
    *,
    ask: bool = True,
) -> None:
    """Take every sample that the folder lacks, and score every answer that has no verdict.

    ask       False: only score. Answers taken from another run must not be mixed with new ones
    Raises ServiceDownError, RequestRefusedError, RunFolderError; what was taken before stays in the folder.
    """
    with ExitStack() as stack:
        samples, verdicts, sessions = (
            stack.enter_context(RecordWriter(file))
            for file in (folder.samples_file, folder.verdicts_file, folder.sessions_file)
        )
        by_id = {problem.task_id: problem for problem in problems}
        run = _Run(folder, config, by_id, score, watcher, pace, samples, verdicts, sessions)
        async with ServiceClient(config.base_url) as client:
            await run.go(client, ask=ask)


@dataclass
class _Run:
    _folder: RunFolder
    _config: RunConfig
    _problems: dict[str, Problem]
    _score: Score | None
    _watcher: Watcher
    _pace: Pace
    samples: RecordWriter
    verdicts: RecordWriter
    sessions: RecordWriter
    _failure: EvaluationError | None = None
    _is_stopping: bool = False
    _last_answer: float = 0.0
    _num_sampled: int = 0
    _num_tokens: int = 0

    def __post_init__(self) -> None:
        self._arm = self._config.as_arm()

    async def go(self, client: ServiceClient, *, ask: bool) -> None:
        have, scored = self._folder.samples(), self._folder.verdicts()
        keys = self._config.keys([*self._problems.values()])
        pending = [key for key in keys if ask and key not in have]
        waiting = [record for key, record in have.items() if _needs_score(scored.get(key))]
        started, self._last_answer = time.monotonic(), time.monotonic()
        scoring = [self._start_scoring(record) for record in waiting] if self._score else []
        self._stop_at_first_interrupt()
        try:
            queue = iter(pending)
            workers = [
                self._worker(client, queue, scoring) for _ in range(min(self._pace.concurrency, len(pending)))
            ]
            await asyncio.gather(*workers)
        finally:
            self._end_session(time.monotonic() - started)
            results = await asyncio.gather(*scoring, return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failure := self._failure or next(iter(failures), None):
            raise failure
        if self._is_stopping and self._num_sampled < len(pending):
            raise KeyboardInterrupt

    def _stop_at_first_interrupt(self) -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self._is_stopping = True
            # The second one is Python's own again.
            loop.remove_signal_handler(signal.SIGINT)
            self._watcher.interrupted()

        # Outside the main thread there are no signals to take.
        with suppress(ValueError, RuntimeError, NotImplementedError):
            loop.add_signal_handler(signal.SIGINT, stop)

    async def _worker(
        self, client: ServiceClient, queue: Iterator[Key], scoring: list[asyncio.Task[None]]
    ) -> None:
        for key in queue:
            if self._failure is not None or self._is_stopping:
                return
            try:
                record = await self._sample(client, key)
                if record is None:
                    return
                self.samples.append(record)
            except EvaluationError as error:
                self._failure = self._failure or error
                return
            self._watcher.sampled(record)
            if self._score is not None:
                scoring.append(self._start_scoring(record))

    async def _sample(self, client: ServiceClient, key: Key) -> Record | None:
        """Give the answer; None when it was not there yet as the run was interrupted."""
        task_id, seed, index = key
        problem = self._problems[task_id]
        request = request_for(
            problem,
            self._arm,
            self._config.temperature,
            request_seed(seed, index),
            self._config.max_tokens,
        )
        wait, deadlines = _FIRST_WAIT_SECONDS, 0
        while True:
            try:
                answer = await client.send(request)
            except BusyError as busy:
                deadlines += busy.is_deadline
                if deadlines >= _MOST_DEADLINES:
                    raise ServiceDownError(
                        f"{task_id}: {busy}, {deadlines} times: this answer would never come. Lower --concurrency, or "
                        "give the service a longer deadline (limits.deadline_seconds); the same command goes on"
                    ) from busy
                self._require_patience(busy)
                await asyncio.sleep(busy.wait_seconds if busy.wait_seconds is not None else wait)
                wait = min(_LONGEST_WAIT_SECONDS, 2 * wait)
                if self._failure is not None:
                    raise self._failure from None
                if self._is_stopping:
                    return None
                continue
            self._last_answer = time.monotonic()
            self._num_sampled += 1
            self._num_tokens += answer.completion_tokens
            return _record(key, problem, answer)

    def _require_patience(self, busy: BusyError) -> None:
        silent = time.monotonic() - self._last_answer
        if silent > self._pace.patience_seconds:
            raise ServiceDownError(
                f"no answer from {self._config.base_url} for {silent:.0f} s ({busy}). {self._num_sampled} new "
                f"samples are kept in {self._folder.path}; the same command goes on from there"
            ) from busy

    def _start_scoring(self, record: Record) -> asyncio.Task[None]:
        return asyncio.create_task(self._score_one(record))

    async def _score_one(self, record: Record) -> None:
        assert self._score is not None
        problem = self._problems[record["task_id"]]
        try:
            verdict = await self._score(problem, record)
            self.verdicts.append(verdict)
        except EvaluationError as error:
            self._failure = self._failure or error
            return
        self._watcher.scored(verdict)

    def _end_session(self, seconds: float) -> None:
        if self._num_sampled and not isinstance(self._failure, OSError):
            self.sessions.append(
                {
                    "seconds": round(seconds, 3),
                    "samples": self._num_sampled,
                    "completion_tokens": self._num_tokens,
                    "concurrency": self._pace.concurrency,
                }
            )


def _needs_score(verdict: Record | None) -> bool:
    return verdict is None or verdict["status"] == "sandbox_error"


def _record(key: Key, problem: Problem, answer: Answer) -> Record:
    task_id, seed, index = key
    return {
        "task_id": task_id,
        "seed": seed,
        "index": index,
        "answer": answer.text,
        "program": program_of(problem, answer.text),
        "finish_reason": answer.finish_reason,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "seconds": round(answer.seconds, 4),
        **({"refused": answer.refused} if answer.refused else {}),
        **({"report": answer.report} if answer.report else {}),
    }
