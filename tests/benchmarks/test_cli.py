"""What the command line takes, refuses, and says when there is no result."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from benchmarks.cli import main, parse
from benchmarks.service_process import free_port


def test_the_default_measures_everything() -> None:
    options = parse([])
    assert options.command == "all"
    assert (options.throughput.batches, options.throughput.goal) == ((1, 8, 32), 0.97)
    assert options.repeats == 3
    assert options.load.routes == ("/generate", "/v1/completions")


def test_each_rate_gets_a_run() -> None:
    plans = parse(["load", "--rate", "0.5", "2", "--seconds", "10", "--route", "completions"]).load_plans
    assert [(plan.rate, plan.seconds, plan.routes) for plan in plans] == [
        (0.5, 10, ("/v1/completions",)),
        (2, 10, ("/v1/completions",)),
    ]


def test_settings_are_passed_on() -> None:
    options = parse(["--model", "m", "--set", "engine.threads=1", "--set", "model.served_name=a=b"])
    assert options.overrides == {"model.id": "m", "engine.threads": "1", "model.served_name": "a=b"}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["load", "--rate", "0"], "above 0"),
        (["load", "--rate", "nan"], "above 0"),
        (["load", "--seconds", "soon"], "--seconds"),
        (["load", "--base-url", "localhost:8000"], "expected http://HOST:PORT"),
        (["throughput", "--base-url", "http://x"], "starts the service itself"),
        (["throughput", "--batch", "0"], "at least 1"),
        (["--port", "70000"], "1 to 65535"),
        (["--set", "threads"], "GROUP.NAME=VALUE"),
        (["nothing"], "invalid choice"),
    ],
)
def test_bad_input_is_refused_by_name(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_a_service_that_is_down_ends_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base_url = f"http://127.0.0.1:{free_port()}"
    assert main(["load", "--base-url", base_url, "--output", str(tmp_path)]) == 1
    assert f"No service answers at {base_url}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_ends_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = ["throughput", "--port", str(taken.getsockname()[1]), "--output", str(tmp_path)]
        assert main(words) == 1
    assert "is in use" in capsys.readouterr().err


@pytest.mark.slow
def test_a_load_run_leaves_a_report(tmp_path: Path) -> None:
    words = ["--set", "engine.backend=fake", "--rate", "20", "--seconds", "1", "--output", str(tmp_path)]
    assert main(["lag", *words]) == 0
    (folder,) = tmp_path.iterdir()
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert all(part in text for part in ("## load", "## event loop", "| CPU |", "answered: ok"))
