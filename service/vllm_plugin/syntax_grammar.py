"""One candidate under the mask, with the methods of vLLM's StructuredOutputGrammar. Imports no vLLM.

vLLM asks before each step (`fill_bitmask`), tells what was sampled (`accept_tokens`), and, with speculative decoding,
walks ahead over guessed tokens and back (`rollback`). A token that is refused would end the request with an error, so
none is: what cannot be followed makes the candidate permissive, and says so.

    SyntaxGrammar ── CodeGrammar     the answer is code
                  └─ FencedGrammar   prose with code in fences (fenced_grammar.py)
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager

import torch
from typing_extensions import override

from service.syntax_spec import SyntaxCounts, SyntaxSpec
from service.vllm_plugin.code_follower import CodeFollower, Filled
from service.vllm_plugin.row_events import RowEvents
from service.vllm_plugin.token_sets import Row

_LOG = logging.getLogger(__name__)
_ALL = -1


def internal_error(error: Exception) -> str:
    """Say in a report that the mask failed."""
    return f"internal error in the mask ({type(error).__name__})"


class SyntaxGrammar(ABC):
    """What the kinds of answers share: positions, the end, times, and what happens on an error."""

    def __init__(self, spec: SyntaxSpec) -> None:
        self.counts = SyntaxCounts(mode=spec.mode, degraded=spec.degraded)
        self._limit: int | None = None
        self._position = 0
        self._ended_at: int | None = None
        self._permissive_from: int | None = None
        self._events = RowEvents(self.counts)

    def set_limit(self, max_tokens: int) -> None:
        """Say how many tokens the whole answer may have."""
        self._limit = max_tokens

    @property
    def _left(self) -> int | None:
        return None if self._limit is None else self._limit - self._position

    @abstractmethod
    def _fill(self, row: Row) -> None:
        """Fill a row; errors are caught."""

    @abstractmethod
    def _take(self, token: int) -> bool:
        """Take the token at `_position`; False when it cannot follow. Sets `_ended_at`; errors are caught."""

    @abstractmethod
    def _take_back(self) -> None:
        """Undo what was taken at `_position` and behind it."""

    @abstractmethod
    def _valid_length(self, tokens: list[int]) -> int:
        """Say how many of the tokens could follow each other; leaves no trace."""

    def fill_bitmask(self, bitmask: torch.Tensor, batch_index: int) -> None:
        """Mark the tokens that may come next."""
        begun = time.perf_counter_ns()
        # Numbers, not tensors: a call of torch takes microseconds, and wakes threads that the model is using.
        row: Row = bitmask.numpy()[batch_index]
        if self._permissive_from is None:
            with self._guard():
                self._fill(row)
                if not row.any():
                    self._become_permissive("no token can follow")
        if self._permissive_from is not None:
            row[:] = _ALL
        else:
            self.counts.masked_steps += 1
        self.counts.timed((time.perf_counter_ns() - begun) / 1000)

    def accept_tokens(self, request_id: str, tokens: list[int]) -> bool:  # noqa: ARG002 - vLLM's
        """Take what was sampled. Always True: False would end the request."""
        for token in tokens:
            self._accept(token)
        return True

    def _accept(self, token: int) -> None:
        if self._permissive_from is None and self._ended_at is None:
            with self._guard():
                if not self._take(token):
                    # The token alone says nothing of anybody's text.
                    _LOG.warning("token %d cannot follow at %d of %s", token, self._position, self._limit)
                    self._become_permissive("a token came that cannot follow")
        self._position += 1
        self.counts.tokens = self._position

    @contextmanager
    def _guard(self) -> Generator[None]:
        """An error of ours costs this candidate its mask, and nobody else anything."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is
            _LOG.error("the syntax mask failed", exc_info=error)
            self._become_permissive(internal_error(error))

    def _become_permissive(self, reason: str) -> None:
        self._permissive_from = self._position
        self.counts.permissive = True
        # Not undone by a rollback, and neither is its reason.
        self._events.degraded(0, reason)

    def validate_tokens(self, tokens: list[int]) -> list[int]:
        """Give the guessed tokens that can follow each other."""
        if self._permissive_from is not None:
            return tokens
        with self._guard():
            return tokens[: self._valid_length(tokens)]
        return tokens

    def rollback(self, num_tokens: int) -> None:
        """Take back the last tokens."""
        self._position -= num_tokens
        if self._ended_at is not None and self._ended_at >= self._position:
            self._ended_at = None
        if self._permissive_from is not None:
            # It stays off: an error is not undone.
            self._permissive_from = min(self._permissive_from, self._position)
        with self._guard():
            self._take_back()
        self.counts.tokens = self._position
        self._events.drop_behind(self._position)

    def is_terminated(self) -> bool:
        """Whether a token came that ends the answer."""
        return self._ended_at is not None

    def reset(self) -> None:
        """Go back to the beginning."""
        self.rollback(self._position)

    def note(self, follower: CodeFollower, filled: Filled | None = None) -> None:
        """Keep what a follower says of itself, and of the row that it filled."""
        if filled is not None and filled.closing:
            self._events.closing(self._position)
        if filled is not None and filled.bounded:
            self._events.bound(self._position)
        if follower.closing.is_too_late:
            self._events.degraded(self._position, "too few tokens were left to close the code")
        if follower.closing.is_lost:
            self._events.degraded(self._position, "no way to the end of the code was found")
        if follower.degraded_reason:
            self._become_permissive(follower.degraded_reason)


class CodeGrammar(SyntaxGrammar):
    """An answer that is code from its first token to its last."""

    def __init__(self, spec: SyntaxSpec, follower: CodeFollower) -> None:
        super().__init__(spec)
        self._follower = follower
        self._num_taken = 0
        self.note(follower)

    @override
    def _fill(self, row: Row) -> None:
        filled = self._follower.fill(row, self._position, self._left)
        self.note(self._follower, filled)

    @override
    def _take(self, token: int) -> bool:
        if self._follower.is_end(token):
            self._ended_at = self._position
            return self._follower.can_end
        taken = self._follower.accept(token, self._position)
        self._num_taken += taken
        return taken

    @override
    def _take_back(self) -> None:
        # The token that ended the answer, and what came behind it, were no code.
        code = max(0, self._num_taken - self._position)
        self._follower.rollback(code, self._position)
        self._num_taken -= code

    @override
    def _valid_length(self, tokens: list[int]) -> int:
        length = code = 0
        for token in tokens:
            if self._follower.is_end(token):
                length += self._follower.can_end
                break
            if not self._follower.accept(token, self._position + code):
                break
            code += 1
            length += 1
        self._follower.rollback(code, self._position)
        return length


class PermissiveGrammar(SyntaxGrammar):
    """A candidate whose mask could not be made: everything is allowed, and the report says why."""

    def __init__(self, spec: SyntaxSpec, reason: str) -> None:
        super().__init__(spec)
        self._become_permissive(reason)

    @override
    def _fill(self, row: Row) -> None: ...

    @override
    def _take(self, token: int) -> bool:
        return True

    @override
    def _take_back(self) -> None: ...

    @override
    def _valid_length(self, tokens: list[int]) -> int:
        return len(tokens)
