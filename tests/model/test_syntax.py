"""The syntax mask in the real engine with the real model: every mode, and everything else an engine does beside it."""

from __future__ import annotations

import ast
import concurrent.futures
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from grammar import can_end, load_language
from service.fences import code_blocks
from tests.model.conftest import Service

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

TASK = "Write a function is_prime(n) that tells whether n is a prime number, and some calls of it."
LEFT, RIGHT = "def add(a, b):\n    return ", "\n\n\nprint(add(1, 2))\n"


def is_program(language: str, text: str) -> bool:
    if language == "python":
        ast.parse(text)
    return can_end(load_language(language), text.encode())


def generate(service: Service, **request: Any) -> dict[str, Any]:
    with service.http() as client:
        response = client.post("/generate", json=request)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Any]:
    with service.openai() as client:
        yield client


def together(calls: list[Any]) -> list[Any]:
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


# ── modes ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("language", ["python", "java", "go", "javascript", "typescript", "tsx", "rust"])
def test_an_answer_is_a_program(service: Service, language: str) -> None:
    answer = generate(service, prompt=TASK, language=language, temperature=0.0, max_tokens=220)
    assert is_program(language, answer["code"])
    syntax = answer["syntax"]
    assert (syntax["enforced"], syntax["mode"], syntax["valid"]) == (True, "whole", True)
    assert syntax["degraded"] is None
    assert "```" not in answer["code"]
    assert 0 < answer["timings_ms"]["mask_p50_us"] <= answer["timings_ms"]["mask_max_us"] * 2


def test_good_code_is_left_as_it_is(service: Service) -> None:
    task = "Write a function is_prime(n) that tells whether n is a prime number."
    request = {"prompt": task, "language": "python", "temperature": 0.0, "max_tokens": 600}
    masked, raw = generate(service, **request), generate(service, **request, syntax="off")
    assert masked["code"].rstrip() == raw["code"].rstrip()
    assert masked["finish_reason"] == raw["finish_reason"] == "stop"
    assert masked["syntax"]["changed_tokens"] == 0


def test_a_gap_is_filled_so_that_the_whole_is_a_program(service: Service) -> None:
    answer = generate(service, prefix=LEFT, suffix=RIGHT, temperature=0.0, max_tokens=32)
    assert answer["syntax"]["mode"] == "infilling"
    assert is_program("python", LEFT + answer["code"] + RIGHT)


def test_a_continuation_completes_its_prefix(service: Service) -> None:
    prefix = "class Stack:\n    def __init__(self):\n        self.items = ["
    answer = generate(service, prefix=prefix, temperature=0.0, max_tokens=48)
    assert answer["syntax"]["mode"] == "continuation"
    assert is_program("python", prefix + answer["code"])


def test_behind_a_broken_prefix_the_rest_is_still_held(service: Service) -> None:
    rest = "class A:\n    def b(self):\n        return max("
    answer = generate(service, prefix="def f(:\n    pass\n\n" + rest, temperature=0.0, max_tokens=40)
    assert "no beginning of a program (line 1)" in answer["syntax"]["degraded"]
    assert is_program("python", rest + answer["code"])


def test_a_chat_keeps_its_prose_and_its_fences_parse(client: Any) -> None:
    messages = [
        {"role": "user", "content": "Show is_prime in Java, then the same in Go, with a sentence each."}
    ]
    answer = client.chat.completions.create(
        model=None,
        messages=messages,
        temperature=0.0,
        max_tokens=400,
        extra_body={"codefusion": {"syntax": "enforce"}},
    )
    blocks = list(code_blocks(answer.choices[0].message.content))
    assert blocks
    for label, code, is_closed in blocks:
        assert is_closed
        assert label not in ("java", "go") or is_program(label, code)
    assert answer.model_extra["codefusion"]["syntax"]["valid"] is True
    assert not answer.choices[0].message.content.startswith("```")


