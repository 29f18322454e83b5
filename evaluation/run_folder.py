"""One folder per run: what was asked, every sample, every verdict.

    run.json         the configuration; a folder goes on only under the same one
    samples.jsonl    one line per answer, appended as it comes
    verdicts.jsonl   one line per scored answer
    sessions.jsonl   one line per stretch of sampling: seconds, tokens

A sample is known by (task_id, seed, index): what is there is neither asked for nor scored again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from evaluation.arms import Arm, Route
from evaluation.errors import RunFolderError
from evaluation.problems import Problem
from evaluation.records import Record, read_records

Key = tuple[str, int, int]
_FREE: Final = frozenset({"base_url"})
"""Fields that may differ when a run goes on: the same service may come back elsewhere."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What a run asks for. Everything that can change an answer is in here."""

    suite: str
    arm: str
    route: str
    overrides: dict[str, Any]
    model: str
    base_url: str
    num_problems: int
    problems_sha256: str
    samples: int
    seeds: int
    temperature: float
    max_tokens: int | None
    bad_rows: list[str] = field(default_factory=list[str])

    def as_arm(self) -> Arm:
        """Give the arm that was asked."""
        return Arm(self.arm, Route(self.route), self.overrides)

    def keys(self, problems: Sequence[Problem]) -> list[Key]:
        """List the samples of the run, problem by problem within each seed."""
        return [
            (problem.task_id, seed, index)
            for seed in range(self.seeds)
            for problem in problems
            for index in range(self.samples)
        ]


def problems_digest(problems: Sequence[Problem]) -> str:
    """Give a hash of the problems as they are asked and judged."""
    digest = hashlib.sha256()
    for problem in problems:
        digest.update(repr(problem).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def key_of(record: Record) -> Key:
    """Give which sample a record is about."""
    return record["task_id"], record["seed"], record["index"]


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.samples_file = path / "samples.jsonl"
        self.verdicts_file = path / "verdicts.jsonl"
        self.sessions_file = path / "sessions.jsonl"
        self._config_file = path / "run.json"

    def open(self, config: RunConfig) -> None:
        """Begin the run, or go on with it. Raises RunFolderError when the folder holds another run."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if self.exists():
                self._require_same(config)
            else:
                text = json.dumps(asdict(config), indent=2, ensure_ascii=False)
                part = self._config_file.with_suffix(".part")
                part.write_text(text + "\n", encoding="utf-8")
                part.replace(self._config_file)
        except OSError as error:
            raise RunFolderError(f"{self.path}: cannot be written ({error.strerror})") from error

    def exists(self) -> bool:
        """Whether a run was begun here."""
        return self._config_file.exists()

    def config(self) -> RunConfig:
        """Read the configuration. Raises RunFolderError when there is none."""
        try:
            return RunConfig(**json.loads(self._config_file.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise RunFolderError(f"{self.path}: expected the folder of a run (with run.json)") from error
        except (OSError, ValueError, TypeError) as error:
            raise RunFolderError(f"{self._config_file}: cannot be read ({error})") from error

    def samples(self) -> dict[Key, Record]:
        """Give the answers so far."""
        return {key_of(record): record for record in read_records(self.samples_file)}

    def verdicts(self) -> dict[Key, Record]:
        """Give the verdicts so far; of a sample scored again, the last."""
        return {key_of(record): record for record in read_records(self.verdicts_file)}

    def _require_same(self, config: RunConfig) -> None:
        before, now = asdict(self.config()), asdict(config)
        different = [name for name in now if name not in _FREE and before[name] != now[name]]
        if different:
            listed = "; ".join(f"{name}: {before[name]!r} there, {now[name]!r} asked" for name in different)
            raise RunFolderError(
                f"{self.path} holds another run ({listed[:600]}). Choose another --output, or the same options"
            )
