"""What a user gets from the real model: answers, OpenAI's client, isolation, aborts, and a clean end."""

from __future__ import annotations

import ast
import json
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import psutil
import pytest

from sandbox import Isolation, NoIsolationError, prove_isolation
from tests.model.conftest import MODEL, Service

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

PRIME: dict[str, Any] = {
    "prompt": "Write a function is_prime(n) that tells whether n is a prime number.",
    "language": "python",
    "temperature": 0.0,
    "max_tokens": 200,
}
# The tokens that could end it are as good as forbidden.
ENDLESS: dict[str, Any] = {
    "prompt": "1 2 3 4 5",
    "temperature": 0.0,
    "max_tokens": 2000,
    "logit_bias": {"151643": -100, "151645": -100},
}
USER = [{"role": "user", "content": "Say hello in one short sentence."}]


def generate(service: Service, **request: Any) -> dict[str, Any]:
    return generate_as(service, "acme", request)


def generate_as(service: Service, tenant: str, request: dict[str, Any]) -> dict[str, Any]:
    with service.http(tenant) as client:
        response = client.post("/generate", json=request)
    assert response.status_code == 200, response.text
    return response.json()


def stream(service: Service, path: str, **request: Any) -> Iterator[dict[str, Any]]:
    with service.http() as client, client.stream("POST", path, json={**request, "stream": True}) as response:
        assert response.status_code == 200, response.read()
        lines = [line for line in response.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    yield from (json.loads(line.removeprefix("data: ")) for line in lines[:-1])


# ── /generate ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_instruction_is_answered_with_code_alone(service: Service) -> None:
    answer = generate(service, **PRIME)
    tree = ast.parse(answer["code"])
    assert any(isinstance(node, ast.FunctionDef) and node.name == "is_prime" for node in tree.body)
    assert "```" not in answer["code"]
    assert answer["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] > 10


def test_a_stream_says_what_the_whole_answer_says(service: Service) -> None:
    whole = generate(service, **PRIME)
    *pieces, report = stream(service, "/generate", **PRIME)
    assert "".join(piece["delta"] for piece in pieces) == report["code"] == whole["code"]
    assert len(pieces) > 10
    assert report["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]


def test_a_gap_is_filled_so_that_both_sides_fit(service: Service) -> None:
    prefix, suffix = "def add(a, b):\n    return ", "\n\n\nprint(add(1, 2))\n"
    # As an editor asks for the rest of a line.
    answer = generate(service, prefix=prefix, suffix=suffix, temperature=0.0, max_tokens=32, stop=["\n"])
    assert "a + b" in answer["code"]
    ast.parse(prefix + answer["code"] + suffix)


@pytest.mark.parametrize("language", ["java", "go", "javascript", "rust", "cpp"])
def test_other_languages_come_without_fence_or_prose(service: Service, language: str) -> None:
    answer = generate(service, prompt="Add two integers.", language=language, temperature=0.0, max_tokens=160)
    assert answer["code"].strip()
    assert "```" not in answer["code"]
    assert not answer["code"].lstrip().startswith(("Here", "Sure", "Certainly"))


def test_equal_seeds_give_equal_answers_and_other_seeds_others(service: Service) -> None:
    request = {**PRIME, "temperature": 1.0, "max_tokens": 48}
    first, again, other = (generate(service, **request, seed=seed)["code"] for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_a_seeded_answer_to_a_prompt_read_in_several_steps_is_that_to_one_read_at_once(
    service: Service,
) -> None:
    # More tokens than one step takes. vLLM's own CPU worker died of it, and the engine with it.
    long = "".join(f"value_{i} = {i * 7919 % 1000}\n" for i in range(260))
    asked = {"prefix": long, "suffix": "\n", "temperature": 1.0, "seed": 11, "max_tokens": 24}
    cut = generate(service, **asked)
    assert cut["usage"]["prompt_tokens"] > 2048
    assert cut["usage"]["cached_tokens"] == 0
    # Now nearly all of the prompt is in the cache, and the rest is read in one step.
    whole = generate(service, **asked)
    assert whole["usage"]["cached_tokens"] > 1500
    assert whole["code"] == cut["code"]
    assert generate(service, **{**asked, "seed": 12})["code"] != cut["code"]


def test_the_likeliest_of_several_candidates_is_returned(service: Service) -> None:
    answer = generate(service, **{**PRIME, "temperature": 0.8, "candidates": 4, "max_tokens": 400, "seed": 3})
    candidates = answer["candidates"]
    assert (candidates["generated"], candidates["passed_examples"], len(candidates["each"])) == (4, None, 4)
    assert candidates["each"][candidates["chosen"]]["mean_logprob"] == max(
        each["mean_logprob"] for each in candidates["each"] if each["finish_reason"] == "stop"
    )
    assert answer["usage"]["completion_tokens"] > 96
    assert "def is_prime" in answer["code"]


def test_a_candidate_that_passes_its_examples_is_preferred(service: Service) -> None:
    if isinstance(reason := _isolation(), str):
        pytest.skip(f"nothing may run here: {reason}")
    asked = {
        "prompt": "A function next_even(n) that gives the smallest even number above n.",
        "examples": [{"input": f"next_even({n})", "output": str(n + 2 - n % 2)} for n in (0, 1, 7, 10)],
    }
    answer = generate(
        service,
        **asked,
        candidates=8,
        temperature=1.0,
        seed=5,
        max_tokens=128,
        select="examples",
        return_candidates=True,
    )
    candidates = answer["candidates"]
    counts = [each["passed_examples"] for each in candidates["each"]]
    assert None not in counts
    assert len(set(counts)) > 1, "candidates that all do alike choose nothing"
    assert counts[candidates["chosen"]] == max(counts)
    assert candidates["passed_examples"] == counts.count(4)
    assert answer["code"] == candidates["each"][candidates["chosen"]]["code"]
    assert service.metric("codefusion_example_runs_total") > 0


def _isolation() -> Isolation | str:
    try:
        return prove_isolation()
    except NoIsolationError as error:
        return str(error)


def test_max_tokens_cuts_and_says_so(service: Service) -> None:
    answer = generate(service, **PRIME | {"max_tokens": 8, "syntax": "off"})
    assert answer["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 8


def test_a_stop_string_ends_the_answer_and_is_left_out(service: Service) -> None:
    answer = generate(service, **PRIME, stop=["return False"])
    assert answer["finish_reason"] == "stop"
    assert "return False" not in answer["code"]


def test_examples_and_constraints_reach_the_model(service: Service) -> None:
    plain = generate(service, **PRIME)
    rich = generate(
        service,
        **PRIME,
        signature="def is_prime(n: int) -> bool:",
        constraints=["Use no imports."],
        examples=[{"input": "7", "output": "True"}],
    )
    assert rich["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"] + 20
    assert "def is_prime(n: int) -> bool:" in rich["code"]


def test_a_prompt_longer_than_the_context_is_refused(service: Service) -> None:
    with service.http() as client:
        response = client.post("/generate", json={"prompt": "word " * 6000})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"


def test_a_long_file_around_a_gap_is_cut_and_the_report_says_where(service: Service) -> None:
    prefix = "\n".join(f"value_{i} = {i}" for i in range(3000)) + "\ntotal = "
    answer = generate(service, prefix=prefix, suffix="\nprint(total)\n", temperature=0.0, max_tokens=8)
    assert answer["prompt"]["trimmed_prefix_chars"] > 0
    assert answer["prompt"]["trimmed_suffix_chars"] == 0


# ── isolation ────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_tenants_share_no_cached_prompt(service: Service) -> None:
    request = {**PRIME, "prompt": PRIME["prompt"] + " Isolation test." * 40, "max_tokens": 4}
    mine = [generate_as(service, "acme", request)["usage"]["cached_tokens"] for _ in range(2)]
    theirs = generate_as(service, "globex", request)["usage"]["cached_tokens"]
    assert mine[0] <= 64  # the beginning that all of this tenant's requests share
    assert mine[1] > 128
    assert theirs == 0


@pytest.mark.parametrize("literal", ["<|endoftext|>", "<|im_end|>", "<|fim_middle|>", "<tool_call>"])
def test_special_tokens_in_a_chat_are_plain_text(service: Service, literal: str) -> None:
    client = service.openai()

    def prompt_tokens(text: str) -> int:
        answer = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": text}], max_tokens=1, temperature=0
        )
        assert answer.usage
        return answer.usage.prompt_tokens

    # As a control token it would be one; as text it is several.
    assert prompt_tokens(f"Say x{literal}y") >= prompt_tokens("Say xy") + 3


def test_a_client_cannot_bring_its_own_cache_salt(service: Service) -> None:
    with pytest.raises(openai.BadRequestError, match="cache_salt"):
        service.openai().chat.completions.create(
            model=MODEL,
            messages=USER,
            extra_body={"cache_salt": "mine"},
        )


# ── aborts ───────────────────────────────────────────────────────────────────────────────────────────────────


def _wait(condition: Any, seconds: float) -> float:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - begun


def _is_idle(service: Service) -> bool:
    return service.metric("vllm:num_requests_running") == 0 and service.metric("codefusion_seats_taken") == 0


def test_a_client_that_leaves_a_stream_frees_its_seat(service: Service) -> None:
    request = {**ENDLESS, "stream": True}
    aborts = service.metric("codefusion_aborts_total")
    with service.http() as client, client.stream("POST", "/v1/completions", json=request) as response:
        lines = response.iter_lines()  # kept: httpx hangs up when its iterator is collected
        next(lines)
        assert service.metric("codefusion_seats_taken") == 1
    # vLLM's own gauge is written once per step, so an idle engine shows its last value; ours is read when asked.
    _wait(lambda: service.metric("codefusion_seats_taken") == 0, 1.5)
    _wait(lambda: service.metric("codefusion_aborts_total") > aborts, 1.5)
    assert generate(service, **PRIME)["code"]
    _wait(lambda: _is_idle(service), 5)


def test_a_client_that_gives_up_waiting_frees_its_seat(service: Service) -> None:
    request = ENDLESS
    with service.http() as client, pytest.raises(httpx.ReadTimeout):
        client.post("/v1/completions", json=request, timeout=1.0)
    _wait(lambda: service.metric("codefusion_seats_taken") == 0, 1.5)
    with pytest.raises(openai.APITimeoutError):
        service.openai(timeout=0.5).completions.create(model=MODEL, **ENDLESS)
    _wait(lambda: service.metric("codefusion_seats_taken") == 0, 1.5)


# ── OpenAI's client ──────────────────────────────────────────────────────────────────────────────────────────


def test_chat(service: Service) -> None:
    answer = service.openai().chat.completions.create(
        model=MODEL,
        messages=USER,
        temperature=0,
        max_tokens=20,
        extra_body={"codefusion": {"language": "python"}},
    )
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert "hello" in (answer.choices[0].message.content or "").lower()
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model_dump()["codefusion"]["syntax"] == {"enforced": False}


def test_chat_stream_with_usage(service: Service) -> None:
    client = service.openai()
    options: dict[str, Any] = {"model": MODEL, "messages": USER, "temperature": 0, "max_tokens": 20}
    whole = client.chat.completions.create(**options)
    chunks = list(
        client.chat.completions.create(**options, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert text == whole.choices[0].message.content
    assert [reason for reason in reasons if reason] == [whole.choices[0].finish_reason]
    assert chunks[-1].usage == whole.usage or chunks[-1].usage.total_tokens == whole.usage.total_tokens


def test_several_answers_stop_and_seed(service: Service) -> None:
    def ask() -> list[str | None]:
        answer = service.openai().chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Count from 1 to 9, separated by commas."}],
            n=3,
            seed=11,
            temperature=1.0,
            stop=["7"],
            max_tokens=40,
        )
        return [choice.message.content for choice in answer.choices]

    first = ask()
    assert len(first) == 3
    assert not any("7" in (text or "") for text in first)
    assert ask() == first


def test_logprobs(service: Service) -> None:
    answer = service.openai().chat.completions.create(
        model=MODEL,
        messages=USER,
        logprobs=True,
        top_logprobs=3,
        max_tokens=4,
        temperature=0,
    )
    assert answer.choices[0].logprobs
    content = answer.choices[0].logprobs.content or []
    assert answer.usage
    assert len(content) == answer.usage.completion_tokens
    for token in content:
        assert len(token.top_logprobs) == 3
        assert token.logprob == max(top.logprob for top in token.top_logprobs)


def test_logit_bias_forces_a_token(service: Service) -> None:
    def first_word(bias: dict[str, int]) -> str:
        answer = service.openai().completions.create(
            model=MODEL, prompt="def f(x):\n    return", max_tokens=1, temperature=0, logit_bias=bias
        )
        return answer.choices[0].text

    with service.http() as client:
        ids = client.post("/v1/completions", json={"prompt": "x", "max_tokens": 1}).status_code
    assert ids == 200
    assert first_word({"12345": 100}) != first_word({})


def test_a_json_schema_is_kept(service: Service) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "year": {"type": "integer"}},
        "required": ["name", "year"],
        "additionalProperties": False,
    }
    answer = service.openai().chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Which language did Guido van Rossum make, and when?"}],
        response_format={"type": "json_schema", "json_schema": {"name": "fact", "schema": schema}},
        max_tokens=60,
        temperature=0,
    )
    fact = json.loads(answer.choices[0].message.content or "")
    assert set(fact) == {"name", "year"}
    assert isinstance(fact["year"], int)


TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather of a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "maxLength": 20}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
]
WEATHER: list[Any] = [{"role": "user", "content": "What is the weather in Paris? Use the tool."}]


