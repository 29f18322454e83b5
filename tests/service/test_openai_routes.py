"""The OpenAI routes: what is accepted, handed to the engine's handlers, added by the server, and refused."""

from __future__ import annotations

from typing import Any

import pytest

from service.engine import OpenAICall
from service.fake_engine import DEFAULT_ANSWER, FakeEngine
from service.prompt import STOP_TOKENS
from tests.conftest import KeyFile, Running, Serve
from tests.service.streams import payloads

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}
START: dict[str, Any] = {"prompt": "def f("}
SPECIAL = FakeEngine().tokenizer.get_added_vocab()
BOTH = pytest.mark.parametrize(("path", "least"), [(CHAT, HELLO), (TEXT, START)], ids=["chat", "text"])


def asked(service: Running) -> OpenAICall:
    (call,) = service.engine.requests
    assert isinstance(call, OpenAICall)
    return call


async def error_of(service: Running, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await service.client.post(path, json=body)
    assert answer.status_code == 400, answer.text
    assert service.engine.requests == []
    return answer.json()["error"]


def schema_of_depth(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth - 1):
        schema = {"not": schema}
    return schema


def tool(parameters: Any = None, name: str = "f") -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def answer_form(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_chat_is_answered_in_openais_form(in_process: Serve) -> None:
    async with in_process(FakeEngine(name="a-model")) as service:
        answer = (await service.client.post(CHAT, json=HELLO)).json()
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "a-model"
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": DEFAULT_ANSWER}
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["total_tokens"] > 0
    assert "codefusion" not in answer


async def test_a_completion_is_answered_in_openais_form(in_process: Serve) -> None:
    async with in_process() as service:
        answer = (await service.client.post(TEXT, json=START)).json()
    assert answer["object"] == "text_completion"
    assert [choice["text"] for choice in answer["choices"]] == [DEFAULT_ANSWER]


@BOTH
async def test_a_streams_pieces_join_to_the_whole_answer(
    in_process: Serve, path: str, least: dict[str, Any]
) -> None:
    async with in_process() as service:
        stream = await service.client.post(path, json={**least, "stream": True})
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    choices = [choice for event in payloads(stream.text) for choice in event["choices"]]
    pieces = [choice["delta"]["content"] if path == CHAT else choice["text"] for choice in choices]
    assert "".join(pieces) == DEFAULT_ANSWER
    assert [choice["finish_reason"] for choice in choices].count("stop") == 1


@BOTH
async def test_n_answers_come_in_order(in_process: Serve, path: str, least: dict[str, Any]) -> None:
    async with in_process() as service:
        answer = (await service.client.post(path, json={**least, "n": 3})).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]


async def test_the_served_model_is_listed_and_described(in_process: Serve) -> None:
    async with in_process(FakeEngine(name="org/a-model", max_model_len=777)) as service:
        listed = (await service.client.get("/v1/models")).json()
        described = await service.client.get("/v1/models/org/a-model")
        encoded = await service.client.get("/v1/models/org%2Fa-model")
        unknown = await service.client.get("/v1/models/other")
    card = {
        "id": "org/a-model",
        "object": "model",
        "created": 1,
        "owned_by": "codefusion",
        "max_model_len": 777,
    }
    assert listed == {"object": "list", "data": [card]}
    assert described.json() == encoded.json() == card
    assert unknown.status_code == 404
    assert unknown.json()["error"]["code"] == "model_not_found"


# ── what the engine's handlers get ───────────────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.0},
        {"top_p": 0.5},
        {"n": 2},
        {"seed": -5},
        {"stop": ["a", "b"]},
        {"frequency_penalty": -2.0},
        {"presence_penalty": 2.0},
        {"logit_bias": {"42": -100.0}},
        {"top_k": 40},
        {"min_p": 0.1},
        {"repetition_penalty": 1.1},
        {"stream": True, "stream_options": {"include_usage": True}},
    ],
    ids="-".join,
)
async def test_sampling_options_are_handed_on(
    in_process: Serve, path: str, least: dict[str, Any], options: dict[str, Any]
) -> None:
    async with in_process() as service:
        answer = await service.client.post(path, json={**least, **options})
        assert answer.status_code == 200
        body = asked(service).body
    assert {name: body[name] for name in options} == options


