from __future__ import annotations

import asyncio
import collections
import dataclasses
import threading
from pathlib import Path
from typing import Any

import pytest

from evaluation.errors import EvaluationError, RequestRefusedError, RunFolderError, ServiceDownError
from evaluation.problems import Problem
from evaluation.records import Record
from evaluation.run_folder import RunConfig, RunFolder, problems_digest
from evaluation.sampling import Pace, request_seed, sample_run
from evaluation.suites.python_functions import human_eval
from tests.evaluation.conftest import ToyService, completion, deterministic
from tests.evaluation.rows import human_eval_row

PROBLEMS = [human_eval(human_eval_row(f"Own/{number}")) for number in range(4)]
QUICK = Pace(concurrency=3, patience_seconds=0.3, scorers=1)


class Watcher:
    def __init__(self) -> None:
        self.samples: list[Record] = []
        self.verdicts: list[Record] = []

    def sampled(self, record: Record) -> None:
        self.samples.append(record)

    def scored(self, verdict: Record) -> None:
        self.verdicts.append(verdict)

    def interrupted(self) -> None:
        pass


async def score(problem: Problem, record: Record) -> Record:
    assert problem.task_id == record["task_id"]
    status = "passed" if "+" in record["program"] else "failed"
    return {key: record[key] for key in ("task_id", "seed", "index")} | {"status": status}


def config(url: str, **changes: Any) -> RunConfig:
    made = RunConfig(
        suite="own",
        arm="raw",
        route="raw",
        overrides={},
        model="toy",
        base_url=url,
        num_problems=len(PROBLEMS),
        problems_sha256=problems_digest(PROBLEMS),
        samples=2,
        seeds=2,
        temperature=0.2,
        max_tokens=None,
    )
    return dataclasses.replace(made, **changes)


