"""One request's syntax state: which tokens may follow, taking tokens, taking them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from grammar import _native
from grammar.closing_tags import with_names
from grammar.errors import MaskShapeError
from grammar.languages import Language
from grammar.vocabulary import TokenVocabulary

if TYPE_CHECKING:
    import torch


class SyntaxMatcher:
    """Follows one text in one language.

    prefix  bytes that stand before the generated text.
    suffix  bytes that will follow it; the text may then end exactly where prefix + text + suffix is valid.
    Thread-safe; the GIL is released. Stored results are shared by all matchers of one language and vocabulary.
    Text it cannot follow is no error: the matcher allows everything and says why in `degraded_reason`.
    """

    def __init__(
        self, language: Language, vocabulary: TokenVocabulary, prefix: bytes = b"", suffix: bytes = b""
    ) -> None:
        self.language, self.vocabulary = language, vocabulary
        self._num_words = (vocabulary.width + 31) // 32
        rules = language.spec.rules()
        top = rules.top
        # The text, by tokens, where a closing depends on it.
        self._pieces: list[bytes] | None = [] if rules.has_elements else None
        self._around = prefix, suffix
        level = top.asked_for(suffix) if top is not None and suffix else 0
        self._native = _native.Matcher(engine_of(language, vocabulary), prefix, suffix, level)

    def fill_bitmask(self, bitmask: torch.Tensor, row: int) -> None:
        """Mark which tokens may follow.

        bitmask  int32[B, >= ceil(width / 32)], CPU, rows contiguous; bit 1 is allowed. Words past the width stay
                 as they are. Stop ids are allowed exactly where `can_end`.
        Cost     below 1 µs for stacks seen before, tens of µs otherwise (docs/grammar.md).
        Raises   MaskShapeError.
        """
        if str(bitmask.dtype) != "torch.int32" or bitmask.dim() != 2 or bitmask.device.type != "cpu":
            raise MaskShapeError(f"expected int32[B, W] on the CPU, got {bitmask.dtype}{list(bitmask.shape)}")
        if bitmask.shape[1] < self._num_words or bitmask.stride(1) != 1:
            raise MaskShapeError(
                f"expected contiguous rows of {self._num_words} words, got {bitmask.shape[1]}"
            )
        if not 0 <= row < bitmask.shape[0]:
            raise MaskShapeError(f"expected a row below {bitmask.shape[0]}, got {row}")
        self.fill_row(bitmask[row].numpy())

    def fill_row(self, row: npt.NDArray[np.int32]) -> None:
        """Mark which tokens may follow, in one row.

        row     int32[>= ceil(width / 32)], contiguous; as in `fill_bitmask`
        Raises  NativeError for a row that is too short, TypeError for another kind of array.
        """
        self._native.fill_row(row)

    def accept_token(self, token_id: int) -> bool:
        """Take one token; False (and no change) when it is not allowed."""
        if not self._native.accept_token(token_id):
            return False
        if self._pieces is not None:
            self._pieces.append(self.vocabulary.token_bytes(token_id) or b"")
        return True

    def accept_bytes(self, data: bytes) -> bool:
        """Take text that came by another way, as if it were one token."""
        if not self._native.accept_bytes(data):
            return False
        if self._pieces is not None:
            self._pieces.append(data)
        return True

    def rollback(self, num_tokens: int) -> None:
        """Take back the last tokens. Raises NativeError when fewer were accepted."""
        self._native.rollback(num_tokens)
        if self._pieces and num_tokens:
            del self._pieces[-num_tokens:]

    def reset(self) -> None:
        """Go back to the prefix."""
        self._native.reset()
        if self._pieces is not None:
            self._pieces.clear()

    def clone(self) -> SyntaxMatcher:
        """Give an independent matcher at the same place."""
        other = object.__new__(SyntaxMatcher)
        other.language, other.vocabulary, other._num_words = self.language, self.vocabulary, self._num_words
        other._native, other._around = self._native.clone(), self._around
        other._pieces = None if self._pieces is None else list(self._pieces)
        return other

    @property
    def native(self) -> _native.Matcher:
        """The native matcher, for benchmarks."""
        return self._native

    @property
    def is_terminated(self) -> bool:
        """A stop id was accepted."""
        return self._native.is_terminated

    @property
    def can_end(self) -> bool:
        """The text (with the suffix) is a valid program."""
        return self._native.can_end

    @property
    def num_accepted(self) -> int:
        """Tokens accepted since the prefix."""
        return self._native.num_accepted

    @property
    def min_tokens_to_end(self) -> int | None:
        """Tokens of `closing_bytes()`, taken greedily; an upper bound that can be kept. None: no closing found."""
        if self._pieces is None:
            return self._native.min_tokens_to_end
        way = self.closing_bytes()
        tokens = None if way is None else self.vocabulary.native.tokenize(way)
        return None if tokens is None else len(tokens)

    def closing_bytes(self) -> bytes | None:
        """Give a short text that makes this one a valid program; None when none was found."""
        way = self._native.closing_bytes()
        if way is None or self._pieces is None or b"/" not in way:
            return way
        prefix, suffix = self._around
        named = with_names(self.language.spec, prefix + b"".join(self._pieces), way, suffix)
        trial = self._native.clone()
        return named if trial.accept_bytes(named) and trial.can_end else way

    @property
    def degraded_reason(self) -> str | None:
        """Why the matcher no longer restricts anything; None while it does."""
        return self._native.degraded_reason


def engine_of(language: Language, vocabulary: TokenVocabulary) -> _native.Engine:
    """Give the shared engine of a language and a vocabulary."""
    engine = vocabulary.engines.get(language.name)
    if engine is None:
        engine = vocabulary.engines.setdefault(
            language.name, _native.Engine(language.native, vocabulary.native)
        )
    return engine