@pytest.mark.parametrize(
    "options",
    [
        {"logprobs": True, "top_logprobs": 5},
        {"response_format": {"type": "json_object"}},
        {"response_format": answer_form({"type": "object", "properties": {"pattern": {"type": "string"}}})},
        {"tools": [tool({"type": "object"})], "tool_choice": "auto"},
        {"tools": [tool({})], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"tools": [tool({})], "parallel_tool_calls": False},
    ],
    ids="-".join,
)
async def test_chat_options_are_handed_on(in_process: Serve, options: dict[str, Any]) -> None:
    async with in_process() as service:
        answer = await service.client.post(CHAT, json={**HELLO, **options})
        assert answer.status_code == 200, answer.text
        body = asked(service).body
    assert {name: body[name] for name in options} == options


@BOTH
async def test_fields_without_a_meaning_here_are_not_handed_on(
    in_process: Serve, path: str, least: dict[str, Any]
) -> None:
    ours: dict[str, Any] = {"user": "someone", "codefusion": {"language": "go"}}
    if path == CHAT:
        ours |= {"metadata": {"a": "b"}, "store": False, "service_tier": "auto", "modalities": ["text"]}
    else:
        ours |= {"best_of": 1}
    async with in_process() as service:
        answer = await service.client.post(path, json={**least, **ours})
        assert answer.status_code == 200, answer.text
        assert not set(ours) & set(asked(service).body)


@pytest.mark.parametrize(
    ("options", "handed"),
    [
        ({}, 4096),
        ({"max_tokens": 9}, 9),
        ({"max_completion_tokens": 8}, 8),
        ({"max_tokens": 9, "max_completion_tokens": 8}, 8),
    ],
)
async def test_both_names_of_a_chats_bound_become_one(
    in_process: Serve, options: dict[str, int], handed: int
) -> None:
    async with in_process() as service:
        await service.client.post(CHAT, json={**HELLO, **options})
        body = asked(service).body
    assert body["max_completion_tokens"] == handed
    assert "max_tokens" not in body


@pytest.mark.parametrize(
    ("options", "handed"), [({}, 16), ({"max_tokens": None}, 4096), ({"max_tokens": 0, "echo": True}, 0)]
)
async def test_a_completions_bound_has_openais_default(
    in_process: Serve, options: dict[str, Any], handed: int
) -> None:
    async with in_process() as service:
        answer = await service.client.post(TEXT, json={**START, **options})
        assert answer.status_code == 200
        assert asked(service).body["max_tokens"] == handed


async def test_no_bound_goes_past_the_context(in_process: Serve) -> None:
    async with in_process(FakeEngine(max_model_len=300)) as service:
        await service.client.post(CHAT, json=HELLO)
        await service.client.post(TEXT, json={**START, "max_tokens": 4096})
        chat, text = service.engine.requests
    assert isinstance(chat, OpenAICall)
    assert isinstance(text, OpenAICall)
    assert chat.body["max_completion_tokens"] == text.body["max_tokens"] == 300


async def test_the_developers_role_is_the_systems(in_process: Serve) -> None:
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    async with in_process() as service:
        await service.client.post(CHAT, json={"messages": messages})
        handed = asked(service).body["messages"]
    assert [(message["role"], message["content"]) for message in handed] == [
        ("system", "Be brief."),
        ("user", "hello"),
    ]


async def test_a_conversation_with_tools_keeps_its_form(in_process: Serve) -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}]},
        {
            "role": "assistant",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ]
    async with in_process() as service:
        answer = await service.client.post(CHAT, json={"messages": messages})
        assert answer.status_code == 200
        assert asked(service).body["messages"] == messages


async def test_a_list_with_one_prompt_is_that_prompt(in_process: Serve) -> None:
    async with in_process() as service:
        await service.client.post(TEXT, json={"prompt": ["def f("]})
        assert asked(service).body["prompt"] == "def f("


async def test_token_ids_are_handed_on(in_process: Serve) -> None:
    async with in_process() as service:
        await service.client.post(TEXT, json={"prompt": [1, 2, 3]})
        assert asked(service).body["prompt"] == [1, 2, 3]
        assert asked(service).prompt_token_ids is None


