"""Percentiles are numpy's; a spread of nothing is NaN."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.stats import Spread, percentile

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


@given(values=VALUES, percent=st.floats(0, 100))
def test_percentile_is_numpys(values: list[float], percent: float) -> None:
    assert percentile(values, percent) == pytest.approx(float(np.percentile(values, percent)), abs=1e-6)


def test_percentile_of_nothing_is_nan() -> None:
    assert math.isnan(percentile([], 50))


def test_spread_names_median_and_range() -> None:
    spread = Spread((2.0, 1.0, 4.0))
    assert (spread.median, spread.low, spread.high, spread.relative) == (2.0, 1.0, 4.0, 1.5)
    assert math.isnan(Spread(()).median)
