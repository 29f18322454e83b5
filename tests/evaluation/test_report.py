from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from evaluation.errors import RunFolderError
from evaluation.figures import paired, tables
from evaluation.mask_table import mask_row
from evaluation.records import Record, RecordWriter, read_records
from evaluation.report import highlighted, markdown, visible, write_report
from evaluation.run_folder import RunConfig, RunFolder, problems_digest
from evaluation.significance import wilson
from evaluation.suites.python_functions import human_eval
from evaluation.summary import RunSummary, summarise
from evaluation.text_similarity import corpus_bleu, corpus_bleu_interval
from tests.evaluation.rows import human_eval_row

HOSTILE = "</pre><script>alert(1)</script> ![x](http://evil) | \u202e"
PROBLEMS = [human_eval(human_eval_row(f"Own/{number}")) for number in range(6)]


def made_run(
    folder: Path, passed: list[bool], *, samples: int = 1, answer: str = "", task_id: str | None = None
) -> RunSummary:
    problems = PROBLEMS if task_id is None else [dataclasses.replace(PROBLEMS[0], task_id=task_id)]
    config = RunConfig(
        suite="own",
        arm=folder.name,
        route="raw",
        overrides={},
        model="toy",
        base_url="",
        num_problems=len(problems),
        problems_sha256=problems_digest(problems),
        samples=samples,
        seeds=1,
        temperature=0.2,
        max_tokens=None,
    )
    run = RunFolder(folder)
    run.open(config)
    with RecordWriter(run.samples_file) as records, RecordWriter(run.verdicts_file) as verdicts:
        for (task, seed, index), is_passed in zip(config.keys(problems), passed, strict=True):
            key: Record = {"task_id": task, "seed": seed, "index": index}
            text = answer or "def add(a, b):\n    return a + b\n"
            end: Record = {
                "finish_reason": "stop",
                "prompt_tokens": 1,
                "completion_tokens": 4,
                "seconds": 0.5,
            }
            records.append({**key, "answer": text, "program": text, **end})
            status = "passed" if is_passed else "failed"
            verdicts.append({**key, "status": status, "detail": answer, "executed": True, "parses": True})
    return summarise(run, problems, None)


def test_one_sample_a_problem_has_a_wilson_interval(tmp_path: Path) -> None:
    run = made_run(tmp_path / "a", [True, True, False, False, True, False])
    assert run.figures["pass@1"].interval == wilson(3, 6)
    assert run.figures["CESR"].interval.value == 1
    assert run.figures["ASTSim"].interval.value == 1
    assert run.seed_rates == [0.5]


def test_several_samples_are_averaged_within_problems_first(tmp_path: Path) -> None:
    run = made_run(tmp_path / "a", [True, False] * 6, samples=2)
    assert run.figures["pass@1"].interval.value == 0.5
    assert run.pass_shares["Own/3"] == 0.5


def test_samples_without_a_verdict_count_in_no_rate(tmp_path: Path) -> None:
    made_run(tmp_path / "a", [True] * 6)
    run = RunFolder(tmp_path / "a")
    with RecordWriter(run.verdicts_file) as verdicts:
        key: Record = {"task_id": "Own/0", "seed": 0, "index": 0}
        verdicts.append(key | {"status": "sandbox_error", "detail": "", "executed": False, "parses": True})
    summary = summarise(run, PROBLEMS, None)
    assert summary.figures["pass@1"].num == 5
    assert "5 of 6 samples are scored" in summary.warnings[0]


def test_answers_without_the_code_that_was_to_be_found_are_told(tmp_path: Path) -> None:
    made_run(tmp_path / "a", [True] * 6)
    run = RunFolder(tmp_path / "a")
    samples = read_records(run.samples_file)
    run.samples_file.unlink()
    with RecordWriter(run.samples_file) as records:
        for record, degraded in zip(samples, ["index_not_loaded", None, *[None] * 4], strict=True):
            records.append({**record, "report": {"retrieval": {"degraded": degraded}}})
    assert summarise(run, PROBLEMS, None).warnings == [
        "1 answers came without the code that the arm asks for: index_not_loaded"
    ]


def test_a_run_without_verdicts_is_refused(tmp_path: Path) -> None:
    made_run(tmp_path / "a", [True] * 6)
    (tmp_path / "a" / "verdicts.jsonl").unlink()
    with pytest.raises(RunFolderError, match="Score it first"):
        summarise(RunFolder(tmp_path / "a"), PROBLEMS, None)