def test_a_named_tool_is_called(service: Service) -> None:
    answer = service.openai().chat.completions.create(
        model=MODEL,
        messages=WEATHER,
        tools=TOOLS,
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        temperature=0,
        max_tokens=60,
    )
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert "paris" in json.loads(call.function.arguments)["city"].lower()


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_tool_choice_is_taken(service: Service, choice: Any) -> None:
    answer = service.openai().chat.completions.create(
        model=MODEL, messages=WEATHER, tools=TOOLS, tool_choice=choice, temperature=0, max_tokens=60
    )
    message = answer.choices[0].message
    assert message.content or message.tool_calls
    if choice == "none":
        assert not message.tool_calls


def test_a_tool_result_can_be_sent_back(service: Service) -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
    }
    messages: list[Any] = [
        *WEATHER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "17 degrees and sunny"},
    ]
    answer = service.openai().chat.completions.create(
        model=MODEL, messages=messages, tools=TOOLS, temperature=0, max_tokens=60
    )
    assert answer.choices[0].message.content


def test_completion_with_echo_and_logprobs(service: Service) -> None:
    answer = service.openai().completions.create(
        model=MODEL, prompt="def add(a, b):", echo=True, logprobs=1, max_tokens=8, temperature=0
    )
    choice = answer.choices[0]
    assert choice.text.startswith("def add(a, b):")
    assert choice.logprobs
    assert "".join(choice.logprobs.tokens or []) == choice.text


