from __future__ import annotations

import math
import random

import pytest
from scipy import stats

from evaluation.significance import bootstrap, compare, mcnemar_exact, wilson


@pytest.mark.parametrize(("passed", "total"), [(0, 10), (10, 10), (81, 164), (1, 3)])
def test_wilson_equals_scipy(passed: int, total: int) -> None:
    expected = stats.binomtest(passed, total).proportion_ci(method="wilson")
    interval = wilson(passed, total)
    assert interval.low == pytest.approx(expected.low, abs=1e-12)
    assert interval.high == pytest.approx(expected.high, abs=1e-12)


@pytest.mark.parametrize(("a", "b"), [(0, 0), (0, 5), (3, 9), (10, 10), (40, 22)])
def test_mcnemar_equals_the_binomial_test(a: int, b: int) -> None:
    expected = stats.binomtest(a, a + b).pvalue if a + b else 1.0
    assert mcnemar_exact(a, b) == pytest.approx(expected)


def test_the_bootstrap_interval_is_the_normal_one_where_that_holds() -> None:
    values = random.Random(3).choices([0.0, 1.0], k=400)
    interval = bootstrap(values)
    share = sum(values) / 400
    half = 1.96 * math.sqrt(share * (1 - share) / 400)
    assert interval.value == pytest.approx(share)
    assert interval.low == pytest.approx(share - half, abs=0.01)
    assert interval.high == pytest.approx(share + half, abs=0.01)


def test_equal_seeds_give_equal_intervals() -> None:
    assert bootstrap([0, 1, 1], 7) == bootstrap([0, 1, 1], 7)


def test_a_run_does_not_differ_from_itself() -> None:
    result = compare([0, 1, 1, 0], [0, 1, 1, 0])
    assert (result.difference.value, result.bootstrap_p, result.mcnemar_p) == (0, 1, 1)


def test_a_run_that_solves_thirty_more_differs() -> None:
    result = compare([0.0] * 30 + [1.0] * 20, [1.0] * 50)
    assert (result.only_a, result.only_b) == (0, 30)
    assert result.difference.value == pytest.approx(0.6)
    assert result.mcnemar_p < 1e-8
    assert result.bootstrap_p < 1e-3


def test_swapping_the_runs_swaps_the_sign() -> None:
    a, b = [0, 1, 1, 0, 1], [1, 1, 0, 0, 1]
    assert compare(a, b).difference.value == -compare(b, a).difference.value


@pytest.mark.parametrize("call", [lambda: wilson(1, 0), lambda: bootstrap([]), lambda: compare([1], [1, 0])])
def test_nothing_to_compare_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        call()  # type: ignore[operator]
