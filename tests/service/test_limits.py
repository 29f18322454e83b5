"""Every bound of LimitSettings: kept at it, refused just above and far above, with the field and the bound named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import BadRequestError
from service.fake_engine import FakeEngine
from service.limits import check_chat, check_completion, check_generate, check_schema
from service.schemas.generate import GenerateRequest
from service.schemas.openai import ChatCompletionBody, CompletionBody
from service.settings import LimitSettings
from tests.conftest import KeyFile, Running, Serve, until

Check = Callable[[dict[str, Any], LimitSettings], None]
SMALL = 3


def generate(fields: dict[str, Any], limits: LimitSettings) -> None:
    check_generate(GenerateRequest.model_validate({"prompt": "x", **fields}), limits)


def chat(fields: dict[str, Any], limits: LimitSettings) -> None:
    message = {"role": "user", "content": "x"}
    check_chat(ChatCompletionBody.model_validate({"messages": [message], **fields}), limits)


def text(fields: dict[str, Any], limits: LimitSettings) -> None:
    check_completion(CompletionBody.model_validate({"prompt": "x", "max_tokens": 1, **fields}), limits)


def schema(value: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": value}}}


def nested(depth: int) -> dict[str, Any]:
    return {"not": nested(depth - 1)} if depth > 1 else {}


def of_bytes(size: int) -> dict[str, Any]:
    return {"d": "x" * (size - len('{"d": ""}'))}


@dataclass(frozen=True)
class Bound:
    """A limit, the request that reaches a value of it, and the field a refusal names."""

    limit: str
    check: Check
    fields: Callable[[int], dict[str, Any]]
    param: str
    at: int = SMALL
    far: int = 1000

    def __str__(self) -> str:
        return f"{self.limit}-{self.check.__name__}-{self.param}"


EXAMPLE = {"input": "", "output": ""}
TOOL = {"type": "function", "function": {"name": "f"}}
MESSAGE = {"role": "user", "content": "x"}
SCHEMA = "response_format.json_schema.schema"
BOUNDS = [
    Bound("max_tokens", generate, lambda n: {"max_tokens": n}, "max_tokens"),
    Bound("max_tokens", chat, lambda n: {"max_tokens": n}, "max_tokens"),
    Bound("max_tokens", chat, lambda n: {"max_completion_tokens": n}, "max_completion_tokens"),
    Bound("max_tokens", text, lambda n: {"max_tokens": n}, "max_tokens", far=10**4000),
    Bound("max_n", generate, lambda n: {"candidates": n}, "candidates", far=10**4000),
    Bound("max_n", chat, lambda n: {"n": n}, "n"),
    Bound("max_n", text, lambda n: {"n": n}, "n"),
    Bound("max_logprobs", chat, lambda n: {"logprobs": True, "top_logprobs": n}, "top_logprobs", far=20),
    Bound("max_logprobs", text, lambda n: {"logprobs": n}, "logprobs", far=20),
    *(Bound("max_stop", check, lambda n: {"stop": ["x"] * n}, "stop") for check in (generate, chat, text)),
    *(
        Bound("max_stop_chars", check, lambda n: {"stop": "x" * n}, "stop")
        for check in (generate, chat, text)
    ),
    Bound("max_stop_chars", chat, lambda n: {"stop": ["x", "é" * n]}, "stop"),
    *(
        Bound("max_logit_bias", check, lambda n: {"logit_bias": {str(i): 0 for i in range(n)}}, "logit_bias")
        for check in (chat, text)
    ),
    Bound("max_messages", chat, lambda n: {"messages": [MESSAGE] * n}, "messages"),
    Bound("max_tools", chat, lambda n: {"tools": [TOOL] * n}, "tools"),
    Bound("max_examples", generate, lambda n: {"examples": [EXAMPLE] * n}, "examples"),
    Bound("max_examples", generate, lambda n: {"constraints": ["x"] * n}, "constraints"),
    Bound("max_schema_bytes", chat, lambda n: schema(of_bytes(n)), SCHEMA, at=50),
    Bound("max_schema_depth", chat, lambda n: schema(nested(n)), SCHEMA, far=30),
    Bound("max_schema_enum", chat, lambda n: schema({"enum": [1] * n}), f"{SCHEMA}.enum"),
    Bound(
        "max_schema_properties",
        chat,
        lambda n: schema({"properties": {f"p{i}": True for i in range(n)}}),
        f"{SCHEMA}.properties",
    ),
    *(
        Bound(
            "max_schema_repeat", chat, lambda n, name=name: schema({name: n}), f"{SCHEMA}.{name}", far=10**9
        )
        for name in ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
    ),
]
# Specified elsewhere: the body's own in test_edge.py and test_strict_json.py, the times in test_deadline.py.
ELSEWHERE = {"max_body_bytes", "max_json_depth", "max_prompt_chars", "deadline_seconds", "queue_seconds"}


def test_every_limit_is_specified() -> None:
    assert {bound.limit for bound in BOUNDS} | ELSEWHERE == set(LimitSettings.model_fields)


@pytest.mark.parametrize("bound", BOUNDS, ids=str)
def test_a_bound_is_kept_at_it_and_refused_above(bound: Bound) -> None:
    limits = LimitSettings.model_validate({bound.limit: bound.at})
    bound.check(bound.fields(bound.at), limits)
    for value in (bound.at + 1, bound.far):
        with pytest.raises(BadRequestError) as caught:
            bound.check(bound.fields(value), limits)
        assert caught.value.param == bound.param
        assert str(bound.at) in caught.value.message
        assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    "value",
    [
        {"properties": {"pattern": {"type": "string"}, "enum": {"type": "array"}, "maxItems": {}}},
        {"properties": {"properties": {"properties": {"a": {}}}}},
        {"const": None, "default": [], "enum": []},
        {"maxLength": 100, "minItems": 0},
    ],
)
def test_a_property_may_have_a_keywords_name(value: dict[str, Any]) -> None:
    check_schema(value, LimitSettings(), "schema")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 4) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["enum", "properties", "maxItems", "items", "pattern", "a", "b"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["items", "anyOf", "properties"]), JSON, max_size=3))
def test_a_schema_is_accepted_or_refused_by_name_never_a_crash(value: dict[str, Any]) -> None:
    limits = LimitSettings(
        max_schema_enum=1, max_schema_properties=1, max_schema_repeat=2, max_schema_depth=4
    )
    refused: str | None = None
    try:
        check_schema(value, limits, "schema")
    except BadRequestError as error:
        refused = error.param
    assert refused is None or refused.split(".")[0] == "schema"
    assert refused or depth(value) <= 4


def depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + max(map(depth, children), default=0)


# ── limits on how many, over HTTP ────────────────────────────────────────────────────────────────────────────


async def ask(service: Running, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    return await service.client.post("/generate", json={"prompt": "x", **fields}, headers=headers)


async def test_a_full_queue_is_503_with_a_time_to_come_back(in_process: Serve) -> None:
    async with in_process(FakeEngine(token_seconds=30), seats=1, access__max_queued=1) as service:
        admission = service.app.state.services.admission
        seated = asyncio.create_task(ask(service))
        await until(lambda: admission.seats_taken == 1)
        waiting = asyncio.create_task(ask(service))
        await until(lambda: admission.num_waiting == 1)
        for path, body in (("/generate", {"prompt": "x"}), ("/v1/completions", {"prompt": "x"})):
            refused = await service.client.post(path, json=body)
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "server_busy"
            assert int(refused.headers["retry-after"]) >= 1
        service.engine.die()
        await asyncio.gather(seated, waiting)
        assert (admission.seats_taken, admission.num_waiting) == (0, 0)


async def test_waiting_too_long_for_a_seat_is_503(in_process: Serve) -> None:
    async with in_process(FakeEngine(token_seconds=30), seats=1, limits__queue_seconds=0.1) as service:
        admission = service.app.state.services.admission
        seated = asyncio.create_task(ask(service))
        await until(lambda: admission.seats_taken == 1)
        late = await ask(service)
        assert (late.status_code, late.json()["error"]["code"]) == (503, "server_busy")
        assert len(service.engine.requests) == 1
        service.engine.die()
        await seated


@pytest.mark.usefixtures("within_a_minute")
@pytest.mark.parametrize("stream", [False, True])
async def test_a_keys_rate_is_429_and_leaves_other_keys_alone(
    in_process: Serve, key_file: KeyFile, stream: bool
) -> None:
    noisy, quiet = key_file.add("acme"), key_file.add("umbrella")
    async with in_process(access__keys_file=key_file.path, access__requests_per_minute=2) as service:
        answers = [await ask(service, noisy, stream=stream) for _ in range(3)]
        other = await ask(service, quiet, stream=stream)
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["1", "0", "0"]
    assert all(answer.headers["x-ratelimit-limit-requests"] == "2" for answer in answers)
    assert all(answer.headers["x-ratelimit-reset-requests"] for answer in answers)
    refused = answers[-1]
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", {"prompt": "x", "candidates": 2, "max_tokens": 40}),
        ("/v1/chat/completions", {"messages": [MESSAGE], "n": 2, "max_tokens": 40}),
        ("/v1/completions", {"prompt": "x", "n": 2, "max_tokens": 40}),
    ],
)
@pytest.mark.usefixtures("within_a_minute")
async def test_n_times_max_tokens_is_charged(in_process: Serve, path: str, body: dict[str, Any]) -> None:
    async with in_process(access__tokens_per_minute=100) as service:
        first = await service.client.post(path, json=body)
        second = await service.client.post(path, json=body)
        huge = await service.client.post(path, json={**body, "max_tokens": 51})
    assert first.status_code == 200
    assert first.headers["x-ratelimit-remaining-tokens"] == "20"
    assert (second.status_code, second.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    # Waiting would not help it.
    assert (huge.status_code, huge.json()["error"]["code"]) == (429, "request_too_large")
    assert "retry-after" not in huge.headers


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", {"prompt": "x", "candidates": 3}),
        ("/v1/chat/completions", {"messages": [MESSAGE], "n": 3}),
        ("/v1/completions", {"prompt": "x", "n": 3}),
    ],
)
async def test_n_answers_take_n_seats(in_process: Serve, path: str, body: dict[str, Any]) -> None:
    async with in_process(FakeEngine(token_seconds=30), seats=5) as service:
        admission = service.app.state.services.admission
        first = asyncio.create_task(service.client.post(path, json=body))
        await until(lambda: service.engine.num_open == 3)
        assert admission.seats_taken == 3
        second = asyncio.create_task(service.client.post(path, json=body))
        await until(lambda: admission.num_waiting == 1)
        service.engine.die()
        await asyncio.gather(first, second)
        assert admission.seats_taken == 0


async def test_a_keys_open_requests_are_bounded(in_process: Serve) -> None:
    async with in_process(FakeEngine(token_seconds=30), access__max_concurrent=1) as service:
        first = asyncio.create_task(ask(service))
        await until(lambda: service.engine.num_open == 1)
        second = await ask(service)
        assert (second.status_code, second.json()["error"]["code"]) == (429, "too_many_open_requests")
        assert int(second.headers["retry-after"]) >= 1
        service.engine.die()
        await first


async def test_a_refused_body_is_not_charged(in_process: Serve) -> None:
    async with in_process(access__requests_per_minute=1) as service:
        for _ in range(3):
            refused = await ask(service, candidates=99)
            assert refused.status_code == 400
        assert (await ask(service)).status_code == 200