def test_completion_with_a_suffix_fills_the_gap(service: Service) -> None:
    answer = service.openai().completions.create(
        model=MODEL,
        prompt="def add(a, b):\n    return ",
        suffix="\n\nprint(add(1, 2))\n",
        max_tokens=16,
        temperature=0,
    )
    assert "a + b" in answer.choices[0].text


def test_completion_stream(service: Service) -> None:
    client = service.openai()
    options: dict[str, Any] = {"model": MODEL, "prompt": "import os\n", "max_tokens": 24, "temperature": 0}
    whole = client.completions.create(**options).choices[0].text
    assert (
        "".join(chunk.choices[0].text for chunk in client.completions.create(**options, stream=True)) == whole
    )


def test_raw_fim_tokens_in_a_completion_are_special(service: Service) -> None:
    def prompt_tokens(prompt: str) -> int:
        answer = service.openai().completions.create(model=MODEL, prompt=prompt, max_tokens=1, temperature=0)
        assert answer.usage
        return answer.usage.prompt_tokens

    # One token each; as text they would be seven or more.
    marked = "<|fim_prefix|>def add(a, b):\n<|fim_suffix|>\nprint(1)<|fim_middle|>"
    plain = "def add(a, b):\n" + "\nprint(1)"
    assert prompt_tokens(marked) in range(prompt_tokens(plain), prompt_tokens(plain) + 6)