# ── the model ────────────────────────────────────────────────────────────────────────────────────────────────


@BOTH
async def test_the_model_may_be_named_or_left_out(
    in_process: Serve, path: str, least: dict[str, Any]
) -> None:
    async with in_process(FakeEngine(name="a-model")) as service:
        for body in (least, {**least, "model": "a-model"}):
            answer = await service.client.post(path, json=body)
            assert answer.status_code == 200
    assert [call.body["model"] for call in service.engine.requests if isinstance(call, OpenAICall)] == [
        "a-model",
        "a-model",
    ]


@BOTH
@pytest.mark.parametrize("name", ["gpt-4", "", "A-MODEL", "../a-model", "a" * 5000, "two words"])
async def test_another_model_is_404_as_openais(
    in_process: Serve, path: str, least: dict[str, Any], name: str
) -> None:
    async with in_process(FakeEngine(name="a-model")) as service:
        answer = await service.client.post(path, json={**least, "model": name})
    error = answer.json()["error"]
    assert answer.status_code == 404
    assert (error["code"], error["param"], error["type"]) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )
    assert "'a-model'" in error["message"]
    assert len(error["message"]) < 200
    assert service.engine.requests == []


# ── the cache's salt ─────────────────────────────────────────────────────────────────────────────────────────


@BOTH
async def test_every_tenant_has_a_salt_of_its_own(
    in_process: Serve, key_file: KeyFile, path: str, least: dict[str, Any]
) -> None:
    acme, again, other = key_file.add("acme"), key_file.add("acme"), key_file.add("umbrella")
    async with in_process(access__keys_file=key_file.path) as service:
        for headers in (acme, again, other):
            answer = await service.client.post(path, json=least, headers=headers)
            assert answer.status_code == 200
    first, second, third = (call.cache_salt for call in service.engine.requests)
    assert first == second != third


@BOTH
async def test_a_clients_own_salt_is_refused(in_process: Serve, path: str, least: dict[str, Any]) -> None:
    async with in_process() as service:
        error = await error_of(service, path, {**least, "cache_salt": "mine"})
    assert (error["param"], error["code"]) == ("cache_salt", "unknown_field")


# ── this service's own options ───────────────────────────────────────────────────────────────────────────────


@BOTH
async def test_the_codefusion_object_is_accepted_and_reported(
    in_process: Serve, path: str, least: dict[str, Any]
) -> None:
    options = {"language": "rust", "syntax": "off", "verbosity": "normal", "style": {}, "retrieval": False}
    async with in_process() as service:
        answer = await service.client.post(path, json={**least, "codefusion": options})
    assert answer.json()["codefusion"] == {"language": "rust", "syntax": {"enforced": False}, "steering": {}}


@BOTH
@pytest.mark.parametrize(
    ("options", "param", "code"),
    [
        ({"syntax": "enforce", "language": "ruby"}, "codefusion.language", "language_without_mask"),
        ({"verbosity": "detailed"}, "codefusion.verbosity", "unknown_style"),
        ({"verbosity": -0.25}, "codefusion.verbosity", "unknown_style"),
        ({"style": {"documented": 1}}, "codefusion.style", "unknown_style"),
        ({"language": "klingon"}, "codefusion.language", "unknown_language"),
        ({"select": "examples"}, "codefusion.select", "unknown_field"),
        ({"verbosity": 1.5}, "codefusion.verbosity", None),
        ({"retrieval": {"index": "../x"}}, "codefusion.retrieval.index", None),
        ({"style": {"documented": 2}}, "codefusion.style.documented", None),
    ],
)
async def test_a_codefusion_option_that_cannot_be_honoured_is_refused(
    in_process: Serve, path: str, least: dict[str, Any], options: dict[str, Any], param: str, code: str | None
) -> None:
    async with in_process() as service:
        error = await error_of(service, path, {**least, "codefusion": options})
    assert (error["param"], error["code"]) == (param, code)


