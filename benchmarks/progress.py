"""Progress with an estimate of the end, on stderr, so that stdout holds results only."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

# Long steps: an estimate from the last 30 seconds alone would find none of them finished.
_ESTIMATE_SECONDS = 3600


class Steps:
    """A row of steps, some of them long."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def begin(self, text: str) -> None:
        """Say what is being done."""
        self._progress.update(self._task, description=text)

    def done(self, steps: float = 1) -> None:
        """Count steps as done."""
        self._progress.advance(self._task, steps)

    def reach(self, completed: float, text: str) -> None:
        """Set how much is done, and say what there is."""
        self._progress.update(self._task, completed=completed, description=text)


@contextmanager
def steps(total: float) -> Generator[Steps]:
    """Show a bar of `total` steps for the length of the block."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=Console(stderr=True), transient=True, speed_estimate_period=_ESTIMATE_SECONDS
    ) as progress:
        yield Steps(progress, progress.add_task("", total=total))
