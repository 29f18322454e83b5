from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from evaluation.cli import main
from evaluation.records import read_records
from tests.evaluation.conftest import ToyService, deterministic
from tests.evaluation.rows import human_eval_row, write_rows

pytestmark = pytest.mark.usefixtures("sandbox")


@pytest.fixture
def problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CODEFUSION_DATA", raising=False)
    return write_rows(tmp_path / "own.jsonl", [human_eval_row(f"Own/{number}") for number in range(3)])


def run(url: str, problems: Path, *more: str) -> int:
    words = ["run", "own", "--problems", str(problems), "--base-url", url, "--patience", "0.5"]
    return main([*words, *more])


def test_a_run_is_sampled_scored_and_reported(
    problems: Path, service: ToyService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(service.url, problems, "--temperature", "0.2", "--samples", "2", "--output", "r") == 0
    verdicts = read_records(Path("r/verdicts.jsonl"))
    # Odd request seeds are wrong: the second of two samples.
    assert sorted((v["index"], v["status"]) for v in verdicts) == [(0, "passed")] * 3 + [(1, "failed")] * 3
    assert "50.0" in capsys.readouterr().out
    assert main(["report", "r", "--problems", str(problems)]) == 0
    assert Path("report/index.html").exists()


def test_the_same_command_again_asks_for_nothing(problems: Path, service: ToyService) -> None:
    run(service.url, problems)
    service.seen.clear()
    assert run(service.url, problems) == 0
    assert service.seen == []


def test_sampling_and_scoring_can_be_apart(problems: Path, service: ToyService) -> None:
    assert run(service.url, problems, "--no-score") == 0
    assert read_records(Path("runs/own-raw/verdicts.jsonl")) == []
    # No service is needed once every answer is here.
    assert run("http://127.0.0.1:9", problems) == 0
    assert len(read_records(Path("runs/own-raw/verdicts.jsonl"))) == 3


@pytest.mark.parametrize(
    ("words", "sent"), [((), 0.2), (("--temperature", "0.7"), 0.7), (("--temperature", "0"), 0)]
)
def test_a_temperature_that_is_named_wins_over_the_arms_own(
    problems: Path, service: ToyService, words: tuple[str, ...], sent: float
) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}

    def reply(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 200, {"code": "x = 1\n", "finish_reason": "stop", "usage": usage}

    service.reply = reply
    assert run(service.url, problems, "--arm", "n5-logprob", "--output", "r", *words) == 0
    assert {body["temperature"] for _, body in service.seen} == {sent}
    assert json.loads(Path("r/run.json").read_text())["temperature"] == sent


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "nothing", "--base-url", "http://127.0.0.1:9"], "expected one of humaneval"),
        (["run", "humaneval", "--base-url", "http://127.0.0.1:9"], "--data"),
        (["run", "humaneval", "--base-url", "http://127.0.0.1:9", "--data", "none"], "expected a folder"),
        (["run", "humaneval", "--base-url", "x", "--arm", "best"], "--arm"),
        (["run", "humaneval", "--base-url", "x", "--samples", "2"], "gives one answer however often"),
        (["run", "humaneval", "--base-url", "x", "--seeds", "0"], "at least 1"),
        (["run", "own", "--problems", "own.jsonl", "--base-url", "http://127.0.0.1:9"], "no service answers"),
        (["report", "nowhere"], "expected the folder of a run"),
        (["ablate", "none.toml", "--base-url", "x"], "expected a TOML file"),
    ],
)
def test_what_makes_no_sense_is_said(
    problems: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_a_report_of_other_problems_is_refused(
    problems: Path, service: ToyService, capsys: pytest.CaptureFixture[str]
) -> None:
    run(service.url, problems, "--output", "r")
    write_rows(problems, [human_eval_row("Own/0", test="def check(f):\n    pass\n")])
    assert main(["report", "r", "--problems", str(problems)]) == 2
    assert "differ by now" in capsys.readouterr().err


def data_folder(tmp_path: Path) -> Path:
    import gzip

    rows = "".join(json.dumps(human_eval_row(f"Own/{n}")) + "\n" for n in range(3))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "HumanEval.jsonl.gz").write_bytes(gzip.compress(rows.encode()))
    return tmp_path / "data"