def refusing(error: dict[str, Any], status: int = 400) -> Any:
    def reply(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return status, error

    return reply


def take(folder: RunFolder, asked: RunConfig, pace: Pace = QUICK, scorer: Any = score) -> Watcher:
    folder.open(asked)
    watcher = Watcher()
    asyncio.run(sample_run(folder, asked, PROBLEMS, scorer, watcher, pace))
    return watcher


def content(folder: RunFolder) -> list[tuple[Any, ...]]:
    """What was sampled and scored, without times and order."""
    verdicts = folder.verdicts()
    return sorted(
        (key, record["answer"], record["program"], verdicts[key]["status"])
        for key, record in folder.samples().items()
    )


def test_every_sample_is_asked_once_with_its_own_seed(tmp_path: Path, service: ToyService) -> None:
    folder = RunFolder(tmp_path / "run")
    watcher = take(folder, config(service.url))
    assert len(service.seen) == len(watcher.samples) == len(watcher.verdicts) == 16
    seeds = collections.Counter(body["seed"] for _, body in service.seen)
    assert seeds == {request_seed(s, i): 4 for s in range(2) for i in range(2)}
    assert len(content(folder)) == 16


@pytest.mark.parametrize("stop_after", range(0, 17, 2))
def test_a_run_interrupted_anywhere_and_resumed_equals_one_that_was_not(
    tmp_path: Path, service: ToyService, stop_after: int
) -> None:
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    take(whole, config(service.url))
    service.seen.clear()
    lock = threading.Lock()

    def dies(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with lock:
            alive = len(service.seen) <= stop_after
        return deterministic(path, body) if alive else (503, {"error": {"message": "dead"}})

    service.reply = dies
    if stop_after < 16:
        with pytest.raises(ServiceDownError, match="the same command goes on"):
            take(broken, config(service.url))
    else:
        take(broken, config(service.url))
    kept = len(broken.samples())
    assert kept == stop_after
    service.reply = deterministic
    service.seen.clear()
    take(broken, config(service.url))
    assert len(service.seen) == 16 - kept
    assert content(broken) == content(whole)


def test_a_file_cut_in_a_line_loses_that_sample_only(tmp_path: Path, service: ToyService) -> None:
    folder = RunFolder(tmp_path / "run")
    take(folder, config(service.url))
    before = content(folder)
    data = folder.samples_file.read_bytes()
    folder.samples_file.write_bytes(data[:-7])
    service.seen.clear()
    take(folder, config(service.url))
    assert len(service.seen) == 1
    assert content(folder) == before


def test_verdicts_that_are_missing_are_made_without_asking_again(tmp_path: Path, service: ToyService) -> None:
    folder = RunFolder(tmp_path / "run")
    take(folder, config(service.url), scorer=None)
    assert folder.verdicts() == {}
    service.seen.clear()
    take(folder, config(service.url))
    assert service.seen == []
    assert len(folder.verdicts()) == 16


def test_a_sandbox_error_is_scored_again(tmp_path: Path, service: ToyService) -> None:
    folder = RunFolder(tmp_path / "run")

    async def broken(problem: Problem, record: Record) -> Record:
        return await score(problem, record) | {"status": "sandbox_error"}

    take(folder, config(service.url), scorer=broken)
    take(folder, config(service.url))
    assert {verdict["status"] for verdict in folder.verdicts().values()} == {"passed", "failed"}


def test_a_busy_service_is_asked_again(tmp_path: Path, service: ToyService) -> None:
    def busy(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if len(service.seen) % 2:
            return 429, {"error": {"message": "full"}}
        return deterministic(path, body)

    service.reply = busy
    folder = RunFolder(tmp_path / "run")
    take(folder, config(service.url), Pace(concurrency=2, patience_seconds=20))
    assert len(folder.samples()) == 16


def test_an_answer_that_never_meets_the_deadline_is_not_asked_for_for_ever(
    tmp_path: Path, service: ToyService
) -> None:
    service.reply = refusing({"error": {"message": "longer than its deadline of 300 s."}}, 504)
    with pytest.raises(ServiceDownError, match=r"deadline of 300 s\., 2 times.*limits.deadline_seconds"):
        take(
            RunFolder(tmp_path / "r"),
            config(service.url),
            Pace(concurrency=1, patience_seconds=60, scorers=1),
        )
    assert len(service.seen) == 2


def test_a_service_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServiceDownError, match=r"127\.0\.0\.1:9"):
        take(RunFolder(tmp_path / "run"), config("http://127.0.0.1:9"))


def test_what_the_service_does_not_do_ends_the_run_with_its_words(
    tmp_path: Path, service: ToyService
) -> None:
    service.reply = refusing({"error": {"message": "syntax is not available", "param": "syntax"}})
    with pytest.raises(RequestRefusedError, match="syntax is not available") as caught:
        take(RunFolder(tmp_path / "run"), config(service.url))
    assert caught.value.param == "syntax"


def test_a_prompt_that_is_too_long_is_a_failed_sample(tmp_path: Path, service: ToyService) -> None:
    service.reply = refusing({"error": {"message": "too long", "param": "prompt"}})
    folder = RunFolder(tmp_path / "run")
    take(folder, config(service.url))
    assert all(record["refused"] == "HTTP 400: too long" for record in folder.samples().values())
    assert all(verdict["status"] == "failed" for verdict in folder.verdicts().values())


def test_a_folder_of_another_run_is_refused(tmp_path: Path, service: ToyService) -> None:
    folder = RunFolder(tmp_path / "run")
    take(folder, config(service.url))
    with pytest.raises(RunFolderError, match=r"temperature: 0\.2 there, 0\.7 asked"):
        folder.open(config(service.url, temperature=0.7))
    folder.open(config("http://elsewhere"))


def test_a_scorer_that_fails_stops_the_run_and_loses_nothing(tmp_path: Path, service: ToyService) -> None:
    async def fails(problem: Problem, record: Record) -> Record:
        raise EvaluationError("no sandbox")

    folder = RunFolder(tmp_path / "run")
    with pytest.raises(EvaluationError, match="no sandbox"):
        take(folder, config(service.url), scorer=fails)
    take(folder, config(service.url))
    assert len(content(folder)) == 16


def test_concurrency_is_used_and_not_exceeded(tmp_path: Path, service: ToyService) -> None:
    lock, together, most = threading.Lock(), 0, 0
    barrier = threading.Barrier(3)

    def counted(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        if len(service.seen) <= 3:
            barrier.wait(5)
        with lock:
            together -= 1
        return deterministic(path, body)

    service.reply = counted
    take(RunFolder(tmp_path / "run"), config(service.url))
    assert most == 3


def test_the_chat_and_generate_routes_are_understood(tmp_path: Path, service: ToyService) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}

    def reply(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/generate":
            report = {"generated": 5, "passed_examples": None}
            return 200, {"code": "G", "finish_reason": "stop", "usage": usage, "candidates": report}
        choice = {"index": 0, "message": {"role": "assistant", "content": "C"}, "finish_reason": "stop"}
        return 200, completion("") | {"object": "chat.completion", "choices": [choice], "usage": usage}

    service.reply = reply
    for route, answer in (("chat", "C"), ("generate", "G")):
        folder = RunFolder(tmp_path / route)
        take(folder, config(service.url, route=route))
        assert {record["answer"] for record in folder.samples().values()} == {answer}
        assert {record["completion_tokens"] for record in folder.samples().values()} == {2}
