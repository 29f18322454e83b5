"""How late the service's event loop runs, idle and under load: from its own histogram, read before and after.

The loop is the service's one thread for HTTP: while it is late, every stream and every probe waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from benchmarks.errors import ServiceUnreachableError
from benchmarks.load import LoadPlan, LoadResult, run_load
from benchmarks.prometheus import Histogram, read_histogram
from benchmarks.report import Section, Table, milliseconds

_HISTOGRAM = "codefusion_event_loop_lag_seconds"
_IDLE_SECONDS = 5.0
# Security and reliability notes, probes: p99 below this at full load.
GOAL_P99_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class LagWindow:
    """The lag observed in one stretch of time."""

    name: str
    histogram: Histogram

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON values."""
        histogram = self.histogram
        return {
            "name": self.name,
            "observations": histogram.total,
            **{f"p{share * 100:g}": histogram.quantile(share) for share in (0.5, 0.9, 0.99)},
            "p99_at_most": histogram.bound(0.99),
            "bounds": histogram.bounds,
            "cumulative": histogram.counts,
        }


async def read_lag(client: httpx.AsyncClient) -> Histogram:
    """Read the histogram of a running service. Raises BenchmarkError."""
    try:
        answer = await client.get("/metrics", timeout=30)
    except httpx.TransportError as error:
        raise ServiceUnreachableError(f"GET /metrics failed: {error or type(error).__name__}.") from error
    if answer.status_code != HTTPStatus.OK:
        raise ServiceUnreachableError(
            f"GET /metrics answered {answer.status_code}; expected 200. If it asks for a key, set "
            "CODEFUSION_API_KEY to one with the scope `metrics`."
        )
    return read_histogram(answer.text, _HISTOGRAM)


async def measure_idle(client: httpx.AsyncClient, seconds: float = _IDLE_SECONDS) -> LagWindow:
    """Watch the loop while we ask for nothing."""
    before = await read_lag(client)
    await asyncio.sleep(seconds)
    return LagWindow("idle", (await read_lag(client)).since(before))


async def measure_loaded(
    client: httpx.AsyncClient, plan: LoadPlan, on_tick: Callable[[float, int, int], None] | None = None
) -> tuple[LoadResult, LagWindow]:
    """Watch the loop during a load run."""
    before = await read_lag(client)
    result = await run_load(client, plan, on_tick)
    window = LagWindow(f"load {plan.rate:g}/s", (await read_lag(client)).since(before))
    return result, window


def lag_section(windows: Sequence[LagWindow]) -> Section:
    """Give the table."""
    rows = tuple(_row(window) for window in windows)
    columns = (
        "window",
        "observations",
        "p50, ms",
        "p90, ms",
        "p99, ms",
        "p99 at most, ms",
        "goal p99 < 50 ms",
    )
    notes = ("Observed every 100 ms by the service; quantiles are linear within the histogram's buckets.",)
    data = {"windows": [window.as_dict() for window in windows]}
    return Section("event loop", (Table("Event-loop lag of the service", columns, rows, notes),), data)


def _row(window: LagWindow) -> tuple[str, ...]:
    histogram = window.histogram
    p99 = histogram.quantile(0.99)
    return (
        window.name,
        f"{histogram.total:.0f}",
        *(milliseconds(histogram.quantile(share)) for share in (0.5, 0.9)),
        milliseconds(p99),
        milliseconds(histogram.bound(0.99)),
        "pass" if p99 < GOAL_P99_SECONDS else "MISS",
    )
