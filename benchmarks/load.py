"""Open-loop load: requests leave when the schedule says so, whether or not earlier ones were answered.

    schedule   |  |    | |       |        fixed before the first request is sent
    sent       |  |    | |       |        a stalled server delays nothing here,
    latency    |------------►             and what it costs counts from the scheduled time

A closed loop waits for a slow server and so measures it less often while it is slow (coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import httpx

from benchmarks.client import OK, Exchange, send
from benchmarks.errors import BenchmarkError
from benchmarks.stats import percentile
from benchmarks.workload import Arrival, Route, schedule

_TICK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One open-loop run.

    rate             requests a second, on average
    timeout_seconds  a request that takes longer counts as failed with "timeout"
    first_token_seconds, inter_token_seconds   what a request must keep to count as goodput (the second: its mean)
    """

    rate: float
    seconds: float
    seed: int = 0
    routes: tuple[Route, ...] = ("/generate", "/v1/completions")
    max_tokens: int = 64
    timeout_seconds: float = 120.0
    first_token_seconds: float = 2.0
    inter_token_seconds: float = 0.25


@dataclass(frozen=True, slots=True)
class Sample:
    """One request of a run, in seconds from the run's start."""

    route: Route
    scheduled: float
    sent: float
    exchange: Exchange
    begun: float

    @property
    def latency(self) -> float:
        """From the scheduled arrival to the last byte."""
        return self.exchange.ended - self.begun - self.scheduled

    @property
    def first_token(self) -> float | None:
        """From the scheduled arrival to the first text."""
        events = self.exchange.events
        return events[0] - self.begun - self.scheduled if events else None

    @property
    def gaps(self) -> list[float]:
        """Times between two pieces of text."""
        return [later - earlier for earlier, later in pairwise(self.exchange.events)]

    @property
    def token_seconds(self) -> float:
        """Mean time of a token after the first."""
        events, tokens = self.exchange.events, self.exchange.completion_tokens
        return (events[-1] - events[0]) / (tokens - 1) if tokens > 1 and events else 0.0

    def meets(self, plan: LoadPlan) -> bool:
        """Whether it counts as goodput."""
        if not self.exchange.is_ok or self.first_token is None:
            return False
        return self.first_token <= plan.first_token_seconds and self.token_seconds <= plan.inter_token_seconds


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The samples of a run, in the order of their schedule."""

    plan: LoadPlan
    samples: tuple[Sample, ...]

    def summary(self, route: Route | None = None) -> dict[str, Any]:
        """Give the figures of one route, or of all. Times in seconds, rates per second."""
        chosen = [sample for sample in self.samples if route in (None, sample.route)]
        good = [sample for sample in chosen if sample.exchange.is_ok]
        first = [sample.first_token for sample in good if sample.first_token is not None]
        gaps = [gap for sample in good for gap in sample.gaps]
        latency = [sample.latency for sample in good]
        tokens = sum(sample.exchange.completion_tokens for sample in good)
        return {
            "requests": len(chosen),
            "offered_rate": len(chosen) / self.plan.seconds,
            "achieved_rate": len(good) / self._span(chosen),
            "goodput": sum(sample.meets(self.plan) for sample in chosen) / self._span(chosen),
            "tokens_per_second": tokens / self._span(chosen),
            "completion_tokens": tokens,
            "outcomes": dict(Counter(sample.exchange.outcome for sample in chosen)),
            "first_token": _percentiles(first),
            "inter_token": _percentiles(gaps),
            "token_mean": _percentiles([sample.token_seconds for sample in good]),
            "latency": _percentiles(latency),
            "late_sends": _percentiles([sample.sent - sample.scheduled for sample in chosen]),
        }

    def _span(self, samples: Sequence[Sample]) -> float:
        """Seconds until the last answer ended, and no less than the schedule's length."""
        ends = [sample.scheduled + sample.latency for sample in samples]
        return max([self.plan.seconds, *ends])

    def as_dict(self) -> dict[str, Any]:
        """Give plan, figures and every request as JSON values."""
        return {
            "plan": asdict(self.plan),
            "all": self.summary(),
            "routes": {route: self.summary(route) for route in self.plan.routes},
            "samples": [_sample_dict(sample) for sample in self.samples],
        }


async def run_load(
    client: httpx.AsyncClient, plan: LoadPlan, on_tick: Callable[[float, int, int], None] | None = None
) -> LoadResult:
    """Send the plan's requests on time and take every answer.

    on_tick  told now and then: seconds since the start, requests sent, requests answered
    Raises   BenchmarkError if the schedule is empty
    """
    arrivals = schedule(plan.routes, plan.rate, plan.seconds, seed=plan.seed, max_tokens=plan.max_tokens)
    if not arrivals:
        raise BenchmarkError(
            f"No request falls into {plan.seconds:g} s at {plan.rate:g}/s (seed {plan.seed}). Take longer."
        )
    begun = time.perf_counter()
    tasks = [
        asyncio.create_task(_at_its_time(client, arrival, begun, plan.timeout_seconds))
        for arrival in arrivals
    ]
    ticker = asyncio.create_task(_tick(on_tick, begun, arrivals, tasks)) if on_tick else None
    try:
        return LoadResult(plan, tuple(await asyncio.gather(*tasks)))
    finally:
        for task in (*tasks, *((ticker,) if ticker else ())):
            task.cancel()


async def _at_its_time(
    client: httpx.AsyncClient, arrival: Arrival, begun: float, timeout_seconds: float
) -> Sample:
    await asyncio.sleep(max(0.0, begun + arrival.at - time.perf_counter()))
    late = time.perf_counter() - begun - arrival.at
    exchange = await send(client, arrival.call, max(0.0, timeout_seconds - late))
    return Sample(arrival.call.route, arrival.at, exchange.sent - begun, exchange, begun)


async def _tick(
    on_tick: Callable[[float, int, int], None],
    begun: float,
    arrivals: Sequence[Arrival],
    tasks: Sequence[asyncio.Task[Sample]],
) -> None:
    while True:
        elapsed = time.perf_counter() - begun
        num_sent = sum(arrival.at <= elapsed for arrival in arrivals)
        on_tick(elapsed, num_sent, sum(task.done() for task in tasks))
        await asyncio.sleep(_TICK_SECONDS)


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    return {f"p{percent}": percentile(values, percent) for percent in (50, 90, 99)} | {
        "max": max(values, default=float("nan"))
    }


def _sample_dict(sample: Sample) -> dict[str, Any]:
    exchange = sample.exchange
    return {
        "route": sample.route,
        "scheduled": round(sample.scheduled, 6),
        "late": round(sample.sent - sample.scheduled, 6),
        "first_token": sample.first_token,
        "latency": sample.latency if exchange.outcome == OK else None,
        "tokens": exchange.completion_tokens,
        "outcome": exchange.outcome,
    }
