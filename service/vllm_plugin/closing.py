"""Keeping a way to the end of the program within the tokens that are left.

    left ─────────────────────────────────────────────────────────────► 0
          free                     ask now and then       │ follow the way
                                                left <= need + ONE_TOKEN

The matcher knows a short way to the end (`closing_bytes`), but asking costs 20 µs to 15 ms, in rare cases 0.2 s. One
token lengthens the way by at most 7 tokens on real code (9,765 positions of Python, Java and Go; the 99th percentile
is 4), by at most 6 in texts drawn from the masks (72,440 positions), and runs of tokens by far less each, since what is
opened is mostly closed again. So it is asked again only when the bound that these numbers give is reached, and followed
when one more free token could make it too long.
"""

from __future__ import annotations

from typing import NamedTuple

from grammar import SyntaxMatcher

# Tokens by which one token may lengthen the way; tokens with many brackets (`TokenSets.heavy`) are kept away.
ONE_TOKEN = 8
# The same, per token, over a run of tokens.
PER_TOKEN = 4
# Heavy tokens are closed from here.
HEAVY_ZONE = 32
# After this many questions without an answer in a row it is not asked again before the very end.
_MAX_UNANSWERED = 3


class _LeftWay(NamedTuple):
    """A way that a token left: guessed, since no other is open where a way is followed."""

    at: int
    way: list[int]
    begins: int
    is_too_late: bool


class Closing:
    """Watches one answer's budget. `position` is the number of tokens generated so far.

    reserve  tokens that must remain behind the program's end (a closing fence, say)

    `is_too_late`: the way that is followed is longer than what was left.
    """

    def __init__(self, matcher: SyntaxMatcher, reserve: int = 0) -> None:
        self._matcher = matcher
        self._reserve = reserve
        self._asked_at: int | None = None
        self._need = 0
        self._unanswered = 0
        self._way: list[int] | None = None
        self._way_begins = 0
        self._left: list[_LeftWay] = []
        self._lost_at: int | None = None
        self.is_too_late = False

    @property
    def is_lost(self) -> bool:
        """Whether no way was found at the end."""
        return self._lost_at is not None

    @property
    def is_following(self) -> bool:
        """Whether only the way to the end is left open."""
        return self._way is not None

    def prepare(self, position: int) -> None:
        """Ask now, where nobody waits."""
        self._ask(position)

    def next_tokens(self, position: int, left: int) -> list[int] | None:
        """Give what is left of the way, when it must be followed; empty at its end. None: anything goes.

        left  how many tokens may still be generated
        """
        if self._way is None and self._must_follow(position, left):
            self._begin(position, left)
        if self._way is None:
            return None
        return self._way[position - self._way_begins :]

    def is_near(self, left: int) -> bool:
        """Whether tokens that open much are to be kept away."""
        return left <= self._need + self._reserve + HEAVY_ZONE

    def _must_follow(self, position: int, left: int) -> bool:
        if self._is_far(position, left):
            return False
        if self._unanswered < _MAX_UNANSWERED or left <= ONE_TOKEN + self._reserve:
            self._ask(position)
            is_lost = self._unanswered > 0 and left <= ONE_TOKEN + self._reserve
            self._lost_at = position if is_lost else None
        return self._unanswered == 0 and left <= self._need + self._reserve + ONE_TOKEN

    def _is_far(self, position: int, left: int) -> bool:
        if self._asked_at is None:
            return False
        grown = self._need + PER_TOKEN * (position - self._asked_at)
        return left > grown + self._reserve + ONE_TOKEN

    def _ask(self, position: int) -> None:
        need = self._matcher.min_tokens_to_end
        self._asked_at = position
        if need is None:
            self._unanswered += 1
        else:
            self._need, self._unanswered = need, 0

    def _begin(self, position: int, left: int) -> None:
        data = self._matcher.closing_bytes()
        way = None if data is None else self._matcher.vocabulary.native.tokenize(data)
        if way is None:
            self._unanswered += 1
            self._lost_at = position
            return
        self.is_too_late = len(way) + self._reserve > left
        self._way, self._way_begins = way, position

    def note_token(self, position: int, token: int) -> None:
        """Take note of the token at a position; one that is not the way's leaves it."""
        if self._way is None:
            return
        index = position - self._way_begins
        if index >= len(self._way) or self._way[index] != token:
            self._left.append(_LeftWay(position, self._way, self._way_begins, self.is_too_late))
            self._way, self._asked_at, self.is_too_late = None, None, False

    def rollback(self, position: int) -> None:
        """Forget what was learnt behind a position, and go back to a way that was left there."""
        while self._left and self._left[-1].at >= position:
            _, self._way, self._way_begins, self.is_too_late = self._left.pop()
        if self._way is not None and self._way_begins > position:
            self._way, self.is_too_late = None, False
        if self._lost_at is not None and self._lost_at > position:
            self._lost_at = None
        if self._asked_at is not None and self._asked_at > position:
            self._asked_at = None
