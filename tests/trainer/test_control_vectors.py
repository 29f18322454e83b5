"""The stage's parts without a model: tasks, answers on disk, ends of a knob, options."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn

from service.app import create_app
from service.fake_engine import FakeEngine
from tests.conftest import settings_with
from trainer.answers import AnswerFile, Ask, ask_all
from trainer.calibration import Outcome, furthest, rank_correlation
from trainer.cli import main
from trainer.contrast_pairs import ask_for_pairs, make_pairs, missing_pairs
from trainer.control_vectors import Options, claim
from trainer.errors import DataError, ServiceError, WorkError
from trainer.mbpp import LAST_EVALUATION_ID, Task, calibration_tasks, fingerprint, pair_tasks
from trainer.styles import STYLES


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """MBPP's two files: ids on both sides of every border."""
    folder = tmp_path / "data/mbpp"
    folder.mkdir(parents=True)
    ids = (10, 11, 510, 511, 600, 601, 602, 974)
    rows = [
        {"task_id": i, "text": f"Task {i}", "code": "", "test_list": ["assert f(1)"], "test_setup_code": ""}
        for i in ids
    ]
    (folder / "mbpp.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    verified = [
        {"task_id": i, "prompt": f"Task {i}", "test_list": ["assert f(1)"], "test_imports": ["import math"]}
        for i in (11, 510, 600, 602, 511)
    ]
    (folder / "sanitized-mbpp.json").write_text(json.dumps(verified), encoding="utf-8")
    return tmp_path / "data"


def test_pairs_and_problems_share_nothing_with_each_other_or_with_an_evaluation(data: Path) -> None:
    pairs = [task.task_id for task in pair_tasks(data, 2)]
    problems = [task.task_id for task in calibration_tasks(data, 3)]
    assert pairs == [601, 974]
    assert problems == [511, 600, 602]
    assert min(pairs + problems) > LAST_EVALUATION_ID


