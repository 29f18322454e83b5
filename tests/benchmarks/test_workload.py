"""Arrivals are Poisson and repeatable; prompts are of one length and share no cache block."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.workload import counting_call, counting_prompts, poisson_times, schedule

RATE, SECONDS = 20.0, 500.0


def test_equal_seeds_give_equal_arrivals_and_other_seeds_others() -> None:
    assert poisson_times(5, 30, seed=3) == poisson_times(5, 30, seed=3)
    assert poisson_times(5, 30, seed=3) != poisson_times(5, 30, seed=4)


@settings(max_examples=50, deadline=None)
@given(rate=st.floats(0.1, 50), seconds=st.floats(0.5, 20), seed=st.integers())
def test_arrivals_ascend_within_the_run(rate: float, seconds: float, seed: int) -> None:
    times = poisson_times(rate, seconds, seed)
    assert times == sorted(times)
    assert all(0 <= at < seconds for at in times)


def test_gaps_are_exponential() -> None:
    times = poisson_times(RATE, SECONDS, seed=0)
    gaps = np.sort(np.diff([0.0, *times]))
    expected = 1 - np.exp(-RATE * gaps)
    steps = np.arange(1, len(gaps) + 1) / len(gaps)
    # Kolmogorov-Smirnov: an exponential sample exceeds this once in a thousand seeds.
    assert np.max(np.abs(steps - expected)) < 1.95 / np.sqrt(len(gaps))


def test_counts_in_equal_windows_have_the_variance_of_their_mean() -> None:
    times = poisson_times(RATE, SECONDS, seed=1)
    counts, _ = np.histogram(times, bins=int(SECONDS), range=(0, SECONDS))
    assert counts.mean() == pytest.approx(RATE, rel=0.05)
    assert counts.var() / counts.mean() == pytest.approx(1, abs=0.25)


def test_prompts_do_not_shift_the_arrivals() -> None:
    one = schedule(("/generate",), 5, 10, seed=7, max_tokens=8)
    both = schedule(("/generate", "/v1/completions"), 5, 10, seed=7, max_tokens=64)
    assert [arrival.at for arrival in one] == [arrival.at for arrival in both]
    assert {arrival.call.route for arrival in both} == {"/generate", "/v1/completions"}


def test_counting_prompts_have_one_length_and_differ_early() -> None:
    prompts = list(itertools.islice(counting_prompts(0), 3000))
    assert len({len(prompt) for prompt in prompts}) == 1
    assert len({prompt[:8] for prompt in prompts}) == len(prompts)


def test_a_streamed_completion_asks_for_its_usage() -> None:
    assert counting_call("x", 4, streaming=True).body["stream_options"] == {"include_usage": True}
    assert "stream_options" not in counting_call("x", 4, streaming=False).body