def test_an_ablation_runs_its_arms_and_names_those_refused(
    problems: Path, service: ToyService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def reply(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if "syntax" in body.get("codefusion", {}):
            return 400, {
                "error": {"message": "syntax is not available in this build", "param": "codefusion.syntax"}
            }
        return deterministic(path, body)

    service.reply = reply
    config = tmp_path / "arms.toml"
    config.write_text(
        'suites = ["humaneval"]\ntemperature = 0.2\nseeds = 2\n[arms.raw]\n'
        '[arms.mask]\nbase = "raw"\nrequest = { codefusion = { syntax = "enforce" } }\n'
        "[arms.long]\nrequest = { max_tokens = 9 }\n"
    )
    words = ["ablate", str(config), "--base-url", service.url, "--data", str(data_folder(tmp_path))]
    assert main(words) == 1
    out = capsys.readouterr().out
    assert "left out: mask: the service refuses the request: HTTP 400: syntax is not available" in out
    text = Path("runs/report/report.md").read_text()
    assert "| humaneval | raw |" in text
    assert "| humaneval | long |" in text
    assert {body["max_tokens"] for _, body in service.seen} == {768, 9}


@pytest.mark.parametrize(
    "text",
    [
        'suites = ["humaneval"]\n',
        "[arms.raw]\n",
        'suites = ["x"]\n[arms.raw]\n',
        'suites = ["humaneval"]\nseed = 1\n[arms.raw]\n',
        'suites = ["humaneval"]\nsamples = "3"\n[arms.raw]\n',
        'suites = ["humaneval"]\n[arms.mine]\nsyntax = "enforce"\n',
        "suites = [",
    ],
)
def test_an_ablation_that_makes_no_sense_is_refused(problems: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "arms.toml").write_text(text)
    assert main(["ablate", "arms.toml", "--base-url", "http://127.0.0.1:9"]) == 2


def test_suites_says_what_is_here_and_what_is_missing(
    problems: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["suites", "--data", str(data_folder(tmp_path))]) == 1
    out = capsys.readouterr().out
    assert "missing" in out
    assert "HumanEval" in out


def test_answers_are_judged_again_by_other_tests(
    problems: Path, service: ToyService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(service.url, problems, "--output", "r")
    row = human_eval_row(
        "Own/1", test="def check(f):\n    inputs = [[1, 2]]\n    results = [4]\n    x(f(*i), e, 0)\n"
    )
    import gzip

    folder = tmp_path / "plus" / "humanevalplus"
    folder.mkdir(parents=True)
    (folder / "HumanEvalPlus-OriginFmt.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode()))
    service.seen.clear()
    words = [
        "rescore",
        "r",
        "--suite",
        "humaneval+",
        "--output",
        "plus-run",
        "--data",
        str(tmp_path / "plus"),
    ]
    assert main(words) == 0
    assert service.seen == []
    assert [(v["task_id"], v["status"]) for v in read_records(Path("plus-run/verdicts.jsonl"))] == [
        ("Own/1", "failed")
    ]


@pytest.mark.parametrize(("interrupts", "kept"), [(1, 2), (2, 0)])
def test_an_interrupt_keeps_what_is_under_way_and_a_second_one_leaves_it(
    problems: Path, service: ToyService, interrupts: int, kept: int
) -> None:
    asked, answered = threading.Barrier(3), threading.Event()

    def slow(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked.wait(120)
        answered.wait(120)
        return deterministic(path, body)

    service.reply = slow
    words = [
        "own",
        "--problems",
        str(problems),
        "--base-url",
        service.url,
        "--concurrency",
        "2",
        "--output",
        "r",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "evaluation", "run", *words], stderr=subprocess.PIPE, text=True
    ) as run:
        asked.wait(120)
        assert run.stderr is not None
        run.send_signal(signal.SIGINT)
        said = ""
        while "waiting for the answers under way" not in said:
            said += run.stderr.readline()
        if interrupts == 1:
            answered.set()
        else:
            run.send_signal(signal.SIGINT)
        assert "the same command goes on" in run.communicate(timeout=120)[1]
        answered.set()
    assert run.returncode == 130
    # Two of three were asked for at once; the third was not asked for after the interrupt.
    assert len(service.seen) == 2
    assert len(read_records(Path("r/samples.jsonl"))) == kept