def test_completions_opt_in(client: Any) -> None:
    options = {"extra_body": {"codefusion": {"syntax": "enforce", "language": "python"}}}
    whole = client.completions.create(model=None, prompt=LEFT, max_tokens=24, temperature=0.0, **options)
    assert is_program("python", LEFT + whole.choices[0].text)
    gap = client.completions.create(
        model=None, prompt=LEFT, suffix=RIGHT, max_tokens=24, temperature=0.0, **options
    )
    assert is_program("python", LEFT + gap.choices[0].text + RIGHT)
    assert gap.model_extra["codefusion"]["syntax"]["mode"] == "infilling"


# ── always ends valid ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("language", ["python", "java", "go", "javascript", "typescript", "tsx", "rust"])
def test_an_answer_that_its_budget_cuts_is_a_program(service: Service, language: str) -> None:
    def ask(max_tokens: int) -> dict[str, Any]:
        return generate(
            service, prompt=TASK, language=language, temperature=1.0, seed=max_tokens, max_tokens=max_tokens
        )

    for answer in together([lambda n=n: ask(n) for n in (4, 9, 17, 26, 38, 55, 70, 90)]):
        assert is_program(language, answer["code"]), answer["code"]
        assert answer["syntax"]["valid"] is True
        if answer["syntax"]["closing_forced"]:
            assert answer["finish_reason"] == "length"


def test_the_context_is_a_budget_too(service: Service) -> None:
    # 4096 tokens of context on CPUs; a word is about a token.
    prompt = TASK + " Mind these words: " + "code " * 3900
    answer = generate(service, prompt=prompt, language="java", temperature=0.0, max_tokens=512)
    assert answer["usage"]["total_tokens"] <= 4096
    assert answer["usage"]["completion_tokens"] < 200
    assert is_program("java", answer["code"])


# ── everything else an engine does ───────────────────────────────────────────────────────────────────────────


def test_several_candidates(service: Service, client: Any) -> None:
    answer = generate(service, prompt=TASK, temperature=1.0, seed=5, candidates=4, max_tokens=60)
    assert answer["candidates"]["generated"] == 4
    assert is_program("python", answer["code"])
    several = client.completions.create(
        model=None, prompt=LEFT, n=3, max_tokens=24, temperature=1.0, seed=3,
        extra_body={"codefusion": {"syntax": "enforce", "language": "python"}},
    )  # fmt: skip
    assert len(several.choices) == 3
    assert all(is_program("python", LEFT + choice.text) for choice in several.choices)


def test_equal_seeds_give_equal_answers(service: Service) -> None:
    request = {"prompt": TASK, "temperature": 1.0, "max_tokens": 48}
    first, again, other = (generate(service, **request, seed=seed)["code"] for seed in (7, 7, 8))
    assert first == again != other


def test_log_probabilities_are_of_what_was_allowed(client: Any) -> None:
    answer = client.completions.create(
        model=None, prompt="x = (1", max_tokens=12, temperature=0.0, logprobs=3,
        extra_body={"codefusion": {"syntax": "enforce", "language": "python"}},
    )  # fmt: skip
    found = answer.choices[0].logprobs
    assert len(found.token_logprobs) == answer.usage.completion_tokens
    assert all(logprob <= 0 for logprob in found.token_logprobs)
    assert is_program("python", "x = (1" + answer.choices[0].text)


def test_penalties_and_biases(client: Any) -> None:
    answer = client.completions.create(
        model=None, prompt=LEFT, max_tokens=32, temperature=0.8, seed=1, presence_penalty=1.5, frequency_penalty=1.5,
        logit_bias={"8": 50.0},  # a closing parenthesis, wherever it is allowed
        extra_body={"repetition_penalty": 1.3, "codefusion": {"syntax": "enforce", "language": "python"}},
    )  # fmt: skip
    assert is_program("python", LEFT + answer.choices[0].text)


def test_a_stop_string_ends_it_and_the_report_is_honest(service: Service) -> None:
    answer = generate(service, prompt=TASK, temperature=0.0, max_tokens=200, stop=["(n"])
    assert answer["finish_reason"] == "stop"
    assert answer["code"].endswith("is_prime")
    assert answer["syntax"]["valid"] is False
    line = generate(service, prefix=LEFT, suffix=RIGHT, temperature=0.0, max_tokens=32, stop=["\n"])
    assert line["syntax"]["valid"] is True


