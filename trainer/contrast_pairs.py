"""Contrast pairs: the model's own answers to the same task, asked in words for either end of a style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trainer.answers import AnswerFile, Ask, ask_all
from trainer.mbpp import Task
from trainer.styles import Style

MAX_TOKENS = 320


class Pair(NamedTuple):
    """The task's text, and the code of either end."""

    text: str
    low: str
    high: str


def prompt_of(task: Task) -> str:
    """Give what is asked: the task, and the call that shows the name."""
    return f"{task.text}\nYour code should pass this test:\n{task.tests[0]}"


def missing_pairs(style: Style, tasks: Sequence[Task], answers: AnswerFile) -> list[Ask]:
    """Give what is still to be asked."""
    return [ask for ask in _asks(style, tasks) if ask.key not in answers.answers]


def ask_for_pairs(url: str, style: Style, tasks: Sequence[Task], answers: AnswerFile) -> None:
    """Ask for what is missing: both ends of each task, or the high one alone. Raises ServiceError."""
    ask_all(url, _asks(style, tasks), answers, max_tokens=MAX_TOKENS, title=f"pairs for {style.name}")


def _asks(style: Style, tasks: Sequence[Task]) -> list[Ask]:
    return [
        Ask((task.task_id, end), {"prompt": prompt_of(task), "constraints": [words]})
        for task in tasks
        for end, words in (("low", style.low), ("high", style.high))
        if end == "high" or style.low_of is None
    ]


def make_pairs(style: Style, tasks: Sequence[Task], answers: AnswerFile) -> list[Pair]:
    """Give the pairs whose measure differs the right way.

    The model does not always do as it is told; a pair that shows nothing, or the opposite, would only blur the mean.
    """
    pairs = [Pair(prompt_of(task), *_ends(style, task, answers)) for task in tasks]
    return [pair for pair in pairs if pair.low.strip() and style.measure(pair.high) > style.measure(pair.low)]


def _ends(style: Style, task: Task, answers: AnswerFile) -> tuple[str, str]:
    high = answers.answers[task.task_id, "high"]
    if style.low_of is not None:
        return style.low_of(high) or "", high
    return answers.answers[task.task_id, "low"], high
