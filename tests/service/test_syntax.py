"""What a request's code is held to, its recovery, the spec on its way, and the reports that come back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.fake_engine import FakeEngine
from service.fences import code_blocks
from service.syntax import SyntaxPlanner, UnjoinableSuffixError
from service.syntax_spec import NUM_TIME_BUCKETS, SyntaxCounts, SyntaxSpec, SyntaxSpecError
from tests.conftest import Serve
from tests.service.test_generate import asked

PLANNER = SyntaxPlanner()
BROKEN = "def f(:\n  pass\n\n"


# ── planning ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("prefix", "suffix", "mode"),
    [(None, None, "whole"), ("x = ", None, "continuation"), ("x = ", "\n", "infilling"), (None, "\ny", "infilling"),
     ("", "", "whole")],
)  # fmt: skip
def test_the_mode_says_what_stands_around_the_answer(prefix: str, suffix: str, mode: str) -> None:
    spec = PLANNER.plan_code("python", prefix, suffix, needs_join=True)
    assert spec == SyntaxSpec("python", mode, prefix or "", suffix or None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("language", "broken", "rest"),
    [
        ("python", BROKEN, "class A:\n    x = [1,"),
        ("python", "class A:\n    def f(:\n        pass\n", "    def g(self):\n        return ("),
        ("java", "class A {\n  void f( {\n  }\n", "  void g() {\n    int x = ("),
        ("go", "package main\nfunc f( {\n}\n", "func g() {\n\tx := ("),
        ("go", "package main\nfunc f() {\n\tx := := 1\n", "\ty := f("),
    ],
)
def test_a_broken_prefix_is_followed_from_behind_its_fault(language: str, broken: str, rest: str) -> None:
    spec = PLANNER.plan_code(language, broken + rest, None, needs_join=True)
    assert spec.prefix.endswith(rest)
    assert broken not in spec.prefix
    assert spec.degraded is not None
    assert "is no beginning of a program (line" in spec.degraded


def test_a_fault_on_the_cursors_line_leaves_the_answer_by_itself() -> None:
    spec = PLANNER.plan_code("python", "x = 1\ny = = ", None, needs_join=True)
    assert spec.prefix == ""
    assert spec.degraded == (
        "the prefix is no beginning of a program (line 2): the answer was held to be one by itself"
    )


def test_a_suffix_that_nothing_joins_is_refused_or_left_out() -> None:
    prefix, suffix = "x = 1\n", "\ny = = 2\n"
    with pytest.raises(UnjoinableSuffixError):
        PLANNER.plan_code("python", prefix, suffix, needs_join=True)
    spec = PLANNER.plan_code("python", prefix, suffix, needs_join=False)
    assert spec.may_end_anywhere
    assert spec.suffix is None
    assert spec.degraded == "no text was found that joins prefix and suffix: what follows was not looked at"


def test_a_megabyte_of_broken_prefix_is_bounded() -> None:
    line = "x = [1, 2, 3]  # a line of code\n"
    text = BROKEN + line * (1_000_000 // len(line))
    spec = PLANNER.plan_code("python", text, None, needs_join=True)
    assert len(spec.prefix) > 900_000
    hopeless = "x = = 1\n" * 125_000
    assert PLANNER.plan_code("python", hopeless, None, needs_join=True).prefix == ""


@pytest.mark.parametrize(
    ("answer", "valid"),
    [
        ("Only prose ]}", True),
        ("A:\n```python\nx = 1\n```\nB", True),
        ("```python\nx = (\n```\n", False),
        ("```python\nx = 1\n", False),
        ("```ruby\nx = (\n```\n", True),
        ("```\nx = (\n```\n", False),
        ("```go\npackage a\n```\n```java\nclass A {\n```", False),
    ],
)
def test_a_chat_is_valid_when_each_of_its_fences_is(answer: str, valid: bool) -> None:
    assert PLANNER.is_valid(PLANNER.plan_fenced("python"), answer) is valid


def test_an_answer_is_judged_in_its_place() -> None:
    spec = PLANNER.plan_code("python", "x = (", ")\n", needs_join=True)
    assert PLANNER.is_valid(spec, "1 + 1")
    assert not PLANNER.is_valid(spec, "1 +")


def test_blocks_of_markdown() -> None:
    text = "a\n```py\nx\n```\n ````\n```\ny\n````\nb ```\n```go"
    assert list(code_blocks(text)) == [("py", "x\n", True), ("", "```\ny\n", True), ("go", "", False)]


# ── the spec and the counts on their way ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "spec",
    [
        SyntaxSpec("python"),
        SyntaxSpec("go", "infilling", 'a\n"# é\u2028\\', "\n]\x00", may_end_anywhere=True, degraded="why"),
    ],
)
def test_a_spec_comes_back_as_it_went(spec: SyntaxSpec) -> None:
    text = spec.to_grammar()
    assert text.count("\n") == 2
    assert SyntaxSpec.from_grammar(text) == spec


def test_somebody_elses_grammar_is_none_of_ours() -> None:
    assert SyntaxSpec.from_grammar('# a comment\nroot ::= "a"\n') is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("# codefusion-syntax/2 {}", "expected a syntax spec of version 1, got version '2'"),
        ("# codefusion-syntax/1 {", "expected a syntax spec as JSON"),
        ("# codefusion-syntax/1 {}", "expected the fields language"),
        ("# codefusion-syntax/1 []", "expected the fields language"),
    ],
)
def test_a_damaged_spec_is_refused(line: str, message: str) -> None:
    with pytest.raises(SyntaxSpecError, match=message):
        SyntaxSpec.from_grammar(line + "\nroot ::= [^\\x00]*\n")


@pytest.mark.parametrize(
    ("name", "value"), [("language", 5), ("mode", "some"), ("suffix", []), ("prefix", None)]
)
def test_a_spec_with_a_wrong_value_is_refused(name: str, value: Any) -> None:
    head, body = SyntaxSpec("python").to_grammar().split("\n")[0].split(" {", 1)
    values = {**json.loads("{" + body), name: value}
    with pytest.raises(SyntaxSpecError, match=f"{name}: expected"):
        SyntaxSpec.from_grammar(f"{head} {json.dumps(values)}\n")


def test_counts_come_back_as_they_went() -> None:
    counts = SyntaxCounts("fenced", 5, 4, 2, closing_forced=True, bounds_hit=1, degraded="x", permissive=True)
    counts.timed(12.5)
    assert SyntaxCounts.from_wire(json.loads(json.dumps(counts.to_wire()))) == counts


@pytest.mark.parametrize(
    ("times", "median"),
    [([], 0.0), ([3.0], 4.0), ([1.0, 1.0, 100.0], 2.0), ([1e12], 2.0 ** (NUM_TIME_BUCKETS - 1))],
)
def test_the_median_is_the_upper_edge_of_its_bucket(times: list[float], median: float) -> None:
    counts = SyntaxCounts()
    for time in times:
        counts.timed(time)
    assert counts.median_fill_microseconds == median


# ── the routes ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "language", ["python", "java", "go", "javascript", "typescript", "tsx", "rust", None]
)
async def test_languages_with_a_grammar_are_masked_by_default(
    in_process: Serve, language: str | None
) -> None:
    async with in_process() as service:
        body = {"prompt": "x", **({"language": language} if language else {})}
        report = (await service.client.post("/generate", json=body)).json()
    task = asked(service.engine).syntax
    assert task is not None
    assert task.spec == SyntaxSpec(language or "python")
    assert report["syntax"]["mode"] == "whole"
    assert report["syntax"]["valid"] is (language in (None, "python"))
    assert report["code"] == "def answer(x):\n    return x + 1\n"
    (fence,) = service.engine.tokenizer.encode("```", add_special_tokens=False)
    assert fence in asked(service.engine).sampling.stop_token_ids


@pytest.mark.parametrize("body", [{"language": "ruby"}, {"language": "text"}, {"syntax": "off"}])
async def test_other_languages_and_who_asks_for_it_are_not(in_process: Serve, body: dict[str, str]) -> None:
    async with in_process() as service:
        report = (await service.client.post("/generate", json={"prompt": "x", **body})).json()
    assert asked(service.engine).syntax is None
    assert report["syntax"]["enforced"] is False
    assert report["syntax"]["valid"] is None


async def test_enforcing_a_language_without_a_grammar_names_those_with_one(in_process: Serve) -> None:
    async with in_process() as service:
        answer = await service.client.post(
            "/generate", json={"prompt": "x", "syntax": "enforce", "language": "ruby"}
        )
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (
        error["message"]
        == "language: syntax \"enforce\" is served for python, java, go, javascript, typescript, tsx, rust; got 'ruby'."
    )
    assert (error["param"], error["code"]) == ("language", "language_without_mask")


async def test_a_suffix_that_cannot_be_joined_is_refused_to_who_insists(in_process: Serve) -> None:
    body = {"prefix": "x = 1\n", "suffix": "\ny = = 2\n"}
    async with in_process(FakeEngine(script="z = 3")) as service:
        refused = await service.client.post("/generate", json={**body, "syntax": "enforce"})
        served = await service.client.post("/generate", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "suffix_cannot_be_joined"
    assert "was not looked at" in served.json()["syntax"]["degraded"]


async def test_what_was_left_of_a_broken_prefix_is_said(in_process: Serve) -> None:
    async with in_process(FakeEngine(script="1]")) as service:
        report = (await service.client.post("/generate", json={"prefix": BROKEN + "x = ["})).json()
    assert (
        report["syntax"]["degraded"].endswith("followed from line 2 on")
        or "line 4" in report["syntax"]["degraded"]
    )
    assert report["syntax"]["valid"] is True


CHAT = {"messages": [{"role": "user", "content": "x"}]}
TOOL = {"type": "function", "function": {"name": "f"}}
ENFORCE = {"syntax": "enforce", "language": "python"}


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("chat/completions", {**CHAT, "response_format": {"type": "json_object"}}, "response_format"),
        ("chat/completions", {**CHAT, "tool_choice": "required", "tools": [TOOL]}, "tool_choice"),
        ("completions", {"prompt": [1, 2]}, "prompt"),
        ("completions", {"prompt": "<|fim_prefix|>x<|fim_suffix|>y<|fim_middle|>"}, "prompt"),
        ("completions", {"prompt": "x = 1\n", "suffix": "\ny = = 2\n"}, "suffix"),
    ],
)  # fmt: skip
async def test_what_a_mask_cannot_go_with_is_refused(
    in_process: Serve, path: str, body: dict[str, Any], param: str
) -> None:
    async with in_process() as service:
        answer = await service.client.post(f"/v1/{path}", json={**body, "codefusion": ENFORCE})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert service.engine.requests == []


async def test_a_masked_completion_needs_its_language(in_process: Serve) -> None:
    async with in_process() as service:
        answer = await service.client.post(
            "/v1/completions", json={"prompt": "x", "codefusion": {"syntax": "enforce"}}
        )
    error = answer.json()["error"]
    assert (error["param"], answer.status_code) == ("codefusion.language", 400)
    assert "python, java, go, javascript, typescript, tsx" in error["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_openai_answers_carry_the_report(in_process: Serve, stream: bool) -> None:
    engine = FakeEngine(script="So:\n```python\nx = (\n```")
    async with in_process(engine) as service:
        answer = await service.client.post(
            "/v1/chat/completions", json={**CHAT, "stream": stream, "codefusion": ENFORCE}
        )
    if stream:
        *_, last, done = [line for line in answer.text.split("\n\n") if line]
        assert done == "data: [DONE]"
        report = json.loads(last.removeprefix("data: "))
        assert report["object"] == "chat.completion.chunk"
        assert report["choices"] == []
    else:
        report = answer.json()
    syntax = report["codefusion"]["syntax"]
    assert (syntax["mode"], syntax["valid"]) == ("fenced", False)


async def test_an_echoed_prompt_is_not_judged_twice(in_process: Serve) -> None:
    engine = FakeEngine(script="x = (1)")
    async with in_process(engine) as service:
        body = {"prompt": "x = (", "echo": True, "codefusion": ENFORCE}
        answer = await service.client.post("/v1/completions", json=body)
    assert answer.json()["codefusion"]["syntax"]["valid"] is True