def test_a_report_has_its_parts_and_compares_runs(tmp_path: Path) -> None:
    runs = [made_run(tmp_path / "a", [True] * 6), made_run(tmp_path / "b", [True] * 2 + [False] * 4)]
    index = write_report(runs, tmp_path / "report")
    assert index.read_text().count("Own/5") == 2
    for name in ("metrics.png", "latency.png"):
        assert (tmp_path / "report" / name).read_bytes().startswith(b"\x89PNG")
    assert len([*(tmp_path / "report" / "problems").iterdir()]) == 12
    text = (tmp_path / "report" / "report.md").read_text()
    assert "| own | a | 6 | 100.0 [61.0, 100.0] |" in text
    assert "Paired comparisons" in text
    found = paired(*runs)
    assert found is not None
    assert (found.only_a, found.only_b) == (4, 0)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    run = made_run(tmp_path / "a", [False], answer=HOSTILE, task_id=f"../../{HOSTILE}")
    write_report([run], tmp_path / "report")
    for page in (tmp_path / "report").rglob("*.html"):
        text = page.read_text()
        assert "<script" not in text
        assert "\u202e" not in text
    assert [page.parent.name for page in tmp_path.rglob("0-*.html")] == ["problems"]


def test_code_is_escaped_whatever_the_language() -> None:
    for language in ("python", "typescript", "no such language"):
        assert "<script" not in highlighted(HOSTILE, language)
    assert visible("a\u202eb\x1b\ud800\n\té") == "a\\u202eb\\u001b\\ud800\n\té"


def test_a_cell_cannot_break_its_table() -> None:
    from evaluation.figures import Table

    assert "| a\\|b c |" in markdown([Table("t", ["x"], [["a|b\nc"]])])


def test_a_report_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    run = made_run(tmp_path / "a", [True] * 6)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be written"):
        write_report([run], tmp_path / "file")


def test_the_interval_of_bleu_is_around_bleu() -> None:
    answers = [f"a b c d e f{i}" for i in range(8)]
    references = [f"a b c d e g{i % 3}" for i in range(8)]
    interval = corpus_bleu_interval(answers, references)
    assert interval.value == pytest.approx(corpus_bleu(answers, references))
    assert interval.low <= interval.value <= interval.high
    assert corpus_bleu_interval(answers, answers).low == pytest.approx(100)


@pytest.mark.parametrize(
    ("syntax", "shown"),
    [
        ({"changed_tokens": 1, "closing_forced": True}, ["6", "24", "6", "25.000", "6", "6", "0", "0"]),
        ({"changed_tokens": 0, "closing_forced": False}, ["6", "24", "0", "0.000", "0", "0", "0", "0"]),
        (
            {"changed_tokens": None, "closing_forced": False},
            ["6", "24", "not counted", "-", "-", "0", "0", "0"],
        ),
    ],
)
def test_the_report_says_what_the_mask_did(
    tmp_path: Path, syntax: dict[str, object], shown: list[str]
) -> None:
    run = made_run(tmp_path / "generate", [True] * 6)
    assert mask_row(run) is None
    report = {"syntax": {"enforced": True, "degraded": None, **syntax}}
    masked = dataclasses.replace(run, samples={k: {**r, "report": report} for k, r in run.samples.items()})
    row = mask_row(masked)
    assert row is not None
    assert row[3:] == shown
    five = dataclasses.replace(masked.config, overrides={"candidates": 5})
    assert mask_row(dataclasses.replace(masked, config=five)) is None
    assert "## Under the syntax mask" in markdown(tables([masked]))


def test_a_masked_answer_that_does_not_parse_is_named(tmp_path: Path) -> None:
    run = made_run(tmp_path / "generate", [True] * 6)
    report = {"syntax": {"enforced": True, "degraded": "why", "changed_tokens": 0, "closing_forced": False}}
    samples = {k: {**r, "report": report} for k, r in run.samples.items()}
    verdicts = {k: {**v, "parses": k[0] != "Own/3"} for k, v in run.verdicts.items()}
    row = mask_row(dataclasses.replace(run, samples=samples, verdicts=verdicts))
    assert row is not None
    assert row[-2:] == ["6", "1: Own/3"]
