from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.cli import main
from evaluation.errors import ConfigError
from evaluation.records import Record, read_records
from evaluation.reselect import Rule, chosen_by
from evaluation.run_folder import RunConfig
from tests.evaluation.conftest import ToyService
from tests.evaluation.rows import human_eval_row, write_rows


def code(name: str) -> str:
    return f"def add(a, b):\n    return a + b  # {name}\n"


def candidate(name: str, logprob: float | None, passed: int | None, reason: str = "stop") -> dict[str, Any]:
    made = code(name) if name else ""
    return {"code": made, "mean_logprob": logprob, "passed_examples": passed, "finish_reason": reason}


# The likeliest of those that ended is "likely", the one that passes is "right".
FIVE = [
    candidate("first", -0.3, 0),
    candidate("likely", -0.1, 0),
    candidate("right", -0.9, 2),
    candidate("cut", -0.01, 1, "length"),
    candidate("", -0.05, None),
]


def sample(chosen: int, candidates: list[dict[str, Any]] = FIVE, **fields: Any) -> Record:
    report = {"candidates": {"generated": 5, "chosen": chosen, "each": candidates}}
    key = {"task_id": "Own/0", "seed": 0, "index": 1}
    return {**key, "answer": candidates[chosen]["code"], "finish_reason": "stop", "report": report, **fields}


def config(select: str) -> RunConfig:
    overrides = {"candidates": 5, "select": select}
    return RunConfig("own", "n5", "generate", overrides, "m", "u", 1, "d", 1, 1, 0.2, None)


@pytest.mark.parametrize(
    ("rule", "name"), [(Rule.FIRST, "first"), (Rule.LOGPROB, "likely"), (Rule.EXAMPLES, "right")]
)
def test_each_rule_chooses_its_own_of_the_same_candidates(rule: Rule, name: str) -> None:
    (record,) = chosen_by(rule, sample(2), config("examples"))
    assert record["answer"] == code(name)
    assert record["index"] == 1
    assert record["report"]["candidates"]["each"][record["report"]["candidates"]["chosen"]]["code"] == code(
        name
    )


def test_what_the_service_said_of_its_choice_is_not_said_of_another() -> None:
    said = sample(2)
    said["report"]["syntax"] = {"enforced": True}
    kept = {rule: "syntax" in chosen_by(rule, said, config("examples"))[0]["report"] for rule in Rule}
    assert kept == {Rule.FIRST: False, Rule.LOGPROB: False, Rule.EXAMPLES: True, Rule.ALL: False}


def test_all_makes_each_candidate_a_sample() -> None:
    records = chosen_by(Rule.ALL, sample(2), config("examples"))
    assert [record["index"] for record in records] == [5, 6, 7, 8, 9]
    assert [record["answer"] for record in records] == [each["code"] for each in FIVE]


@pytest.mark.parametrize(
    ("rule", "record", "select", "message"),
    [
        (Rule.LOGPROB, sample(0), "examples", "service chose candidate 0, its rule gives 2"),
        (Rule.LOGPROB, sample(2, answer="other"), "examples", "service chose"),
        (Rule.EXAMPLES, sample(1), "logprob", "ran no examples"),
        (Rule.FIRST, sample(2, [{**each, "code": None} for each in FIVE]), "examples", "return_candidates"),
        (Rule.FIRST, {**sample(2), "report": {}}, "examples", "return_candidates"),
    ],
)
def test_what_cannot_be_chosen_honestly_is_refused(
    rule: Rule, record: Record, select: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        chosen_by(rule, record, config(select))


def test_a_refused_prompt_stays_refused_under_each_rule() -> None:
    refused = {**sample(2), "refused": "HTTP 400: too long", "report": {}}
    assert chosen_by(Rule.LOGPROB, refused, config("examples")) == [refused]


@pytest.mark.usefixtures("sandbox")
def test_one_sampling_serves_every_selection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: ToyService, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CODEFUSION_DATA", raising=False)
    problems = write_rows(tmp_path / "own.jsonl", [human_eval_row(f"Own/{number}") for number in range(3)])
    wrong = "def add(a, b):\n    return 7\n"
    five = [{**FIVE[0], "code": wrong}, {**FIVE[1], "code": wrong}, *FIVE[2:]]

    def reply(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert (path, body["return_candidates"]) == ("/generate", True)
        usage = {"prompt_tokens": 1, "completion_tokens": 50}
        report = {"generated": 5, "chosen": 2, "each": five}
        answer = {"code": five[2]["code"], "finish_reason": "stop", "usage": usage, "candidates": report}
        return 200, answer

    service.reply = reply
    own = ["--problems", str(problems)]
    run = [
        "run",
        "own",
        "--base-url",
        service.url,
        "--arm",
        "n5-examples",
        "--temperature",
        "0.2",
        "--output",
        "r",
    ]
    assert main([*run, *own]) == 0
    service.seen.clear()
    rates: dict[str, list[str]] = {}
    for rule in Rule:
        assert main(["reselect", "r", "--by", rule, "--output", f"by-{rule}", *own]) == 0
        rates[rule] = sorted(v["status"] for v in read_records(Path(f"by-{rule}/verdicts.jsonl")))
    assert service.seen == []
    assert rates["first"] == rates["logprob"] == ["failed"] * 3
    assert rates["examples"] == ["passed"] * 3
    assert len(rates["all"]) == 15
    assert json.loads(Path("by-logprob/run.json").read_text())["arm"] == "n5-examples@logprob"
    # A part of a run is chosen among and judged; what it lacks is not asked for under another rule's name.
    Path("part").mkdir()
    Path("part/run.json").write_bytes(Path("r/run.json").read_bytes())
    Path("part/samples.jsonl").write_text(Path("r/samples.jsonl").read_text().splitlines()[0] + "\n")
    assert main(["reselect", "part", "--by", "first", "--output", "part-first", *own]) == 0
    assert service.seen == []
    assert len(read_records(Path("part-first/samples.jsonl"))) == 1
    assert "1 of 3 samples are scored" in capsys.readouterr().err
    assert main(["report", "r", "by-first", "by-all", *own]) == 0
    assert "n5-examples@all" in Path("report/report.md").read_text()
    assert main(["reselect", "by-first", "--by", "logprob", "--output", "again", *own]) == 2
    assert "service chose" in capsys.readouterr().err
