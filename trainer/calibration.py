"""What a strength does to the code, and how far the knob may go.

    draft vector (knob 1 = MAX_STRENGTH) ──► greedy answers to a fixed set of problems at each strength
                                         ──► mean measure and pass rate ──► the two ends ──► nine-point curve

A style's ends are the largest strengths at which it solves as many problems as without, less the tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.readability import spearman
from sandbox import Isolation, Limits, prove_isolation, run
from trainer.answers import AnswerFile, Ask, ask_all
from trainer.contrast_pairs import prompt_of
from trainer.mbpp import Task
from trainer.styles import Style

KNOBS = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
# Tolerated loss of problems solved at either end; one problem where that is more.
TOLERANCE = 0.02
# Long enough that the detailed end is not cut: a program that is cut solves nothing.
MAX_TOKENS = 448
_LIMITS = Limits(cpu_seconds=5.0, wall_seconds=20.0)


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of asking. `words` is a constraint in the prompt; `strength` moves the draft vector."""

    strength: float = 0.0
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an arm: the mean measure, and how many problems were solved."""

    measure: float
    solved: int
    total: int

    @property
    def pass_rate(self) -> float:
        """Share of problems solved."""
        return self.solved / self.total


class Bench:
    """Asks the service, keeps the answers, and judges them in the sandbox.

    draft         name of the draft vector that the service has loaded
    max_strength  what its knob of 1 means
    """

    def __init__(
        self,
        url: str,
        style: Style,
        tasks: Sequence[Task],
        answers: AnswerFile,
        draft: str,
        max_strength: float,
    ) -> None:
        self._url = url
        self._style = style
        self._tasks = tasks
        self._answers = answers
        self._draft = draft
        self._max_strength = max_strength
        self._isolation: Isolation = prove_isolation()

    def outcomes(self, arms: Sequence[Arm], title: str) -> list[Outcome]:
        """Give what comes of each arm; what was asked before is not asked again. Raises ServiceError."""
        asks = [ask for arm in arms for ask in self._asks(arm)]
        ask_all(self._url, asks, self._answers, max_tokens=MAX_TOKENS, title=title)
        return [self._outcome(arm) for arm in arms]

    def _asks(self, arm: Arm) -> list[Ask]:
        knob = round(arm.strength / self._max_strength, 2)
        common: dict[str, Any] = {"style": {self._draft: knob}} if knob else {}
        if arm.words:
            common["constraints"] = [arm.words]
        return [Ask(self._key(arm, task), {"prompt": prompt_of(task), **common}) for task in self._tasks]

    def _key(self, arm: Arm, task: Task) -> tuple[Any, ...]:
        # The baseline is everybody's.
        return (task.task_id, self._draft if arm.strength else "", arm.strength, arm.words or "")

    def _outcome(self, arm: Arm) -> Outcome:
        codes = [self._answers.answers[self._key(arm, task)] for task in self._tasks]
        with ThreadPoolExecutor(2) as pool:
            solved = sum(pool.map(self._is_solved, self._tasks, codes))
        return Outcome(float(np.mean([self._style.measure(code) for code in codes])), solved, len(codes))

    def _is_solved(self, task: Task, code: str) -> bool:
        verdict = run(
            code, "\n".join(task.tests), "python", _LIMITS, prelude=task.setup, isolation=self._isolation
        )
        return verdict.is_passed


def furthest(strengths: Sequence[float], outcomes: Sequence[Outcome], baseline: Outcome) -> float:
    """Give the largest strength up to which every measured one solves enough; 0 if none does. Strengths rise."""
    found = 0.0
    tolerance = max(TOLERANCE, 1 / baseline.total)
    for strength, outcome in zip(strengths, outcomes, strict=True):
        if outcome.pass_rate < baseline.pass_rate - tolerance - 1e-9:
            break
        found = strength
    return found


def rank_correlation(knobs: Sequence[float], measures: Sequence[float]) -> float:
    """Give Spearman's correlation; 0 where the measure never moves."""
    return spearman(np.array(knobs), np.array(measures))
