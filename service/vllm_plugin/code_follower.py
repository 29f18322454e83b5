"""Code within an answer: the grammar's mask, what may end the code, the bounds, and the way to the end.

Used by answers that are code and by the fences of a chat alike. Knows nothing of vLLM.
"""

from __future__ import annotations

from dataclasses import dataclass

from grammar import SyntaxMatcher
from service.vllm_plugin.closing import Closing
from service.vllm_plugin.text_bounds import Tail, TextBounds
from service.vllm_plugin.token_sets import Row, TokenSets, allow, holds


@dataclass(frozen=True)
class Ends:
    """What ends the code.

    allowed    tokens that end it, where it can end; closed elsewhere
    anywhere   allow them wherever the text is viable
    only_at_line_start  allow them at the start of a line alone (a closing fence)
    never      tokens that are kept out of the code, whatever the grammar says
    """

    allowed: Row
    anywhere: bool = False
    only_at_line_start: bool = False
    never: Row | None = None


@dataclass
class Filled:
    """What the last row was made of."""

    closing: bool = False
    bounded: bool = False


class CodeFollower:
    """One stretch of code, token by token."""

    def __init__(self, matcher: SyntaxMatcher, sets: TokenSets, ends: Ends, *, reserve: int = 0) -> None:
        self._matcher = matcher
        self._sets = sets
        self._ends = ends
        self._bounds = TextBounds(matcher.language.name, sets)
        self._tails = [Tail()]
        self._begins_line = [True]
        self.closing = Closing(matcher, reserve)
        closed = ends.allowed | sets.stop
        self._code = ~(closed if ends.never is None else closed | ends.never)
        self._stop = matcher.vocabulary.eos_ids[0]

    @property
    def can_end(self) -> bool:
        """Whether a token of `ends` is allowed now."""
        if not (self._ends.anywhere or self._matcher.can_end):
            return False
        return self.is_at_line_start or not self._ends.only_at_line_start

    @property
    def is_at_line_start(self) -> bool:
        """Whether the line is empty so far."""
        return self._begins_line[-1]

    @property
    def degraded_reason(self) -> str | None:
        """Why the matcher no longer restricts."""
        return self._matcher.degraded_reason

    @property
    def num_accepted(self) -> int:
        """Tokens and texts taken so far."""
        return self._matcher.num_accepted

    def is_end(self, token: int) -> bool:
        """Whether a token is one of those that end the code."""
        return holds(self._ends.allowed, token)

    def fill(self, row: Row, position: int, left: int | None) -> Filled:
        """Fill a row. `position` and `left` as in `Closing`; no budget is known where left is None."""
        if left is not None:
            way = self.closing.next_tokens(position, left)
            if way is not None:
                self._fill_way(row, way)
                return Filled(closing=True)
        self._matcher.fill_row(row)
        # The grammar allows its stop ids exactly where the code can end; its answer is there already.
        can_end = holds(row, self._stop) or self._ends.anywhere
        row &= self._code
        if can_end and (self.is_at_line_start or not self._ends.only_at_line_start):
            row |= self._ends.allowed
            # A fence with a line end is two tokens to Qwen, the first of which is an empty template in JavaScript.
            if self.is_at_line_start:
                self._take_away(row, self._sets.two_backticks & self._code)
        if left is not None and self.closing.is_near(left):
            self._take_away(row, self._sets.heavy)
        return Filled(bounded=self._bounds.apply(self._tails[-1], row))

    def _fill_way(self, row: Row, way: list[int]) -> None:
        row[:] = 0
        if way:
            allow(row, way[0])
        elif self._ends.only_at_line_start and not self.is_at_line_start:
            allow(row, self._sets.line_end)
        else:
            row |= self._ends.allowed

    @staticmethod
    def _take_away(row: Row, closed: Row) -> None:
        left = row & ~closed
        if left.any():
            row[:] = left

    def accept(self, token: int, position: int) -> bool:
        """Take a token of code; False, and no change, when it is none."""
        if not self._matcher.accept_token(token):
            return False
        self.closing.note_token(position, token)
        self._note(self._matcher.vocabulary.token_bytes(token) or b"")
        return True

    def accept_bytes(self, data: bytes) -> bool:
        """Take text, as if it were one token."""
        if not self._matcher.accept_bytes(data):
            return False
        self._note(data)
        return True

    def _note(self, data: bytes) -> None:
        self._tails.append(self._bounds.after(self._tails[-1], data))
        self._begins_line.append(data.endswith(b"\n") if data else self._begins_line[-1])

    def rollback(self, num_tokens: int, position: int) -> None:
        """Take back tokens of code; `position` is what it was before them."""
        if num_tokens:
            self._matcher.rollback(num_tokens)
            del self._tails[-num_tokens:]
            del self._begins_line[-num_tokens:]
            self.closing.rollback(position)
