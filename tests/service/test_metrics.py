"""What is counted: each request once, by route and status; each error by its code; and no label a client can make."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.engine import Delta, GenerationRequest, RequestStats
from service.errors import InternalError, ServiceError
from service.fake_engine import FakeEngine
from service.metrics import Metrics
from service.syntax_spec import SyntaxCounts
from tests.conftest import Running, Serve, until

Labels = frozenset[tuple[str, str]]


class Page:
    """The /metrics page, read as Prometheus reads it."""

    def __init__(self, text: str) -> None:
        self.values: dict[tuple[str, Labels], float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: Any) -> float:
        """Give a value; 0 for one that was never counted."""
        wanted = frozenset((key, str(value)) for key, value in labels.items())
        return self.values.get((f"codefusion_{name}", wanted), 0.0)

    def label_values(self, label: str) -> set[str]:
        return {value for _, labels in self.values for key, value in labels if key == label}


async def page(service: Running) -> Page:
    answer = await service.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Page(answer.text)


async def ask(service: Running, path: str = "/generate", **fields: Any) -> int:
    least = {"messages": [{"role": "user", "content": "x"}]} if "chat" in path else {"prompt": "x"}
    return (await service.client.post(path, json={**least, **fields})).status_code


async def test_every_metric_is_on_the_page_from_the_start(in_process: Serve) -> None:
    async with in_process() as service:
        text = (await service.client.get("/metrics")).text
    types = {
        line.split()[2]: line.split()[3]
        for line in text.splitlines()
        if line.startswith("# TYPE codefusion_")
    }
    expected = {
        "codefusion_requests_total": "counter",
        "codefusion_errors_total": "counter",
        "codefusion_tokens_total": "counter",
        "codefusion_aborts_total": "counter",
        "codefusion_open_requests": "gauge",
        "codefusion_seats_taken": "gauge",
        "codefusion_waiting_requests": "gauge",
        "codefusion_ready": "gauge",
        "codefusion_limit_storage_failures": "gauge",
        "codefusion_failed_logins": "gauge",
        "codefusion_steered_requests_total": "counter",
        "codefusion_retrieval_seconds": "histogram",
        "codefusion_retrieval_requests_total": "counter",
        "codefusion_retrieval_snippets_total": "counter",
        "codefusion_index_chunks": "gauge",
        "codefusion_index_age_seconds": "gauge",
        "codefusion_request_seconds": "histogram",
        "codefusion_queue_seconds": "histogram",
        "codefusion_time_to_first_token_seconds": "histogram",
        "codefusion_inter_token_seconds": "histogram",
        "codefusion_example_runs_total": "counter",
        "codefusion_examples_seconds": "histogram",
        "codefusion_event_loop_lag_seconds": "histogram",
        "codefusion_syntax_answers_total": "counter",
        "codefusion_syntax_tokens_total": "counter",
        "codefusion_syntax_changed_tokens_total": "counter",
        "codefusion_syntax_closings_forced_total": "counter",
        "codefusion_syntax_bounds_hit_total": "counter",
        "codefusion_syntax_fill_seconds": "histogram",
    }
    assert {name: kind for name, kind in types.items() if not name.endswith("_created")} == expected


@pytest.mark.parametrize("path", ["/generate", "/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_counted_once_by_route_and_status(
    in_process: Serve, path: str, stream: bool
) -> None:
    async with in_process() as service:
        for _ in range(3):
            assert await ask(service, path, stream=stream) == 200
        assert await ask(service, path, stream=stream, stop="") == 400
        counted = await page(service)
    assert counted.value("requests_total", route=path, status=200) == 3
    assert counted.value("requests_total", route=path, status=400) == 1
    assert counted.value("request_seconds_count", route=path) == 4
    assert counted.value("aborts_total") == 0


async def test_tokens_and_times_are_those_of_the_engine(in_process: Serve) -> None:
    async with in_process(FakeEngine(script="one two three")) as service:
        assert await ask(service) == 200
        (request,) = service.engine.requests
        assert isinstance(request, GenerationRequest)
        counted = await page(service)
    assert counted.value("tokens_total", kind="prompt") == len(request.prompt_token_ids)
    assert counted.value("tokens_total", kind="completion") == 3
    assert counted.value("time_to_first_token_seconds_count") == 1
    assert counted.value("queue_seconds_count") == 1
    assert counted.value("inter_token_seconds_count") == 0


def test_what_an_engine_does_not_know_is_not_counted() -> None:
    metrics = Metrics()
    metrics.request_finished(RequestStats(5, 3, 2, None, None, None, "failed"))
    metrics.request_finished(RequestStats(5, 3, 2, 0.5, 0.25, 0.125, "finished"))
    counted = Page(metrics.render().decode())
    assert [counted.value("tokens_total", kind=kind) for kind in ("prompt", "completion", "cached")] == [
        10,
        6,
        4,
    ]
    assert counted.value("queue_seconds_sum") == 0.5
    assert counted.value("time_to_first_token_seconds_sum") == 0.25
    assert counted.value("inter_token_seconds_sum") == 0.125
    assert counted.value("inter_token_seconds_count") == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"stop": ""}, "invalid_request_error"),
        ({"nope": 1}, "unknown_field"),
        ({"context": {"trace": "t"}}, "not_available"),
        ({"verbosity": 1}, "unknown_style"),
        ({"syntax": "enforce", "language": "ruby"}, "language_without_mask"),
        ({"language": "klingon"}, "unknown_language"),
        ({"prompt": "x" * 5000}, "context_length_exceeded"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_errors_are_counted_once_by_their_code(
    in_process: Serve, fields: dict[str, Any], code: str, stream: bool
) -> None:
    async with in_process() as service:
        assert await ask(service, stream=stream, **fields) == 400
        counted = await page(service)
    assert {code: counted.value("errors_total", code=code)} == {code: 1}
    assert counted.label_values("code") == {code}


class Buggy(FakeEngine):
    """Fails as no engine should."""

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        raise KeyError("a bug")
        yield


class Failing(FakeEngine):
    """Fails in mid-stream."""

    failure: ServiceError = InternalError("The engine failed on this request.")

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        yield Delta(0, "x = 1\n", 1)
        raise self.failure


@pytest.mark.parametrize("stream", [False, True])
async def test_a_bug_is_counted_as_500(in_process: Serve, stream: bool) -> None:
    async with in_process(Buggy()) as service:
        assert await ask(service, stream=stream) == 500
        counted = await page(service)
    assert counted.value("requests_total", route="/generate", status=500) == 1
    assert counted.value("errors_total", code="internal_error") == 1
    assert counted.value("aborts_total") == 0


async def test_a_failure_in_mid_stream_is_counted_though_the_status_is_200(in_process: Serve) -> None:
    async with in_process(Failing()) as service:
        assert await ask(service, stream=True) == 200
        counted = await page(service)
    assert counted.value("errors_total", code="internal_error") == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_left_is_one_abort(over_socket: Serve, stream: bool) -> None:
    async with over_socket(FakeEngine(token_seconds=30)) as service:
        asking = asyncio.create_task(ask(service, stream=stream))
        await until(lambda: service.engine.num_open == 1)
        asking.cancel()
        await until(lambda: service.lifecycle.open_requests == 0)
        counted = await page(service)
    assert counted.value("aborts_total") == 1
    assert counted.value("requests_total", route="/generate", status=499) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_deadline_is_one_abort(in_process: Serve, stream: bool) -> None:
    async with in_process(FakeEngine(token_seconds=30), limits__deadline_seconds=0.02) as service:
        assert await ask(service, stream=stream) == 504
        counted = await page(service)
    assert counted.value("aborts_total") == 1
    assert counted.value("errors_total", code="deadline_exceeded") == 1


async def test_an_answer_that_ends_with_its_fence_is_no_abort(in_process: Serve) -> None:
    async with in_process(FakeEngine(script="x = 1\n```\nand so on and on")) as service:
        assert await ask(service, syntax="off") == 200
        counted = await page(service)
    assert service.engine.num_aborted == 1
    assert counted.value("aborts_total") == 0


async def test_gauges_say_what_is_true_now(in_process: Serve) -> None:
    async with in_process(FakeEngine(token_seconds=30), seats=2) as service:
        admission = service.app.state.services.admission
        tasks = [asyncio.create_task(ask(service)) for _ in range(3)]
        await until(lambda: admission.seats_taken == 2 and admission.num_waiting == 1)
        busy = await page(service)
        service.engine.die()
        await asyncio.gather(*tasks)
        await until(lambda: not service.lifecycle.ready)
        dead = await page(service)
    gauges = ("open_requests", "seats_taken", "waiting_requests", "ready")
    assert [busy.value(name) for name in gauges] == [3, 2, 1, 1]
    assert [dead.value(name) for name in gauges] == [0, 0, 0, 0]


async def test_a_client_cannot_make_labels(in_process: Serve) -> None:
    async with in_process() as service:
        await ask(service)
        await service.client.get("/v1/models/fake")
        await page(service)
        before = (await page(service)).label_values("route") | {"none"}
        for i in range(50):
            await service.client.get(f"/path-{i}")
            await service.client.post(f"/v1/{i}/../generate", json={})
            await service.client.request(f"METHOD{i}", "/generate")
            await service.client.get(f"/v1/models/model-{i}")
            unknown: dict[str, Any] = {f"field-{i}": 1}
            await ask(service, **unknown)
            await ask(service, language=f"language-{i}")
            await service.client.post("/v1/completions", json={"prompt": "x", "model": f"model-{i}"})
        after = await page(service)
    assert after.label_values("route") <= before | {"/v1/completions"}
    assert after.label_values("status") == {"200", "400", "404", "405"}
    assert len(after.label_values("code")) <= 8


async def test_the_event_loops_lag_is_measured(in_process: Serve) -> None:
    async with in_process() as service:
        metrics: Metrics = service.app.state.services.metrics
        await until(lambda: Page(metrics.render().decode()).value("event_loop_lag_seconds_count") >= 2)


def test_what_the_mask_did_is_counted_by_mode_and_result() -> None:
    metrics = Metrics()
    held = SyntaxCounts(mode="whole", tokens=10, changed_tokens=2)
    cut = SyntaxCounts(mode="whole", tokens=5, closing_forced=True, bounds_hit=3, degraded="a reason")
    off = SyntaxCounts(mode="fenced", permissive=True, degraded="another")
    for microseconds in (3.0, 100.0, 1e9):
        held.timed(microseconds)
    metrics.request_finished(RequestStats(5, 15, 0, None, None, None, "finished", (held, cut, off)))
    counted = Page(metrics.render().decode())
    assert counted.value("syntax_answers_total", mode="whole", result="held") == 1
    assert counted.value("syntax_answers_total", mode="whole", result="degraded") == 1
    assert counted.value("syntax_answers_total", mode="fenced", result="permissive") == 1
    assert counted.value("syntax_tokens_total") == 15
    assert counted.value("syntax_changed_tokens_total") == 2
    assert counted.value("syntax_closings_forced_total") == 1
    assert counted.value("syntax_bounds_hit_total") == 3
    assert counted.value("syntax_fill_seconds_bucket", le="0.000002") == 0
    assert counted.value("syntax_fill_seconds_bucket", le="0.000004") == 1
    assert counted.value("syntax_fill_seconds_bucket", le="0.000128") == 2
    assert counted.value("syntax_fill_seconds_count") == 3
