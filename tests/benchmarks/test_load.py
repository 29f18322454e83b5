"""The load generator against a FakeEngine service over a real socket."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.client import connect, require_ready, send
from benchmarks.errors import BenchmarkError, ServiceUnreachableError
from benchmarks.event_loop import measure_loaded
from benchmarks.load import LoadPlan, run_load
from benchmarks.load_report import load_section
from benchmarks.service_process import free_port
from benchmarks.workload import Route, counting_call, poisson_times
from service.fake_engine import FakeEngine
from tests.conftest import Running, Serve, until

PLAN = LoadPlan(rate=40, seconds=0.5, seed=5, max_tokens=6)


def url(running: Running) -> str:
    return f"http://127.0.0.1:{running.port}"


async def test_every_scheduled_request_is_sent_and_counted(over_socket: Serve) -> None:
    async with over_socket() as running, connect(url(running)) as client:
        await require_ready(client)
        result = await run_load(client, PLAN)
    summary = result.summary()
    assert summary["requests"] == len(poisson_times(PLAN.rate, PLAN.seconds, PLAN.seed)) > 5
    assert summary["outcomes"] == {"ok": summary["requests"]}
    assert len(running.engine.requests) == summary["requests"]
    assert summary["completion_tokens"] == 6 * summary["requests"]
    assert sum(result.summary(route)["requests"] for route in PLAN.routes) == summary["requests"]


async def test_a_stalled_server_does_not_slow_the_arrivals(over_socket: Serve) -> None:
    engine = FakeEngine(token_seconds=2.0)
    plan = LoadPlan(rate=40, seconds=0.5, seed=5, max_tokens=1)
    async with over_socket(engine, seats=64) as running, connect(url(running)) as client:
        result = await run_load(client, plan)
    first_answer = min(sample.scheduled + sample.latency for sample in result.samples)
    assert max(sample.sent for sample in result.samples) < first_answer
    # Counted from the schedule: nobody's latency is shorter than the stall.
    assert min(sample.latency for sample in result.samples) >= 2.0


async def test_latency_counts_from_the_scheduled_arrival(over_socket: Serve) -> None:
    async with over_socket(FakeEngine(token_seconds=0.01)) as running, connect(url(running)) as client:
        result = await run_load(client, PLAN)
    for sample in result.samples:
        assert sample.sent >= sample.scheduled
        assert sample.latency >= sample.sent - sample.scheduled
        assert sample.first_token is not None
        assert sample.first_token <= sample.latency


async def test_goodput_leaves_out_what_came_too_late(over_socket: Serve) -> None:
    plan = LoadPlan(rate=40, seconds=0.5, seed=5, max_tokens=2, first_token_seconds=0.001)
    async with over_socket(FakeEngine(token_seconds=0.02)) as running, connect(url(running)) as client:
        summary = (await run_load(client, plan)).summary()
    assert summary["goodput"] == 0
    assert summary["achieved_rate"] > 0


async def test_timeouts_are_counted_and_end_the_request(over_socket: Serve) -> None:
    plan = LoadPlan(rate=20, seconds=0.5, seed=5, timeout_seconds=0.3)
    async with over_socket(FakeEngine(token_seconds=30)) as running, connect(url(running)) as client:
        summary = (await run_load(client, plan)).summary()
        assert summary["outcomes"] == {"timeout": summary["requests"]}
        await until(lambda: running.engine.num_open == 0)


@pytest.mark.parametrize("route", ["/generate", "/v1/completions"])
async def test_a_death_in_mid_stream_is_no_success(over_socket: Serve, route: Route) -> None:
    engine = FakeEngine(token_seconds=0.05)
    plan = LoadPlan(rate=20, seconds=0.3, seed=5, routes=(route,))
    async with over_socket(engine) as running, connect(url(running)) as client:
        asyncio.get_running_loop().call_later(0.35, engine.die)
        summary = (await run_load(client, plan)).summary()
    assert summary["outcomes"].get("ok", 0) < summary["requests"]
    assert sum(summary["outcomes"].values()) == summary["requests"]


@pytest.mark.usefixtures("within_a_minute")
async def test_refusals_are_counted_by_status_and_code(over_socket: Serve) -> None:
    async with over_socket(access__requests_per_minute=1) as running, connect(url(running)) as client:
        summary = (await run_load(client, PLAN)).summary()
    refused = {name: count for name, count in summary["outcomes"].items() if name.startswith("429 ")}
    assert summary["outcomes"]["ok"] == 1
    assert sum(refused.values()) == summary["requests"] - 1


async def test_a_whole_answer_carries_its_usage(over_socket: Serve) -> None:
    async with over_socket() as running, connect(url(running)) as client:
        exchange = await send(client, counting_call("x = ", 3, streaming=False), 10)
    assert exchange.is_ok
    assert exchange.completion_tokens == 3
    assert exchange.text


async def test_an_empty_schedule_is_refused() -> None:
    async with connect("http://127.0.0.1:1") as client:
        with pytest.raises(BenchmarkError, match="No request"):
            await run_load(client, LoadPlan(rate=0.001, seconds=0.001))


async def test_a_service_that_is_down_is_named() -> None:
    async with connect(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(ServiceUnreachableError, match="No service answers"):
            await require_ready(client)


async def test_a_service_that_is_starting_is_named(over_socket: Serve) -> None:
    engine = FakeEngine(start_seconds=30)
    async with over_socket(engine, ready=False) as running, connect(url(running)) as client:
        with pytest.raises(ServiceUnreachableError, match="503 starting"):
            await require_ready(client)


async def test_the_event_loop_is_watched_during_the_load(over_socket: Serve) -> None:
    async with over_socket() as running, connect(url(running)) as client:
        result, window = await measure_loaded(client, PLAN)
    assert window.histogram.total > 0
    assert result.samples


async def test_the_report_shows_every_outcome_and_route(over_socket: Serve) -> None:
    async with over_socket() as running, connect(url(running)) as client:
        section = load_section([await run_load(client, PLAN)])
    (table,) = section.tables
    assert table.columns == ("", "all", "/generate", "/v1/completions")
    assert any(row[0] == "answered: ok" for row in table.rows)
    assert all(len(row) == len(table.columns) for row in table.rows)
