"""Intervals and paired tests. All over problems: samples of one problem are no independent draws.

HumanEval's 164 problems tell differences of about 7 to 10 points apart; a smaller one needs more problems.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_Z95: Final = 1.959963984540054
_ROUNDS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(num_passed: int, num_total: int) -> Interval:
    """Give a proportion's Wilson score interval.

    Source  Wilson 1927. Fails for proportions of several samples a problem: use `bootstrap` there.
    """
    if not 0 <= num_passed <= num_total or num_total == 0:
        raise ValueError(f"expected 0 <= passed <= total, total > 0; got {num_passed}, {num_total}")
    share, z2 = num_passed / num_total, _Z95**2 / num_total
    centre = (share + z2 / 2) / (1 + z2)
    half = _Z95 / (1 + z2) * math.sqrt(share * (1 - share) / num_total + z2 / (4 * num_total))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def bootstrap(values: Sequence[float], seed: int = 0) -> Interval:
    """Give the mean's percentile bootstrap interval, problems drawn with replacement, 10,000 rounds.

    Source  Efron 1979. Fails for a handful of values (too narrow), and for values that are all equal (no width).
    """
    data = _array(values)
    means = _resampled_means(data, seed)
    return Interval(float(data.mean()), float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975)))


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How two runs differ on the same problems, b minus a.

    difference   mean of the differences with its bootstrap interval
    bootstrap_p  two-sided, by how often the resampled difference lies on the other side of 0
    only_a       problems that a alone passes (by majority of its samples), only_b those of b
    mcnemar_p    exact two-sided McNemar test of the two; None without disagreement it is 1
    """

    num_problems: int
    difference: Interval
    bootstrap_p: float
    only_a: int
    only_b: int
    mcnemar_p: float


def compare(a: Sequence[float], b: Sequence[float], seed: int = 0) -> PairedDifference:
    """Compare pass shares of two runs, problem by problem. Raises ValueError when the lengths differ."""
    if len(a) != len(b):
        raise ValueError(f"expected the same problems in both runs; got {len(a)} and {len(b)}")
    differences = _array(b) - _array(a)
    means = _resampled_means(differences, seed)
    only_a = sum(x >= 0.5 > y for x, y in zip(a, b, strict=True))
    only_b = sum(y >= 0.5 > x for x, y in zip(a, b, strict=True))
    # The round that was observed counts as one, so that p is never 0.
    tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
    interval = Interval(
        float(differences.mean()), float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))
    )
    p = min(1.0, 2 * (tail + 1) / (len(means) + 1))
    return PairedDifference(len(a), interval, p, only_a, only_b, mcnemar_exact(only_a, only_b))


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Give the exact two-sided McNemar p: a fair coin thrown once for each problem the runs disagree on.

    Source  McNemar 1947, exact form by the binomial distribution; 1 when the runs never disagree.
    """
    total = only_a + only_b
    if total == 0:
        return 1.0
    tail = sum(math.comb(total, i) for i in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / 2**total)


def _array(values: Sequence[float]) -> NDArray[np.float64]:
    if not values:
        raise ValueError("expected at least one value; got none")
    return np.asarray(values, dtype=np.float64)


def _resampled_means(data: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    means = np.empty(_ROUNDS)
    step = max(1, 2_000_000 // len(data))
    for start in range(0, _ROUNDS, step):
        count = min(step, _ROUNDS - start)
        means[start : start + count] = data[generator.integers(0, len(data), (count, len(data)))].mean(axis=1)
    return means