# ── filling a gap ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("prompt", ["a = ", ["a = "]])
async def test_a_suffix_makes_the_prompt_a_gap(in_process: Serve, prompt: Any) -> None:
    async with in_process() as service:
        answer = await service.client.post(TEXT, json={"prompt": prompt, "suffix": "\nb"})
        call = asked(service)
    assert answer.json()["choices"][0]["text"] == DEFAULT_ANSWER
    prefix, suffix, middle = (SPECIAL[f"<|fim_{name}|>"] for name in ("prefix", "suffix", "middle"))
    assert call.prompt_token_ids == (prefix, *map(ord, "a = "), suffix, *map(ord, "\nb"), middle)
    assert set(call.body["stop_token_ids"]) == {SPECIAL[token] for token in STOP_TOKENS}
    assert "suffix" not in call.body


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_cut_from_a_gaps_sides_is_said_in_a_header(in_process: Serve, stream: bool) -> None:
    prefix = "line\n" * 2000
    async with in_process(FakeEngine(max_model_len=1024)) as service:
        answer = await service.client.post(TEXT, json={"prompt": prefix, "suffix": "\nb", "stream": stream})
        whole = await service.client.post(TEXT, json={"prompt": "line\n", "suffix": "\nb"})
    cut = answer.headers["x-codefusion-trimmed-chars"]
    assert cut.endswith(", suffix=0")
    assert 0 < int(cut.removeprefix("prefix=").split(",")[0]) < len(prefix)
    assert "x-codefusion-trimmed-chars" not in whole.headers


async def test_in_a_gap_no_special_token_comes_from_the_users_text(in_process: Serve) -> None:
    spelt = "".join(SPECIAL)
    async with in_process() as service:
        await service.client.post(TEXT, json={"prompt": spelt, "suffix": spelt})
        ids = asked(service).prompt_token_ids or ()
    assert [i for i in ids if i in SPECIAL.values()] == [
        SPECIAL["<|fim_prefix|>"],
        SPECIAL["<|fim_suffix|>"],
        SPECIAL["<|fim_middle|>"],
    ]


async def test_an_empty_suffix_is_a_gap_at_the_end(in_process: Serve) -> None:
    async with in_process() as service:
        await service.client.post(TEXT, json={"prompt": "x", "suffix": ""})
        ids = asked(service).prompt_token_ids or ()
    assert ids[-2:] == (SPECIAL["<|fim_suffix|>"], SPECIAL["<|fim_middle|>"])


async def test_a_long_gap_is_cut_to_the_context(in_process: Serve) -> None:
    async with in_process(FakeEngine(max_model_len=400)) as service:
        answer = await service.client.post(
            TEXT, json={"prompt": "x\n" * 5000, "suffix": "y\n" * 5000, "max_tokens": 50}
        )
        assert answer.status_code == 200
        assert len(asked(service).prompt_token_ids or ()) <= 350


