"""The tasks that vectors are made and calibrated with: MBPP's training part, never an evaluation set.

MBPP's authors evaluate on ids 11 to 510 and name 601 to 974 for training, 511 to 600 for validation. Pairs are made
from training rows whose tests nobody has verified; calibration runs on the hand-verified rows above 510. So the two
share no task, and neither has one of the benchmarks'.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import DataError

_ALL = "mbpp/mbpp.jsonl"
_VERIFIED = "mbpp/sanitized-mbpp.json"
LAST_EVALUATION_ID = 510
_FIRST_TRAINING_ID = 601


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to write, with the calls its result must stand."""

    task_id: int
    text: str
    tests: tuple[str, ...]
    setup: str = ""


def pair_tasks(data: Path, count: int) -> list[Task]:
    """Give the first tasks for contrast pairs. Raises DataError."""
    verified = {int(row["task_id"]) for row in _verified(data)}
    tasks = [
        Task(int(row["task_id"]), row["text"], tuple(row["test_list"]), row["test_setup_code"])
        for row in _lines(data / _ALL)
        if int(row["task_id"]) >= _FIRST_TRAINING_ID and int(row["task_id"]) not in verified
    ]
    return _first(tasks, count, "pairs")


def calibration_tasks(data: Path, count: int) -> list[Task]:
    """Give the first tasks for calibration. Raises DataError."""
    tasks = [
        Task(int(row["task_id"]), row["prompt"], tuple(row["test_list"]), "\n".join(row["test_imports"]))
        for row in _verified(data)
        if int(row["task_id"]) > LAST_EVALUATION_ID
    ]
    return _first(tasks, count, "problems")


def fingerprint(tasks: Sequence[Task]) -> str:
    """Give a hash of tasks, so that a file can say what it was made with."""
    rows = [[task.task_id, task.text, list(task.tests)] for task in tasks]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _first(tasks: list[Task], count: int, name: str) -> list[Task]:
    if not 1 <= count <= len(tasks):
        raise DataError(f"--{name}: expected 1 to {len(tasks)}, as many as there are; got {count}")
    return sorted(tasks, key=lambda task: task.task_id)[:count]


def _verified(data: Path) -> list[dict[str, Any]]:
    path = data / _VERIFIED
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected MBPP's verified rows as a JSON array: {error}") from error


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        # Lines end at \n alone: some texts hold other line separators.
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected MBPP as JSON lines: {error}") from error