def test_more_tasks_than_there_are_is_an_error(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--pairs: expected 1 to 2, as many as there are; got 3"):
        pair_tasks(data, 3)
    with pytest.raises(DataError, match=r"mbpp\.jsonl|sanitized"):
        pair_tasks(tmp_path, 1)


def test_a_fingerprint_tells_tasks_apart() -> None:
    one, two = Task(1, "a", ("b",)), Task(1, "a", ("c",))
    assert fingerprint([one]) == fingerprint([Task(1, "a", ("b",))]) != fingerprint([two])


def test_answers_are_kept_and_a_broken_file_is_named(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "new/answers.jsonl")
    file.add((1, "low"), "x = 1")
    file.add((1, "high"), "y\u2028z")
    assert AnswerFile(file.path).answers == {(1, "low"): "x = 1", (1, "high"): "y\u2028z"}
    file.path.write_text('{"key": [1]}\n', encoding="utf-8")
    with pytest.raises(WorkError, match=r"answers\.jsonl:1: expected a line with key and code"):
        AnswerFile(file.path)


class Service:
    """The real application over a FakeEngine, on a socket in a thread."""

    def __init__(self) -> None:
        self.engine = FakeEngine(script="def f(x):\n    return x\n```")
        app = create_app(settings_with(), self.engine, seats=64)
        self._server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()))
        self._thread.start()
        while not self._server.started:
            pass
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    def end(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.end()


def test_only_what_is_missing_is_asked(service: Service, tmp_path: Path) -> None:
    asks = [Ask((i,), {"prompt": f"Task {i}"}) for i in range(40)]
    file = AnswerFile(tmp_path / "answers.jsonl")
    ask_all(service.url, asks[:3], file, max_tokens=64, title="some")
    ask_all(service.url, asks, AnswerFile(file.path), max_tokens=64, title="all")
    assert len(service.engine.requests) == 40
    assert AnswerFile(file.path).answers == {(i,): "def f(x):\n    return x\n" for i in range(40)}


def test_a_refusal_is_told_in_the_services_words(service: Service, tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "answers.jsonl")
    with pytest.raises(ServiceError, match=r"400: .*no control vector"):
        ask_all(
            service.url, [Ask((1,), {"prompt": "x", "style": {"terse": 1}})], file, max_tokens=8, title=""
        )
    with pytest.raises(ServiceError, match="does not answer"):
        ask_all("http://127.0.0.1:1", [Ask((1,), {"prompt": "x"})], file, max_tokens=8, title="")


def test_a_pair_that_shows_nothing_is_left_out(service: Service, tmp_path: Path) -> None:
    # The engine answers both ends alike.
    tasks = [Task(601, "Add one.", ("assert f(1) == 2",))]
    answers = AnswerFile(tmp_path / "pairs.jsonl")
    assert len(missing_pairs(STYLES["verbosity"], tasks, answers)) == 2
    ask_for_pairs(service.url, STYLES["verbosity"], tasks, answers)
    assert len(service.engine.requests) == 2
    assert missing_pairs(STYLES["verbosity"], tasks, AnswerFile(answers.path)) == []
    assert make_pairs(STYLES["verbosity"], tasks, answers) == []


def test_only_the_high_side_is_asked_for_where_the_low_one_is_made() -> None:
    style = STYLES["documented"]
    tasks = [Task(601, "Add one.", ("assert f(1) == 2",)), Task(602, "Add two.", ("assert f(1) == 3",))]
    answers = AnswerFile(Path("never-written"))
    assert [ask.key for ask in missing_pairs(style, tasks, answers)] == [(601, "high"), (602, "high")]
    answers.answers.update(
        {(601, "high"): "def f(x):\n    # One.\n    return x + 1\n", (602, "high"): "x = 1\n"}
    )
    (pair,) = make_pairs(style, tasks, answers)
    assert (pair.low, pair.high) == ("def f(x):\n    return x + 1\n", answers.answers[601, "high"])


@pytest.mark.parametrize(
    ("solved", "end"),
    [([50, 50, 50], 3.0), ([50, 49, 48], 2.0), ([60, 10, 60], 1.0), ([48, 50, 50], 0.0)],
)
def test_an_end_is_where_the_first_loss_is_too_large(solved: list[int], end: float) -> None:
    outcomes = [Outcome(1.0, count, 100) for count in solved]
    assert furthest([1.0, 2.0, 3.0], outcomes, Outcome(1.0, 51, 100)) == end


def test_with_few_problems_one_may_be_lost() -> None:
    outcomes = [Outcome(1.0, 9, 20), Outcome(1.0, 8, 20)]
    assert furthest([1.0, 2.0], outcomes, Outcome(1.0, 10, 20)) == 1.0


def test_rank_correlation() -> None:
    assert rank_correlation([-1, 0, 1], [5, 6, 9]) == pytest.approx(1.0)
    assert rank_correlation([-1, 0, 1], [9, 6, 5]) == pytest.approx(-1.0)
    assert rank_correlation([-1, 0, 1], [5, 5, 5]) == 0.0


def test_a_work_folder_is_one_runs(tmp_path: Path) -> None:
    options = Options("m", ("verbosity",), 1, 1, first_layer=1, last_layer=2, max_strength=1.0)
    claim(tmp_path, options)
    claim(tmp_path, options)
    with pytest.raises(WorkError, match="expected the options of this run"):
        claim(tmp_path, replace(options, last_layer=3))


@pytest.mark.parametrize("band", ["9", "9-", "x-9", "9-8", "-1-3"])
def test_a_band_that_is_none_is_refused(band: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["control-vectors", f"--layers={band}"])
    assert "expected two rising layers" in capsys.readouterr().err


def test_a_model_that_is_not_here_is_an_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["control-vectors", "--model", "no-such-model", "--work", str(tmp_path)]) == 2
    assert "neither a known model id nor an existing folder" in capsys.readouterr().err
