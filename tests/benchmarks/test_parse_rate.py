"""What is asked, what a finished text is found to run into, and how answers are counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.grammar_oracles import OracleMissingError
from benchmarks.parse_cases import ParseCase, answer_cases, gap_cases
from benchmarks.parse_rate import judge, main, read_records, section
from benchmarks.text_runs import bounds_reached


@pytest.mark.parametrize(
    ("language", "text", "found"),
    [
        ("python", "x = 1\n\n\ny = 2\n", set[str]()),
        ("python", "x = 1\n\n\n\n\ny = 2\n", {"blank lines"}),
        ("python", "# a\n" * 41, {"comment lines"}),
        ("java", "// " + "a" * 700, {"comment"}),
        ("go", "((((((((((((((", {"brackets in a row"}),
        ("go", "f(" * 70, {"open brackets"}),
        ("go", " " * 300, {"blanks"}),
    ],
)
def test_runs_are_found_in_finished_texts(language: str, text: str, found: set[str]) -> None:
    assert bounds_reached(language, text, beyond=True) == found


def test_a_text_at_a_bound_reaches_it_and_does_not_go_past() -> None:
    text = "x\n\n\n\n"
    assert bounds_reached("python", text) == {"blank lines"}
    assert bounds_reached("python", text, beyond=True) == set()


def test_tasks_come_from_the_training_ids_alone(tmp_path: Path) -> None:
    (tmp_path / "mbpp").mkdir()
    tasks = [{"task_id": n, "text": f"Write a python function for {n}."} for n in range(598, 604)]
    (tmp_path / "mbpp" / "mbpp.jsonl").write_text("\n".join(map(json.dumps, tasks)), encoding="utf-8")
    cases = answer_cases(tmp_path, 6, 50)
    assert {case.body["prompt"] for case in cases} == {f"Write a function for {n}." for n in (601, 602, 603)}
    assert [case.language for case in cases[:6]] == [
        "go", "java", "javascript", "python", "rust", "tsx",
    ]  # fmt: skip
    assert len({case.name for case in cases}) == 6
    with pytest.raises(BenchmarkError, match="expected MBPP"):
        answer_cases(tmp_path / "none", 1, 50)


def test_gaps_are_cut_into_files_that_parse() -> None:
    try:
        cases = gap_cases(3, 64, seed=1)
    except OracleMissingError as error:
        pytest.skip(str(error))
    for case in cases:
        assert case.body["prefix"] == case.before
        assert case.body["suffix"] == case.after
        assert "syntax" not in case.body


def record(case: str, arm: str, code: str, **syntax: object) -> dict[str, object]:
    report = {"degraded": None, "closing_forced": False, "changed_tokens": 1, **syntax}
    return {
        "case": case, "arm": arm, "code": code, "finish_reason": "length", "syntax": report,
        "usage": {"completion_tokens": 4},
    }  # fmt: skip


def test_answers_are_judged_in_their_place(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    records = [
        record("a", "raw", "1 +"),
        record("a", "masked", "1"),
        {"case": "b", "arm": "masked", "error": {}},
    ]
    path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    cases = [ParseCase("a", "python", {}, "x = (", ")\n"), ParseCase("b", "python", {})]
    try:
        found = judge(cases, read_records(path))
    except OracleMissingError as error:
        pytest.skip(str(error))
    raw, masked = found["raw"]["python"], found["masked"]["python"]
    assert (raw.answers, raw.accepted, raw.cut, len(raw.refused)) == (1, 0, 1, 1)
    assert (masked.answers, masked.accepted, masked.not_answered, masked.changed) == (1, 1, 1, 1)
    rows = {row[:2]: row for row in section(found).tables[0].rows}
    assert rows["raw", "python"][4:6] == ("0 (0.0%)", "0 of 1")
    assert rows["masked", "all"][4:6] == ("1 (100.0%)", "1 of 1")


def test_an_address_that_nobody_answers_at_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "mbpp").mkdir()
    (tmp_path / "mbpp" / "mbpp.jsonl").write_text('{"task_id": 601, "text": "x"}', encoding="utf-8")
    words = ["answers", "--data", str(tmp_path), "--cases", "1", "--records", str(tmp_path / "r.jsonl")]
    assert main([*words, "--base-url", "http://127.0.0.1:9"]) == 1
    assert "No service answers" in capsys.readouterr().err
