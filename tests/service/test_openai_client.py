"""The official openai client against this service: its own classes for answers, streams, models and errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from service.engine import Delta, OpenAICall, Sampling
from service.errors import InternalError
from service.fake_engine import DEFAULT_ANSWER, FakeEngine
from service.steering_spec import SteeringSpec
from tests.conftest import KeyFile, Running, Serve, until

HELLO: Any = [{"role": "user", "content": "hello"}]


@asynccontextmanager
async def client_of(
    service: Running, api_key: str = "none", **options: Any
) -> AsyncGenerator[AsyncOpenAI, None]:
    options = {"max_retries": 0, "timeout": 30, **options}
    async with AsyncOpenAI(
        base_url=f"http://127.0.0.1:{service.port}/v1", api_key=api_key, **options
    ) as client:
        yield client


class Breaking(FakeEngine):
    """Fails after its first token."""

    async def _tokens(
        self, prompt_tokens: int, sampling: Sampling, steering: SteeringSpec | None
    ) -> AsyncGenerator[Delta, None]:
        async for delta in super()._tokens(prompt_tokens, sampling, steering):
            yield delta
            raise InternalError("The engine failed on this request.")


async def test_a_chat(over_socket: Serve) -> None:
    async with over_socket() as service, client_of(service) as client:
        answer = await client.chat.completions.create(
            model="fake",
            messages=HELLO,
            n=2,
            seed=1,
            temperature=0,
            stop=["END"],
            max_completion_tokens=50,
            extra_body={"codefusion": {"language": "python"}},
        )
    assert [choice.message.content for choice in answer.choices] == [DEFAULT_ANSWER] * 2
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    assert answer.model == "fake"
    assert answer.model_extra == {
        "codefusion": {"language": "python", "syntax": {"enforced": False}, "steering": {}}
    }


async def test_a_chat_that_streams(over_socket: Serve) -> None:
    async with over_socket() as service, client_of(service) as client:
        stream = await client.chat.completions.create(
            model="fake", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        pieces = [chunk.choices[0].delta.content async for chunk in stream]
        (call,) = service.engine.requests
    assert "".join(piece or "" for piece in pieces) == DEFAULT_ANSWER
    assert isinstance(call, OpenAICall)
    assert call.body["stream_options"] == {"include_usage": True}


async def test_the_clients_stream_helper(over_socket: Serve) -> None:
    async with over_socket() as service, client_of(service) as client:
        async with client.chat.completions.stream(model="fake", messages=HELLO) as stream:
            kinds = [event.type async for event in stream]
        final = await stream.get_final_completion()
    assert kinds.count("content.done") == 1
    assert final.choices[0].message.content == DEFAULT_ANSWER


async def test_a_completion_and_a_gap(over_socket: Serve) -> None:
    async with over_socket() as service, client_of(service) as client:
        answer = await client.completions.create(model="fake", prompt="def f(", max_tokens=20)
        gap = await client.completions.create(model="fake", prompt="a", suffix="b", stream=True)
        pieces = [chunk.choices[0].text async for chunk in gap]
    assert answer.choices[0].text == "".join(pieces) == DEFAULT_ANSWER


async def test_the_models(over_socket: Serve) -> None:
    async with over_socket(FakeEngine(name="org/a-model")) as service, client_of(service) as client:
        listed = [model.id async for model in client.models.list()]
        one = await client.models.retrieve("org/a-model")
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("other")
    assert listed == [one.id] == ["org/a-model"]


async def test_the_request_id_is_known_to_the_client(over_socket: Serve) -> None:
    async with over_socket() as service, client_of(service) as client:
        answer = await client.chat.completions.with_raw_response.create(model="fake", messages=HELLO)
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model="fake", messages=HELLO, n=99)
        assert service.engine.requests[0].request_id == answer.request_id
    assert (caught.value.request_id or "").startswith("req-")


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "kind", "code", "param"),
    [
        ({"n": 9}, openai.BadRequestError, None, "n"),
        ({"model": "gpt-4"}, openai.NotFoundError, "model_not_found", "model"),
        ({"extra_body": {"cache_salt": "x"}}, openai.BadRequestError, "unknown_field", "cache_salt"),
        (
            {"extra_body": {"codefusion": {"syntax": "enforce", "language": "ruby"}}},
            openai.BadRequestError,
            "language_without_mask",
            "codefusion.language",
        ),
    ],
)
async def test_a_refusal_is_the_clients_own_class(
    over_socket: Serve,
    stream: bool,
    fields: dict[str, Any],
    kind: type[openai.APIStatusError],
    code: str | None,
    param: str,
) -> None:
    async with over_socket() as service, client_of(service) as client:
        create: Any = client.chat.completions.create
        with pytest.raises(kind) as caught:
            await create(**{"model": "fake", "messages": HELLO, "stream": stream, **fields})
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.type == "invalid_request_error"


async def test_keys_and_scopes(over_socket: Serve, key_file: KeyFile) -> None:
    good = key_file.add("acme", "infer")["Authorization"].removeprefix("Bearer ")
    other = key_file.add("acme", "metrics")["Authorization"].removeprefix("Bearer ")
    async with over_socket(access__keys_file=key_file.path) as service:
        async with client_of(service, good) as client:
            assert (await client.completions.create(model="fake", prompt="x")).choices
        async with client_of(service, good + "x") as client:
            with pytest.raises(openai.AuthenticationError) as unknown:
                await client.completions.create(model="fake", prompt="x")
        async with client_of(service, other) as client:
            with pytest.raises(openai.PermissionDeniedError) as lacking:
                await client.completions.create(model="fake", prompt="x")
    assert (unknown.value.code, lacking.value.code) == ("invalid_api_key", "insufficient_scope")


@pytest.mark.usefixtures("within_a_minute")
async def test_a_rate_is_a_rate_limit_error_with_its_headers(over_socket: Serve) -> None:
    async with over_socket(access__requests_per_minute=1) as service, client_of(service) as client:
        await client.completions.create(model="fake", prompt="x")
        with pytest.raises(openai.RateLimitError) as caught:
            await client.completions.create(model="fake", prompt="x")
    headers = caught.value.response.headers
    assert int(headers["retry-after"]) >= 1
    assert headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_deadline_and_a_dead_engine_are_server_errors(over_socket: Serve, stream: bool) -> None:
    async with (
        over_socket(FakeEngine(token_seconds=30), limits__deadline_seconds=0.05) as service,
        client_of(service) as client,
    ):
        with pytest.raises(openai.InternalServerError) as late:
            await client.completions.create(model="fake", prompt="x", stream=stream)
        service.engine.die()
        await until(lambda: not service.lifecycle.ready)
        with pytest.raises(openai.InternalServerError) as dead:
            await client.completions.create(model="fake", prompt="x", stream=stream)
    assert (late.value.status_code, late.value.code) == (504, "deadline_exceeded")
    assert (dead.value.status_code, dead.value.code) == (503, "engine_dead")


async def test_an_error_in_mid_stream_is_raised_after_what_came(over_socket: Serve) -> None:
    async with over_socket(Breaking()) as service, client_of(service) as client:
        stream = await client.chat.completions.create(model="fake", messages=HELLO, stream=True)
        first = await anext(aiter(stream))
        with pytest.raises(openai.APIError) as caught:
            await anext(aiter(stream))
    assert first.choices[0].delta.content == "def"
    assert caught.value.code == "internal_error"


async def test_closing_a_stream_frees_the_seat_within_a_second(over_socket: Serve) -> None:
    engine = FakeEngine(script="word " * 5000, token_seconds=0.01)
    async with over_socket(engine) as service, client_of(service) as client:
        stream = await client.chat.completions.create(model="fake", messages=HELLO, stream=True)
        async for _ in stream:
            break
        assert engine.num_open == 1
        await stream.close()
        await until(lambda: engine.num_open == 0, 1)
        assert engine.num_aborted == 1


async def test_the_clients_own_retry_gets_past_a_full_server(over_socket: Serve) -> None:
    async with (
        over_socket(seats=1, access__max_queued=0) as service,
        client_of(service, max_retries=3) as client,
    ):
        service.engine.token_seconds = 0.05
        answers = await asyncio.gather(
            *(client.completions.create(model="fake", prompt="x", max_tokens=4) for _ in range(2))
        )
    assert all(answer.choices[0].text for answer in answers)
    assert len(service.engine.requests) == 2
