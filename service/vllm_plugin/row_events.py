"""What happened while rows were filled, each at its position: rows behind a guess that is refused never happened."""

from __future__ import annotations

from service.syntax_spec import SyntaxCounts


class RowEvents:
    """Keeps `closing_forced`, `bounds_hit` and `degraded` of some counts up to date.

    A position is the number of tokens in front of a row. A row is filled again after guesses, and counts once.
    """

    def __init__(self, counts: SyntaxCounts) -> None:
        self._counts = counts
        self._degraded = counts.degraded
        self._closings: set[int] = set()
        self._bounds: set[int] = set()
        self._reasons: dict[str, int] = {}

    def closing(self, position: int) -> None:
        """Only the way to the end was left open."""
        self._closings.add(position)
        self._counts.closing_forced = True

    def bound(self, position: int) -> None:
        """A bound closed something."""
        self._bounds.add(position)
        self._counts.bounds_hit = len(self._bounds)

    def degraded(self, position: int, reason: str) -> None:
        """The mask did less than was asked for."""
        if self._reasons.setdefault(reason, position) == position:
            self._write_degraded()

    def drop_behind(self, position: int) -> None:
        """Forget what happened behind a position."""
        self._closings = {at for at in self._closings if at <= position}
        self._bounds = {at for at in self._bounds if at <= position}
        self._reasons = {reason: at for reason, at in self._reasons.items() if at <= position}
        self._counts.closing_forced = bool(self._closings)
        self._counts.bounds_hit = len(self._bounds)
        self._write_degraded()

    def _write_degraded(self) -> None:
        reasons = dict.fromkeys([self._degraded, *self._reasons])
        self._counts.degraded = "; ".join(reason for reason in reasons if reason) or None
