"""The candidates of one request: their text becomes code, and the best one is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from service.engine import Delta
from service.extraction import CodeExtractor
from service.languages import Language


class Answer:
    """One candidate while it is generated."""

    def __init__(self, language: Language, *, is_open: bool) -> None:
        self._extractor = CodeExtractor(language, is_open=is_open)
        self._pieces: list[str] = []
        self._texts: list[str] = []
        self._logprob_sum: float | None = None
        self._finish_reason: Literal["stop", "length"] | None = None
        self.num_tokens = 0

    def add(self, delta: Delta) -> str:
        """Take the engine's next delta; give the code that is certain by now."""
        self.num_tokens += delta.num_tokens
        if delta.logprob_sum is not None:
            self._logprob_sum = delta.logprob_sum
        self._texts.append(delta.text)
        piece = self._extractor.feed(delta.text)
        if delta.finish_reason is not None:
            self._finish_reason = "length" if delta.finish_reason == "length" else "stop"
            piece += self._extractor.finish()
        self._pieces.append(piece)
        return piece

    @property
    def has_ended(self) -> bool:
        """Whether the engine ended it."""
        return self._finish_reason is not None

    @property
    def is_complete(self) -> bool:
        """Whether nothing more can come: the engine ended it, or the code's fence was closed."""
        return self.has_ended or self._extractor.is_complete

    @property
    def finish_reason(self) -> Literal["stop", "length"]:
        """Why it ended. A closed fence counts as a stop, whatever the model would have said after it."""
        return self._finish_reason or "stop"

    @property
    def code(self) -> str:
        """The code so far."""
        return "".join(self._pieces)

    @property
    def text(self) -> str:
        """All that came, code or not."""
        return "".join(self._texts)

    @property
    def mean_logprob(self) -> float:
        """Mean log-probability per token; -inf for an answer without tokens or without log-probabilities."""
        if self._logprob_sum is None or not self.num_tokens:
            return float("-inf")
        return self._logprob_sum / self.num_tokens


def select_best(answers: Sequence[Answer], passed: Sequence[int | None] | None = None) -> int:
    """Give the index of the answer that passed the most examples, among equals of the likeliest.

    passed  how many examples each passed; None where that is not known, which counts as none

    Finished answers go before cut ones, and any code before none: a cut or empty answer is of no use, however likely
    its tokens were. Likely is the mean log-probability per token. Ties go to the earlier one, so that equal seeds
    choose equally.
    """
    known = [count or 0 for count in passed] if passed is not None else [0] * len(answers)
    return max(
        range(len(answers)),
        key=lambda i: (
            known[i],
            bool(answers[i].code),
            answers[i].finish_reason == "stop",
            answers[i].mean_logprob,
        ),
    )
