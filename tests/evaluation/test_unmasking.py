from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.cli import main
from evaluation.errors import ConfigError
from evaluation.records import Record, read_records
from evaluation.run_folder import RunConfig
from evaluation.unmasking import is_untouched, unmasked_arm
from tests.evaluation.conftest import ToyService
from tests.evaluation.rows import human_eval_row, write_rows


def masked(changed: int | None, *, forced: bool = False) -> Record:
    syntax = {"enforced": True, "changed_tokens": changed, "closing_forced": forced}
    return {"task_id": "Own/0", "report": {"syntax": syntax}}


@pytest.mark.parametrize(
    ("sample", "untouched"),
    [
        (masked(0), True),
        (masked(1), False),
        (masked(0, forced=True), False),
        ({"task_id": "Own/0", "report": {"syntax": {"enforced": False}}}, True),
        ({"task_id": "Own/0", "refused": "too long"}, True),
    ],
)
def test_an_answer_is_untouched_when_the_likeliest_token_was_always_allowed(
    sample: Record, untouched: bool
) -> None:
    assert is_untouched(sample) is untouched


def test_what_was_not_counted_is_not_guessed() -> None:
    with pytest.raises(ConfigError, match="counted no changed tokens"):
        is_untouched(masked(None))


@pytest.mark.parametrize(
    ("route", "temperature", "overrides"),
    [("raw", 0.0, {}), ("generate", 0.2, {}), ("generate", 0.0, {"syntax": "off"})],
)
def test_only_a_greedy_masked_run_can_be_unmasked(
    route: str, temperature: float, overrides: dict[str, Any]
) -> None:
    config = RunConfig("own", "a", route, overrides, "m", "u", 1, "d", 1, 1, temperature, None)
    with pytest.raises(ConfigError, match="expected a greedy run"):
        unmasked_arm(config)


@pytest.mark.usefixtures("sandbox")
def test_only_what_the_mask_changed_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: ToyService
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CODEFUSION_DATA", raising=False)
    names = ("add", "sum_of")
    rows = [human_eval_row(f"Own/{i}", prompt=f"def {name}(a, b):\n") for i, name in enumerate(names)]
    problems = write_rows(tmp_path / "own.jsonl", rows)

    def reply(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        changed = int("sum_of" in body["prompt"])
        code = f"def add(a, b):\n    return a + b  # {body.get('syntax', 'masked')}\n"
        report = {"enforced": "syntax" not in body, "changed_tokens": changed, "closing_forced": False}
        usage = {"prompt_tokens": 1, "completion_tokens": 5}
        return 200, {"code": code, "finish_reason": "stop", "usage": usage, "syntax": report}

    service.reply = reply
    own = ["--base-url", service.url, "--problems", str(problems)]
    assert main(["run", "own", "--arm", "generate", "--output", "r", *own]) == 0
    service.seen.clear()
    assert main(["unmask", "r", "--output", "bare", *own]) == 0
    assert [body["syntax"] for _, body in service.seen] == ["off"]
    answers = {
        r["task_id"]: r["answer"].split("# ")[1].strip() for r in read_records(Path("bare/samples.jsonl"))
    }
    assert ["syntax" in r["report"] for r in read_records(Path("bare/samples.jsonl"))] == [False, True]
    assert answers == {"Own/0": "masked", "Own/1": "off"}
    assert len(read_records(Path("bare/verdicts.jsonl"))) == 2
    config = json.loads(Path("bare/run.json").read_text())
    assert (config["arm"], config["overrides"]) == ("unmasked", {"syntax": "off"})
