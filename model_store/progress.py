"""What the user sees of a long step: a bar on a terminal, a line now and then elsewhere."""

import logging
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

Advance = Callable[[int], None]
LINE_INTERVAL_S = 5.0

_log = logging.getLogger("model_store")


class Reporter:
    """Tells of progress on standard error, or keeps to the log when `show` is False."""

    def __init__(self, *, show: bool) -> None:
        self._show = show
        self._console = Console(stderr=True, highlight=False)

    def say(self, message: str) -> None:
        """Tell one thing, once."""
        if self._show:
            self._console.print(message, markup=False, soft_wrap=True)
        else:
            _log.info(message)

    @contextmanager
    def bar(self, title: str, total_bytes: int) -> Generator[Advance]:
        """Show progress towards `total_bytes`; the value yielded is called with each step's bytes."""
        if not self._show:
            yield lambda _: None
        elif self._console.is_terminal:
            with self._rich_bar(title, total_bytes) as advance:
                yield advance
        else:
            lines = _Lines(self, title, total_bytes)
            yield lines.advance
            lines.finish()

    @contextmanager
    def _rich_bar(self, title: str, total_bytes: int) -> Generator[Advance]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(title, total=total_bytes)
            yield lambda num_bytes: progress.advance(task, num_bytes)


class _Lines:
    """A bar for logs: at most one line every few seconds, and one at the end."""

    def __init__(self, reporter: Reporter, title: str, total_bytes: int) -> None:
        self._reporter = reporter
        self._title = title
        self._total = max(total_bytes, 1)
        self._done = 0
        self._started = self._told = time.monotonic()

    def advance(self, num_bytes: int) -> None:
        self._done += num_bytes
        now = time.monotonic()
        if now - self._told >= LINE_INTERVAL_S and self._done > 0:
            self._told = now
            left_s = (now - self._started) * (self._total - self._done) / self._done
            self._reporter.say(f"{self._title}: {self._amount()}, about {max(left_s, 0):.0f} s left")

    def finish(self) -> None:
        self._reporter.say(f"{self._title}: {self._amount()} in {time.monotonic() - self._started:.1f} s")

    def _amount(self) -> str:
        return f"{self._done / 1e6:.0f} of {self._total / 1e6:.0f} MB"
