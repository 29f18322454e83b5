"""Staged prompting: what a request says is asked in turns, and each prompt goes on from the one before."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from service.engine import GenerationRequest
from service.fake_engine import FakeEngine
from tests.conftest import Running, Serve

CODE = "def parse(text):\n    return 300\n"
BODY: dict[str, Any] = {
    "prompt": "Parse a duration.",
    "signature": "def parse(text: str) -> int:",
    "constraints": ["No regular expressions."],
    "examples": [{"input": "parse('PT5M')", "output": "300"}],
    "prompting": "staged",
}


def prompts(service: Running) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for request in service.engine.requests:
        assert isinstance(request, GenerationRequest)
        found.append(request.prompt_token_ids)
    return found


async def test_each_stage_goes_on_from_the_one_before(in_process: Serve) -> None:
    async with in_process(FakeEngine(script=f"{CODE}```")) as service:
        report = (await service.client.post("/generate", json=BODY)).json()
        decode = service.engine.tokenizer.decode
        sent = prompts(service)
        single = (await service.client.post("/generate", json={**BODY, "prompting": "single"})).json()
    assert report["code"] == CODE
    assert report["prompt"]["stages"] == len(sent) == 3
    for before, after in itertools.pairwise(sent):
        assert after[: len(before)] == before  # so the prefix cache has it
        assert decode(after[len(before) :]).startswith(CODE)
    first, second, third = (decode(ids) for ids in sent)
    assert "Parse a duration." in first
    assert "Start from this signature" not in first
    assert second.count("def parse(text: str) -> int:") == 1
    assert "Requirements" not in second
    assert third.count("Parse a duration.") == 1
    assert third.index("Requirements:\n- No regular expressions.") < third.index("Output: 300")
    assert all(text.endswith("<|im_start|>assistant\n```python\n") for text in (first, second, third))
    assert len({request.request_id for request in service.engine.requests}) == 4
    # Every token that was generated is counted.
    assert report["usage"]["completion_tokens"] == 3 * single["usage"]["completion_tokens"]
    assert report["usage"]["prompt_tokens"] == len(sent[-1])


@pytest.mark.parametrize(
    ("left_out", "stages"),
    [
        (("signature",), 2),
        (("constraints", "examples"), 2),
        (("constraints",), 3),
        (("signature", "constraints", "examples"), 1),
    ],
)
async def test_there_are_as_many_stages_as_there_is_to_say(
    in_process: Serve, left_out: tuple[str, ...], stages: int
) -> None:
    async with in_process(FakeEngine(script=f"{CODE}```")) as service:
        body = {name: value for name, value in BODY.items() if name not in left_out}
        report = (await service.client.post("/generate", json=body)).json()
        assert report["prompt"]["stages"] == len(service.engine.requests) == stages
        if stages == 1:
            await service.client.post("/generate", json={**body, "prompting": "single"})
            assert prompts(service)[0] == prompts(service)[1]


async def test_candidates_and_the_stream_are_of_the_last_stage(in_process: Serve) -> None:
    async with in_process(FakeEngine(script=f"{CODE}```")) as service:
        await service.client.post("/generate", json={**BODY, "candidates": 2})
        counts = [r.sampling.n for r in service.engine.requests if isinstance(r, GenerationRequest)]
        assert counts == [1, 1, 2]
        stream = (await service.client.post("/generate", json={**BODY, "stream": True})).text
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    assert "".join(event.get("delta", "") for event in events) == CODE
    assert events[-1]["prompt"]["stages"] == 3


@pytest.mark.parametrize(
    "body",
    [
        {"prefix": "x = ", "prompting": "staged"},
        {"prompt": "x", "suffix": "y", "prompting": "staged"},
        {**BODY, "language": "text"},
    ],
)
async def test_gaps_and_plain_text_are_not_staged(in_process: Serve, body: dict[str, Any]) -> None:
    async with in_process() as service:
        answer = await service.client.post("/generate", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, "prompting", "conflicting_options")
    assert service.engine.requests == []


async def test_a_conversation_that_outgrows_the_context_is_refused(in_process: Serve) -> None:
    engine = FakeEngine(script=f"{CODE * 20}```", max_model_len=900)
    async with in_process(engine) as service:
        answer = await service.client.post("/generate", json={**BODY, "max_tokens": 800})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"
