"""Progress of a run on stderr: answers, time left, running pass rate, tokens per second."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from evaluation.records import Record


class RunProgress:
    """Counts answers and verdicts, and shows them."""

    def __init__(self, bar: Progress, task: TaskID, num_passed: int, num_scored: int) -> None:
        self._bar, self._task = bar, task
        self._passed, self._scored = num_passed, num_scored
        self._tokens, self._started = 0, time.monotonic()

    def sampled(self, record: Record) -> None:
        """Count an answer."""
        self._tokens += record["completion_tokens"]
        self._bar.advance(self._task)
        self._show()

    def scored(self, verdict: Record) -> None:
        """Count a verdict."""
        if verdict["status"] != "sandbox_error":
            self._scored += 1
            self._passed += verdict["status"] == "passed"
        self._show()

    def interrupted(self) -> None:
        """Say what is waited for."""
        self._bar.console.print("waiting for the answers under way; Ctrl-C again to leave them")

    def _show(self) -> None:
        rate = f"{100 * self._passed / self._scored:.1f} % of {self._scored}" if self._scored else "-"
        seconds = max(1e-9, time.monotonic() - self._started)
        self._bar.update(self._task, passed=rate, speed=f"{self._tokens / seconds:,.0f} tokens/s")


@contextmanager
def run_progress(
    title: str, total: int, done: int, num_passed: int, num_scored: int
) -> Generator[RunProgress]:
    """Show a bar for the length of the block. `done` answers are there already."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
        TextColumn("passed {task.fields[passed]}"),
        TextColumn("{task.fields[speed]}"),
    )
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=600) as bar:
        task = bar.add_task(title, total=total, completed=done, passed="-", speed="")
        yield RunProgress(bar, task, num_passed, num_scored)