def stream(service: Service, path: str, **request: Any) -> Iterator[dict[str, Any]]:
    with service.http() as client, client.stream("POST", path, json={**request, "stream": True}) as response:
        assert response.status_code == 200, response.read()
        lines = [line for line in response.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    yield from (json.loads(line.removeprefix("data: ")) for line in lines[:-1])


def test_a_stream_says_what_the_whole_answer_says(service: Service) -> None:
    request = {"prompt": TASK, "temperature": 0.0, "max_tokens": 60}
    whole = generate(service, **request)
    *pieces, report = stream(service, "/generate", **request)
    assert "".join(piece["delta"] for piece in pieces) == report["code"] == whole["code"]
    assert report["syntax"] == whole["syntax"]


def test_a_chats_stream_ends_with_the_report(service: Service) -> None:
    messages = [{"role": "user", "content": TASK}]
    *_, last = stream(
        service, "/v1/chat/completions", messages=messages, temperature=0.0, max_tokens=60,
        codefusion={"syntax": "enforce"},
    )  # fmt: skip
    assert last["choices"] == []
    assert last["codefusion"]["syntax"]["valid"] is True


def test_a_json_schema_in_the_same_batch(service: Service, client: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 10}},
        "required": ["name"],
    }
    # vLLM gives a schema like this one to its other backend.
    other = {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "minProperties": 1,
        "required": ["name"],
    }

    colour = [{"role": "user", "content": "Name a colour as JSON."}]

    def ask_json(wanted: dict[str, Any]) -> str:
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": wanted}}
        answer = client.chat.completions.create(
            model=None, messages=colour, temperature=0.0, max_tokens=48, response_format=form
        )  # fmt: skip
        return answer.choices[0].message.content

    def ask_code(seed: int) -> str:
        return generate(service, prompt=TASK, temperature=1.0, seed=seed, max_tokens=50)["code"]

    def ask_plain() -> str:
        return generate(service, prompt=TASK, language="ruby", temperature=0.0, max_tokens=40)["code"]

    first, second, *codes, plain = together(
        [
            lambda: ask_json(schema),
            lambda: ask_json(other),
            *(lambda s=s: ask_code(s) for s in range(4)),
            ask_plain,
        ]
    )
    assert set(json.loads(first)) == {"name"}
    assert "name" in json.loads(second)
    assert all(is_program("python", code) for code in codes)
    assert "def is_prime" in plain


def test_a_prompt_seen_before_is_found_in_the_cache(service: Service) -> None:
    request = {"prompt": TASK + " Say it in a new way each time.", "temperature": 0.0, "max_tokens": 24}
    first, again = generate(service, **request), generate(service, **request)
    assert again["usage"]["cached_tokens"] > 0
    assert again["code"] == first["code"]
    assert is_program("python", again["code"])


def test_a_client_that_leaves_frees_its_seat(service: Service) -> None:
    with (
        service.http() as client,
        client.stream(
            "POST", "/generate", json={"prompt": TASK, "temperature": 1.0, "max_tokens": 1000, "stream": True}
        ) as response,
    ):
        next(response.iter_lines())
    deadline = time.monotonic() + 20
    while service.metric("codefusion_seats_taken"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert is_program("python", generate(service, prompt=TASK, temperature=0.0, max_tokens=24)["code"])


def test_what_the_mask_did_is_on_the_page_of_metrics(service: Service) -> None:
    before = service.metric("codefusion_syntax_closings_forced_total")
    generate(service, prompt=TASK, language="java", temperature=1.0, seed=1, max_tokens=24)
    assert service.metric("codefusion_syntax_closings_forced_total") == before + 1
    assert service.metric("codefusion_syntax_fill_seconds_count") > 0


def test_nothing_was_ever_permissive(service: Service) -> None:
    with service.http() as client:
        page = client.get("/metrics").text
    answers = [line for line in page.splitlines() if line.startswith("codefusion_syntax_answers_total")]
    assert answers
    assert not [line for line in answers if 'result="permissive"' in line]
    assert "syntax mask failed" not in service.log.read_text(errors="replace")
