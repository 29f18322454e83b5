"""What the mask did, in a response's words: for /generate, and for OpenAI's answers, whole and streamed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from service.errors import BadRequestError
from service.schemas.common import SyntaxReport
from service.syntax import SyntaxPlanner
from service.syntax_spec import SyntaxCounts, SyntaxSpec, SyntaxTask


def syntax_report(
    spec: SyntaxSpec | None, counts: Sequence[SyntaxCounts | None], *, is_valid: bool | None
) -> SyntaxReport:
    """Give the report on one candidate, or on several together.

    An answer that the engine never reported on (it ended before its first token) has counts of None.
    """
    if spec is None:
        return SyntaxReport()
    known = [count for count in counts if count is not None]
    reasons = dict.fromkeys([spec.degraded, *(count.degraded for count in known)])
    counted = [count.changed_tokens for count in known if count.changed_tokens is not None]
    changed = sum(counted) if counted else None
    tokens = sum(count.tokens for count in known)
    return SyntaxReport(
        enforced=not any(count.permissive for count in known),
        mode=spec.mode,
        valid=is_valid,
        changed_tokens=changed,
        changed_share=None if changed is None else round(changed / max(1, tokens), 4),
        closing_forced=any(count.closing_forced for count in known),
        degraded="; ".join(reason for reason in reasons if reason) or None,
    )


class MaskedAnswers:
    """The texts of a masked OpenAI request's answers, gathered to be checked at the end."""

    def __init__(self, spec: SyntaxSpec, planner: SyntaxPlanner) -> None:
        self.task = SyntaxTask(spec)
        self._planner = planner
        self._texts: dict[int, list[str]] = {}

    def read(self, event: str) -> None:
        """Take one event of a stream."""
        self.read_whole(json.loads(event))

    def read_whole(self, answer: dict[str, Any]) -> None:
        """Take an answer, or one event of it."""
        for choice in answer.get("choices", ()):
            message = choice.get("message") or choice.get("delta") or {}
            text = choice.get("text") or message.get("content") or ""
            self._texts.setdefault(choice["index"], []).append(text)

    async def report(self, *, echoed: int = 0) -> SyntaxReport:
        """Give the report on all answers together. `echoed` characters at their beginning are the prompt's."""
        texts = ["".join(pieces)[echoed:] for pieces in self._texts.values()]
        is_valid = await asyncio.to_thread(self._are_valid, texts)
        return syntax_report(self.task.spec, list(self.task.counts.values()), is_valid=is_valid)

    def _are_valid(self, texts: list[str]) -> bool:
        return all(self._planner.is_valid(self.task.spec, text) for text in texts)


def unjoinable_suffix() -> BadRequestError:
    """Give the error for a suffix that the planner could not join."""
    return BadRequestError(
        "suffix: no text was found that joins it to the prefix as valid code; expected a suffix that continues "
        'some program, or syntax "off".',
        param="suffix",
        code="suffix_cannot_be_joined",
    )