# ── developers' mistakes ─────────────────────────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"n": 9}, "n"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": 4097}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": "x" * 65}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stop": [1]}, "stop.0"),
        ({"seed": 2**63}, "seed"),
        ({"user": "u" * 65}, "user"),
        ({"logit_bias": {"x": 1}}, "logit_bias.x"),
        ({"logit_bias": {"1": 101}}, "logit_bias.1"),
        ({"logit_bias": {"\u0663": 1}}, "logit_bias.\u0663"),
        ({"logit_bias": {str(i): 0 for i in range(301)}}, "logit_bias"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": "yes"}, "stream"),
        ({"prompt_logprobs": 1}, "prompt_logprobs"),
        ({"bad_words": ["x"]}, "bad_words"),
        ({"allowed_token_ids": [1]}, "allowed_token_ids"),
        ({"prompt_embeds": "x"}, "prompt_embeds"),
        ({"guided_regex": "a*"}, "guided_regex"),
        ({"structured_outputs": {"regex": "a*"}}, "structured_outputs"),
        ({"extra_args": {}}, "extra_args"),
        ({"priority": 1}, "priority"),
        ({"request_id": "mine"}, "request_id"),
        ({"chat_template": "{{ 1 }}"}, "chat_template"),
        ({"use_beam_search": True}, "use_beam_search"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)
async def test_a_mistake_is_400_and_names_the_field(
    in_process: Serve, path: str, least: dict[str, Any], wrong: dict[str, Any], param: str
) -> None:
    async with in_process() as service:
        error = await error_of(service, path, {**least, **wrong})
    assert (error["param"], error["type"]) == (param, "invalid_request_error")


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "robot", "content": ""}]}, "messages.0.role"),
        ({"messages": [{"content": "x"}]}, "messages.0.role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]},
            "messages.0.content.0.type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "messages.0.content.0.type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
            "messages.0.content.0.text",
        ),
        ({"messages": [{"role": "user", "content": "x"}] * 257}, "messages"),
        ({"top_logprobs": 6, "logprobs": True}, "top_logprobs"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"top_logprobs": 1}, "top_logprobs"),
        ({"top_logprobs": 1, "logprobs": False}, "top_logprobs"),
        ({"logprobs": 1}, "logprobs"),
        ({"max_completion_tokens": 4097}, "max_completion_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"response_format": answer_form(schema_of_depth(17))}, "response_format.json_schema.schema"),
        (
            {"response_format": answer_form({"description": "x" * 17_000})},
            "response_format.json_schema.schema",
        ),
        (
            {"response_format": answer_form({"enum": list(range(257))})},
            "response_format.json_schema.schema.enum",
        ),
        (
            {"response_format": answer_form({"properties": {f"p{i}": {} for i in range(33)}})},
            "response_format.json_schema.schema.properties",
        ),
        ({"response_format": answer_form({"maxItems": 101})}, "response_format.json_schema.schema.maxItems"),
        ({"response_format": answer_form({"maxItems": 1e9})}, "response_format.json_schema.schema.maxItems"),
        (
            {"response_format": answer_form({"items": {"minLength": 101}})},
            "response_format.json_schema.schema.minLength",
        ),
        ({"response_format": answer_form({"pattern": "a"})}, "response_format.json_schema.schema.pattern"),
        (
            {"response_format": answer_form({"patternProperties": {}})},
            "response_format.json_schema.schema.patternProperties",
        ),
        ({"tools": [tool()] * 65}, "tools"),
        ({"tools": [tool({}), tool({"enum": list(range(257))})]}, "tools.1.function.parameters.enum"),
        ({"tools": [tool(schema_of_depth(17))]}, "tools.0.function.parameters"),
        ({"tools": [tool(name="has space")]}, "tools.0.function.name"),
        ({"tools": [{"type": "retrieval"}]}, "tools.0.type"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {}}}, "tool_choice.function.name"),
        ({"store": True}, "store"),
        ({"modalities": ["audio"]}, "modalities.0"),
        ({"metadata": {str(i): "" for i in range(17)}}, "metadata"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"functions": []}, "functions"),
        ({"audio": {}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)
async def test_a_chats_mistake_is_400_and_names_the_field(
    in_process: Serve, wrong: dict[str, Any], param: str
) -> None:
    async with in_process() as service:
        error = await error_of(service, CHAT, {**HELLO, **wrong})
    assert error["param"] == param


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": [], "suffix": "x"}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt.0"),
        ({"prompt": ["a", 1]}, "prompt.1"),
        ({"prompt": [-1]}, "prompt.0"),
        ({"prompt": [2**31]}, "prompt.0"),
        ({"prompt": [10**400]}, "prompt.0"),
        ({"prompt": None}, "prompt"),
        ({"prompt": "", "suffix": ""}, "prompt"),
        ({"prompt": [1], "suffix": "x"}, "prompt"),
        ({"suffix": "x", "echo": True}, "echo"),
        ({"logprobs": 6}, "logprobs"),
        ({"logprobs": 21}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"best_of": 2}, "best_of"),
        ({"best_of": 1, "n": 2}, "best_of"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
    ],
)
async def test_a_completions_mistake_is_400_and_names_the_field(
    in_process: Serve, wrong: dict[str, Any], param: str
) -> None:
    async with in_process() as service:
        error = await error_of(service, TEXT, {**START, **wrong})
    assert error["param"] == param


async def test_a_completion_without_a_prompt_names_it(in_process: Serve) -> None:
    async with in_process() as service:
        error = await error_of(service, TEXT, {})
    assert error["param"] == "prompt"


@BOTH
async def test_a_streams_refusal_is_a_plain_answer(
    in_process: Serve, path: str, least: dict[str, Any]
) -> None:
    async with in_process() as service:
        answer = await service.client.post(path, json={**least, "stream": True, "n": 9})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
