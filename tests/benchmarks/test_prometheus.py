"""Quantiles from a histogram's buckets, and the difference of two reads."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.errors import BenchmarkError
from benchmarks.prometheus import Histogram, read_histogram
from service.metrics import Metrics

BOUNDS = (1.0, 2.0, 4.0, math.inf)
NAME = "codefusion_event_loop_lag_seconds"


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ((10.0, 10.0, 10.0, 10.0), 0.5, 0.5),
        ((0.0, 10.0, 10.0, 10.0), 0.5, 1.5),
        ((0.0, 0.0, 10.0, 10.0), 0.25, 2.5),
        ((5.0, 5.0, 10.0, 10.0), 0.75, 3.0),
        ((0.0, 0.0, 0.0, 10.0), 0.99, 4.0),
    ],
)
def test_quantile_is_linear_within_the_bucket(
    counts: tuple[float, ...], share: float, expected: float
) -> None:
    assert Histogram(BOUNDS, counts).quantile(share) == pytest.approx(expected)


@given(values=st.lists(st.floats(0, 3.9), min_size=1, max_size=50), share=st.floats(0.01, 1))
def test_the_quantile_lies_in_the_bucket_of_the_value_of_that_rank(values: list[float], share: float) -> None:
    counts = tuple(float(sum(value <= bound for value in values)) for bound in BOUNDS)
    histogram = Histogram(BOUNDS, counts)
    true = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    bound = next(bound for bound in BOUNDS if true <= bound)
    assert histogram.bound(share) == bound
    assert histogram.quantile(share) <= bound


def test_nothing_observed_is_nan() -> None:
    empty = Histogram(BOUNDS, (0.0, 0.0, 0.0, 0.0))
    assert math.isnan(empty.quantile(0.5))
    assert math.isnan(empty.bound(0.5))


def test_the_difference_of_two_reads_is_what_was_observed_between() -> None:
    metrics = Metrics()
    metrics.loop_lag_seconds.observe(0.002)
    before = read_histogram(metrics.render().decode(), NAME)
    for _ in range(3):
        metrics.loop_lag_seconds.observe(0.07)
    between = read_histogram(metrics.render().decode(), NAME).since(before)
    assert between.total == 3
    assert 0.05 < between.quantile(0.5) <= 0.1
    assert between.bound(0.99) == 0.1


def test_counters_that_went_back_are_refused() -> None:
    with pytest.raises(BenchmarkError, match="restarted"):
        Histogram((1.0,), (2.0,)).since(Histogram((1.0,), (3.0,)))


def test_a_page_without_the_histogram_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="nothing_seconds"):
        read_histogram(Metrics().render().decode(), "nothing_seconds")