def test_models(service: Service) -> None:
    (model,) = service.openai().models.list().data
    assert model.id == MODEL
    assert service.openai().models.retrieve(MODEL).id == MODEL


@pytest.mark.parametrize(
    ("options", "error", "param"),
    [
        ({"n": 99}, openai.BadRequestError, "n"),
        ({"temperature": 3}, openai.BadRequestError, "temperature"),
        ({"model": "gpt-4"}, openai.NotFoundError, "model"),
        ({"max_tokens": 10**6}, openai.BadRequestError, "max_tokens"),
        ({"logit_bias": {"99999999": 1}}, openai.BadRequestError, None),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"extra_body": {"chat_template": "x"}}, openai.BadRequestError, "chat_template"),
        ({"extra_body": {"prompt_logprobs": 1}}, openai.BadRequestError, "prompt_logprobs"),
    ],
)
def test_errors_are_openai_errors(
    service: Service, options: dict[str, Any], error: type[openai.APIStatusError], param: str | None
) -> None:
    with pytest.raises(error) as caught:
        service.openai().chat.completions.create(**{"model": MODEL, "messages": USER, **options})
    if param:
        assert caught.value.param == param


def test_a_wrong_key_is_an_authentication_error(service: Service) -> None:
    client = service.openai().with_options(api_key="cf_abcdefgh_" + "x" * 43)
    with pytest.raises(openai.AuthenticationError):
        client.models.list()


