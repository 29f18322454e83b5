"""`POST /generate`: what is laid out, handed to the engine, extracted, reported and refused."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from service import prompt as prompt_module
from service.engine import Delta, GenerationRequest
from service.fake_engine import FakeEngine
from service.prompt import STOP_TOKENS, Prompt
from tests.conftest import Serve, until
from tests.service.streams import payloads

CODE = "def answer(x):\n    return x + 1\n"
SPECIAL = FakeEngine().tokenizer.get_added_vocab()
PREFIX, SUFFIX, MIDDLE = (SPECIAL[f"<|fim_{name}|>"] for name in ("prefix", "suffix", "middle"))


def asked(engine: FakeEngine) -> GenerationRequest:
    (request,) = engine.requests
    assert isinstance(request, GenerationRequest)
    return request


def prompt_text(engine: FakeEngine) -> str:
    return engine.tokenizer.decode(asked(engine).prompt_token_ids)


class Candidates(FakeEngine):
    """Answers with given texts, one delta each: (text, log-probability, finish reason)."""

    answers: tuple[tuple[str, float, Any], ...] = ()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        for index, (text, logprob, reason) in enumerate(self.answers):
            yield Delta(index, text, 10, logprob, reason)


# ── the two forms ────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_instruction_is_answered_with_code_alone(in_process: Serve) -> None:
    engine = FakeEngine(script=f"{CODE}```\nThis function adds one.")
    async with in_process(engine) as service:
        answer = await service.client.post("/generate", json={"prompt": "Add one."})
    assert answer.status_code == 200
    assert answer.json()["code"] == CODE


async def test_an_instruction_becomes_a_chat_that_opens_the_fence(in_process: Serve) -> None:
    body: dict[str, Any] = {
        "prompt": "Parse a duration.",
        "signature": "def parse(text: str) -> int:",
        "constraints": ["No regular expressions.", "Raise ValueError."],
        "examples": [{"input": "PT5M", "output": "300"}],
    }
    async with in_process() as service:
        await service.client.post("/generate", json=body)
        text = prompt_text(service.engine)
    assert text.startswith("<|im_start|>system\n")
    assert text.endswith("<|im_end|>\n<|im_start|>assistant\n```python\n")
    order = [
        text.index(part) for part in (body["prompt"], body["signature"], *body["constraints"], "PT5M", "300")
    ]
    assert order == sorted(order)


async def test_without_open_fence_the_model_writes_its_own(in_process: Serve) -> None:
    engine = FakeEngine(script=f"Sure:\n```python\n{CODE}```\n")
    async with in_process(engine, generate__open_fence=False) as service:
        answer = await service.client.post("/generate", json={"prompt": "Add one."})
    assert prompt_text(engine).endswith("assistant\n")
    assert answer.json()["code"] == CODE


async def test_a_gap_is_laid_out_as_fim_and_answered_verbatim(in_process: Serve) -> None:
    engine = FakeEngine(script="x + 1  # ```\n```")
    async with in_process(engine) as service:
        answer = await service.client.post("/generate", json={"prefix": "a = ", "suffix": "\nb"})
    ids = (PREFIX, *map(ord, "a = "), SUFFIX, *map(ord, "\nb"), MIDDLE)
    assert asked(engine).prompt_token_ids == ids
    assert answer.json()["code"] == engine.script


@pytest.mark.parametrize(("given", "other"), [("prefix", "suffix"), ("suffix", "prefix")])
async def test_either_side_makes_it_a_completion(in_process: Serve, given: str, other: str) -> None:
    async with in_process() as service:
        answer = await service.client.post("/generate", json={given: "x", other: None})
    assert answer.status_code == 200
    assert asked(service.engine).prompt_token_ids[0] == PREFIX


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "{}"},
        {"prompt": "a", "signature": "{}"},
        {"prompt": "a", "constraints": ["{}"]},
        {"prompt": "a", "examples": [{"input": "{}", "output": "{}"}]},
        {"prefix": "{}", "suffix": "a"},
        {"prefix": "a", "suffix": "{}"},
        {"prompt": "{}", "prefix": "a"},
    ],
    ids="-".join,
)
async def test_special_tokens_in_a_users_text_stay_text(in_process: Serve, body: dict[str, Any]) -> None:
    def filled(value: Any, text: str) -> Any:
        if isinstance(value, dict):
            return {name: filled(child, text) for name, child in value.items()}
        if isinstance(value, list):
            return [filled(child, text) for child in value]
        return value.replace("{}", text)

    async with in_process() as service:
        for text in ("harmless", "".join(SPECIAL)):
            await service.client.post("/generate", json=filled(body, text))
        harmless, spelt = service.engine.requests
    assert isinstance(harmless, GenerationRequest)
    assert isinstance(spelt, GenerationRequest)
    specials = [
        [i for i in request.prompt_token_ids if i in SPECIAL.values()] for request in (harmless, spelt)
    ]
    assert specials[0] == specials[1]
    assert "".join(SPECIAL) in service.engine.tokenizer.decode(spelt.prompt_token_ids)


async def test_the_default_language_is_a_setting(in_process: Serve) -> None:
    async with in_process(generate__language="go") as service:
        answer = await service.client.post("/generate", json={"prompt": "Add one."})
    assert answer.json()["language"] == "go"
    assert prompt_text(service.engine).endswith("```go\n")


async def test_plain_text_is_left_as_it_comes(in_process: Serve) -> None:
    engine = FakeEngine(script="Here it is:\n```python\nx\n```\nDone.")
    async with in_process(engine) as service:
        answer = await service.client.post("/generate", json={"prompt": "Explain.", "language": "text"})
    assert answer.json()["code"] == engine.script


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "x" * 9000},
        {"prompt": "x", "signature": "x" * 9000},
        {"prompt": "x", "constraints": ["x" * 9000]},
        {"prompt": "x", "examples": [{"input": "x" * 9000, "output": ""}]},
        {"prefix": "x" * 9000},
        {"suffix": "x" * 9000},
    ],
    ids=lambda body: list(body)[-1],
)
async def test_long_texts_are_tokenised_off_the_event_loop(
    in_process: Serve, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any]
) -> None:
    threads: list[threading.Thread] = []

    def noting(*args: Any, **kwargs: Any) -> Prompt:
        threads.append(threading.current_thread())
        return prompt_module.fit(*args, **kwargs)

    monkeypatch.setattr("service.pipeline.fit", noting)
    async with in_process(FakeEngine(max_model_len=20_000)) as service:
        await service.client.post("/generate", json={"prompt": "short"})
        answer = await service.client.post("/generate", json=body)
    assert answer.status_code == 200
    assert threads[0] is threading.main_thread()
    assert threads[1] is not threading.main_thread()


# ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "script",
    [
        f"{CODE}```\nDone.",
        CODE,
        "",
        "s = 'é 漢 🙂'\n```",
        "```python\nx = 1\n```",
        "x = '''\n```\n'''\n```",
        "a\u2028b\r\n\tc\x00",
    ],
)
@pytest.mark.parametrize(
    "task", [{"prompt": "Write it."}, {"prefix": "a", "suffix": "b"}], ids=["chat", "fim"]
)
@pytest.mark.parametrize("open_fence", [True, False])
async def test_a_streams_pieces_join_to_the_whole_answer(
    in_process: Serve, script: str, task: dict[str, Any], open_fence: bool
) -> None:
    async with in_process(FakeEngine(script=script), generate__open_fence=open_fence) as service:
        whole = (await service.client.post("/generate", json=task)).json()
        stream = await service.client.post("/generate", json={**task, "stream": True})
    *pieces, report = payloads(stream.text)
    assert "".join(piece["delta"] for piece in pieces) == report["code"] == whole["code"]
    assert all(piece["id"] == report["id"] and set(piece) == {"id", "delta"} for piece in pieces)
    assert all(piece["delta"] for piece in pieces)
    for answer in (report, whole):
        del answer["id"], answer["timings_ms"]
    assert report == whole


async def test_a_stream_is_an_event_stream_nobody_may_buffer_or_keep(in_process: Serve) -> None:
    async with in_process() as service:
        stream = await service.client.post("/generate", json={"prompt": "x", "stream": True})
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["cache-control"] == "no-store"
    assert stream.headers["x-accel-buffering"] == "no"
    assert "content-length" not in stream.headers


# ── the report ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_report_says_what_was_done(in_process: Serve) -> None:
    async with in_process(FakeEngine(name="a-model")) as service:
        answer = await service.client.post(
            "/generate", json={"prompt": "x", "language": "cpp"}, headers={"X-Request-Id": "mine-1"}
        )
        prompt_tokens = len(asked(service.engine).prompt_token_ids)
    report = answer.json()
    timings = report.pop("timings_ms")
    usage = report.pop("usage")
    assert report == {
        "id": "mine-1",
        "model": "a-model",
        "language": "cpp",
        "code": CODE,
        "finish_reason": "stop",
        "syntax": {
            "enforced": False,
            "mode": None,
            "valid": None,
            "changed_tokens": None,
            "changed_share": None,
            "closing_forced": False,
            "degraded": None,
        },
        "retrieved": [],
        "retrieval": None,
        "steering": {},
        "candidates": {
            "generated": 1,
            "passed_examples": None,
            "chosen": 0,
            "each": [{"passed_examples": None, "mean_logprob": None, "finish_reason": "stop", "code": None}],
        },
        "prompt": {"trimmed_prefix_chars": 0, "trimmed_suffix_chars": 0, "stages": 1},
    }
    assert usage["prompt_tokens"] == prompt_tokens
    assert usage["total_tokens"] == prompt_tokens + usage["completion_tokens"]
    assert usage["completion_tokens"] > 0
    assert usage["cached_tokens"] == 0
    assert 0 <= timings["queue"] <= timings["first_token"] <= timings["total"]
    assert timings["retrieve"] == timings["examples"] == timings["mask_p50_us"] == timings["mask_max_us"] == 0


async def test_an_answer_without_a_token_has_no_time_of_a_first_one(in_process: Serve) -> None:
    async with in_process(Candidates()) as service:
        report = (await service.client.post("/generate", json={"prompt": "x"})).json()
    assert report["code"] == ""
    assert report["timings_ms"]["first_token"] is None
    assert report["usage"]["completion_tokens"] == 0


async def test_tokens_found_in_the_cache_are_reported(in_process: Serve) -> None:
    class Cached(FakeEngine):
        async def generate(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
            self.requests.append(request)
            yield Delta(0, "x", 1, cached_tokens=7)
            yield Delta(0, "y", 1, finish_reason="stop")

    async with in_process(Cached()) as service:
        report = (await service.client.post("/generate", json={"prompt": "x"})).json()
    assert report["usage"]["cached_tokens"] == 7


async def test_a_long_prefix_loses_its_beginning_and_the_report_says_how_much(in_process: Serve) -> None:
    prefix = "".join(f"line_{i} = {i}\n" for i in range(200))
    async with in_process(FakeEngine(max_model_len=512)) as service:
        answer = await service.client.post("/generate", json={"prefix": prefix, "suffix": "end"})
        text = prompt_text(service.engine)
    cut = answer.json()["prompt"]["trimmed_prefix_chars"]
    assert 0 < cut < len(prefix)
    assert text == f"<|fim_prefix|>{prefix[cut:]}<|fim_suffix|>end<|fim_middle|>"
    assert len(asked(service.engine).prompt_token_ids) + asked(service.engine).sampling.max_tokens <= 512


# ── what the engine is asked ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("field", "value", "attribute", "handed"),
    [
        ("seed", 7, "seed", 7),
        ("seed", -(2**63), "seed", -(2**63)),
        ("seed", 2**63 - 1, "seed", 2**63 - 1),
        ("seed", None, "seed", None),
        ("stop", "END", "stop", ("END",)),
        ("stop", ["a", "b"], "stop", ("a", "b")),
        ("stop", [], "stop", ()),
        ("stop", None, "stop", ()),
        ("temperature", 0, "temperature", 0.0),
        ("temperature", 2, "temperature", 2.0),
        ("top_p", 0.5, "top_p", 0.5),
        ("max_tokens", 1, "max_tokens", 1),
        ("max_tokens", 99, "max_tokens", 99),
        ("candidates", 3, "n", 3),
        ("candidates", 3, "logprobs", True),
        ("candidates", 1, "logprobs", False),
    ],
)
async def test_sampling_options_are_handed_to_the_engine(
    in_process: Serve, field: str, value: Any, attribute: str, handed: Any
) -> None:
    async with in_process() as service:
        answer = await service.client.post("/generate", json={"prompt": "x", field: value})
    assert answer.status_code == 200
    assert getattr(asked(service.engine).sampling, attribute) == handed


async def test_what_a_request_leaves_out_has_the_documented_default(in_process: Serve) -> None:
    async with in_process() as service:
        await service.client.post("/generate", json={"prompt": "x"})
        document = (await service.client.get("/openapi.json")).json()
    defaults = {
        name: field.get("default")
        for name, field in document["components"]["schemas"]["GenerateRequest"]["properties"].items()
    }
    sampling = asked(service.engine).sampling
    assert sampling.max_tokens == defaults["max_tokens"] == 512
    assert sampling.temperature == defaults["temperature"] == 0.2
    assert sampling.top_p == defaults["top_p"] == 1.0
    assert sampling.n == defaults["candidates"] == 1
    assert sampling.seed is defaults["seed"] is None


async def test_generation_ends_at_every_control_token(in_process: Serve) -> None:
    async with in_process() as service:
        await service.client.post("/generate", json={"prompt": "x", "syntax": "off"})
    assert set(asked(service.engine).sampling.stop_token_ids) == {SPECIAL[token] for token in STOP_TOKENS}


async def test_max_tokens_is_cut_to_what_the_context_leaves(in_process: Serve) -> None:
    async with in_process(FakeEngine(max_model_len=400)) as service:
        answer = await service.client.post("/generate", json={"prompt": "x", "max_tokens": 4096})
    assert answer.status_code == 200
    request = asked(service.engine)
    assert len(request.prompt_token_ids) + request.sampling.max_tokens == 400


async def test_a_chat_that_leaves_no_room_for_an_answer_is_refused(in_process: Serve) -> None:
    async with in_process(FakeEngine(max_model_len=400)) as service:
        refused = await service.client.post("/generate", json={"prompt": "x" * 399})
    error = refused.json()["error"]
    assert refused.status_code == 400
    assert (error["param"], error["code"]) == ("prompt", "context_length_exceeded")
    assert service.engine.requests == []


# ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("max_tokens", "reason"), [(1, "length"), (2, "length"), (100, "stop")])
async def test_an_answer_cut_by_max_tokens_says_length(
    in_process: Serve, max_tokens: int, reason: str
) -> None:
    async with in_process() as service:
        answer = await service.client.post("/generate", json={"prompt": "x", "max_tokens": max_tokens})
    assert answer.json()["finish_reason"] == reason
    assert CODE.startswith(answer.json()["code"])
    assert answer.json()["usage"]["completion_tokens"] == min(max_tokens, 7)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_closing_fence_ends_the_engines_request(in_process: Serve, stream: bool) -> None:
    # A talker that would go on for minutes.
    engine = FakeEngine(script=f"{CODE}```\n" + "and so on " * 10_000, token_seconds=0.001)
    async with in_process(engine) as service:
        answer = await service.client.post(
            "/generate", json={"prompt": "x", "stream": stream, "max_tokens": 4096, "syntax": "off"}
        )
        await until(lambda: engine.num_open == 0)
        assert service.app.state.services.admission.seats_taken == 0
    report = payloads(answer.text)[-1] if stream else answer.json()
    assert report["code"] == CODE
    assert report["finish_reason"] == "stop"
    assert report["usage"]["completion_tokens"] < 20
    assert engine.num_aborted == 1


async def test_a_fence_does_not_end_a_completion(in_process: Serve) -> None:
    engine = FakeEngine(script="a\n```\nb")
    async with in_process(engine) as service:
        answer = await service.client.post("/generate", json={"prefix": "x"})
    assert answer.json()["code"] == engine.script
    assert engine.num_aborted == 0


# ── candidates ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stream", [False, True])
async def test_the_likeliest_candidate_is_returned(in_process: Serve, stream: bool) -> None:
    engine = Candidates()
    engine.answers = (
        ("a = 1\n```", -5.0, "stop"),
        ("b = 2\n```", -1.0, "stop"),
        ("c = 3\n```", -9.0, "stop"),
    )
    async with in_process(engine) as service:
        answer = await service.client.post(
            "/generate",
            json={"prompt": "x", "candidates": 3, "stream": stream, "language": "python", "syntax": "off"},
        )
    if stream:
        piece, report = payloads(answer.text)
        assert piece["delta"] == "b = 2\n"
    else:
        report = answer.json()
    assert report["code"] == "b = 2\n"
    candidates = report["candidates"]
    assert (candidates["generated"], candidates["passed_examples"], candidates["chosen"]) == (3, None, 1)
    assert [each["mean_logprob"] for each in candidates["each"]] == [-0.5, -0.1, -0.9]
    assert all(each["code"] is None for each in candidates["each"])
    assert report["usage"]["completion_tokens"] == 30


async def test_all_candidates_are_waited_for(in_process: Serve) -> None:
    engine = Candidates()
    engine.answers = (("a = 1\n```", -5.0, None), ("b = 2\n", -1.0, "length"))
    async with in_process(engine) as service:
        body = {"prompt": "x", "candidates": 2, "syntax": "off"}
        report = (await service.client.post("/generate", json=body)).json()
    # The finished one goes before the likelier one that was cut.
    assert (report["code"], report["finish_reason"]) == ("a = 1\n", "stop")


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("context", {"comments": "c"}),
        ("context", {"trace": "t"}),
        ("context", {"comments": ""}),
    ],
)
async def test_an_option_this_build_lacks_is_refused_by_name(
    in_process: Serve, field: str, value: Any
) -> None:
    async with in_process() as service:
        answer = await service.client.post("/generate", json={"prompt": "x", field: value})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["param"], error["code"], error["type"]) == (field, "not_available", "invalid_request_error")
    assert "not available in this build" in error["message"]
    assert service.engine.requests == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("syntax", "off"),
        ("verbosity", 0),
        ("verbosity", 0.0),
        ("verbosity", "normal"),
        ("style", {}),
        ("style", {"documented": 0}),
        ("retrieval", False),
        ("context", {}),
        ("context", {"comments": None, "trace": None}),
        ("select", "logprob"),
    ],
)
async def test_asking_for_nothing_of_it_is_fine(in_process: Serve, field: str, value: Any) -> None:
    async with in_process() as service:
        answer = await service.client.post("/generate", json={"prompt": "x", field: value})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": None},
        {"prompt": ""},
        {"prompt": " \n\t"},
        {"prefix": ""},
        {"prefix": "", "suffix": ""},
        {"signature": "def f():"},
        {"constraints": ["short"]},
    ],
)
async def test_a_request_without_a_task_is_refused(in_process: Serve, body: dict[str, Any]) -> None:
    async with in_process() as service:
        answer = await service.client.post("/generate", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "prompt"


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"promt": "x"}, "promt", "unknown_field"),
        ({"prompt": "x", "n": 2}, "n", "unknown_field"),
        ({"prompt": "x", "cache_salt": "mine"}, "cache_salt", "unknown_field"),
        ({"prompt": "x", "body": 1}, "body", "unknown_field"),
        ({"prompt": "x", "context": {"image": "i"}}, "context.image", "unknown_field"),
        ({"prompt": "x", "examples": [{"input": "", "output": "", "x": 1}]}, "examples.0.x", "unknown_field"),
        ({"prompt": "x", "language": "klingon"}, "language", "unknown_language"),
        ({"prompt": "x", "language": "Python"}, "language", "unknown_language"),
        ({"prompt": "x", "language": ""}, "language", "unknown_language"),
        ({"prompt": "x", "prefix": "{", "language": "json"}, "prompt", None),
        ({"prompt": "x", "examples": [{"input": ""}]}, "examples.0.output", None),
        ({"prompt": "x", "stop": ["a", ""]}, "stop", None),
    ],
)
async def test_a_refusal_names_the_field(
    in_process: Serve, body: dict[str, Any], param: str, code: str | None
) -> None:
    async with in_process() as service:
        answer = await service.client.post("/generate", json=body)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["param"], error["code"]) == (param, code)
    assert service.engine.requests == []


async def test_a_streams_refusal_is_a_plain_answer(in_process: Serve) -> None:
    async with in_process() as service:
        answer = await service.client.post("/generate", json={"prompt": "x", "verbosity": 1, "stream": True})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["param"] == "verbosity"
