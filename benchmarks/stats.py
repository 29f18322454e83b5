"""Percentiles and spreads of small samples. The tests compare them with numpy's."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the percentile by linear interpolation between order statistics, as numpy's default does.

    percent  0 to 100
    Gives NaN for no values: a report then shows a dash instead of a number that nobody measured.
    """
    if not values:
        return math.nan
    ordered = sorted(values)
    position = (len(ordered) - 1) * percent / 100
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


@dataclass(frozen=True, slots=True)
class Spread:
    """Repeated measurements of one thing. `relative` is (highest - lowest) / median."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value; NaN without values."""
        return statistics.median(self.values) if self.values else math.nan

    @property
    def low(self) -> float:
        """The least value; NaN without values."""
        return min(self.values, default=math.nan)

    @property
    def high(self) -> float:
        """The greatest value; NaN without values."""
        return max(self.values, default=math.nan)

    @property
    def relative(self) -> float:
        """The range as a share of the median; NaN where that has no meaning."""
        return (self.high - self.low) / self.median if self.values and self.median else math.nan