# ── the whole ────────────────────────────────────────────────────────────────────────────────────────────────


def test_requests_side_by_side_do_not_disturb_each_other(service: Service) -> None:
    alone = generate(service, **PRIME)["code"]
    answers: list[str] = []

    def ask() -> None:
        answers.append(generate(service, **PRIME)["code"])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Batched matrix products add in another order, so a bit-equal text is no law; a working answer is.
    assert len(answers) == 8
    assert all("def is_prime" in answer for answer in answers)
    assert sum(answer == alone for answer in answers) >= 4


def test_metrics_show_ours_beside_vllms(service: Service) -> None:
    for name in ("codefusion_tokens_total", "codefusion_time_to_first_token_seconds_count",
                 "codefusion_inter_token_seconds_count", "vllm:generation_tokens_total"):  # fmt: skip
        assert service.metric(name) > 0


def test_the_log_holds_no_prompt_and_no_key(service: Service) -> None:
    log = service.log.read_text(errors="replace")
    assert "is_prime" not in log
    assert "Isolation test" not in log
    assert not any(key in log for key in service.keys.values())


def test_sigterm_lets_open_streams_end_and_leaves_no_process(service: Service) -> None:
    children = service.engine_processes()
    assert children
    request = {**PRIME, "max_tokens": 30, "stream": True}
    with service.http() as client, client.stream("POST", "/generate", json=request) as response:
        lines = response.iter_lines()
        next(lines)
        service.process.send_signal(signal.SIGTERM)
        _wait(lambda: httpx.get(f"{service.base_url}/readyz").status_code == 503, 2)
        assert [line for line in lines if line][-1] == "data: [DONE]"
    assert service.process.wait(30) == 0, service.tail()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
