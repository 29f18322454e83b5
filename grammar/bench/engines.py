"""What the benchmark asks of an engine, and ours behind it."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grammar.bench.tokens import Tokens

Bitmask = NDArray[np.int32]


@dataclass(frozen=True)
class Text:
    """One text being followed. `fill` and `accept` go straight into native code: they are what is timed."""

    fill: Callable[[], object]
    accept: Callable[[int], object]
    can_end: Callable[[], bool]


# Nanoseconds of mask and accept for each token, those spent on splits, and whether the mask allowed the token.
NativeLoop = Callable[[list[int]], tuple[list[float], list[float], list[float], list[bool]]]


@dataclass(frozen=True)
class Engine:
    """An engine that is ready.

    row            where `Text.fill` writes; bit 1 is allowed
    seconds        start-up by part
    split_seconds  reads a counter of work that is done once and kept, such as building splits: it is taken out of
                   the call during which it grew, and reported apart
    native_loop    gives a timing loop of the engine's own, for one text
    """

    row: Bitmask
    begin: Callable[[], Text]
    seconds: dict[str, float]
    split_seconds: Callable[[], float] = lambda: 0.0
    native_loop: Callable[[], tuple[NativeLoop, Callable[[], bool]]] | None = None


def new_row(width: int) -> Bitmask:
    """Give a cleared bitmask row."""
    return np.zeros((width + 31) // 32, dtype=np.int32)


class Stopwatch:
    """Seconds of the parts of a start-up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._begun = time.monotonic()

    def lap(self, name: str) -> None:
        """End a part and begin the next one."""
        now = time.monotonic()
        self.seconds[name] = now - self._begun
        self._begun = now


def make_ours(language: str, tokens: Tokens, cache: Path, *, native_loop: bool) -> Engine:
    """Make our engine ready, from `cache` or by building it."""
    from grammar.artifact import prepare_engine
    from grammar.languages import load_language
    from grammar.matcher import SyntaxMatcher, engine_of
    from grammar.vocabulary import TokenVocabulary

    watch = Stopwatch()
    vocabulary = TokenVocabulary.from_bytes(tokens.values, eos_ids=[tokens.eos], width=tokens.width)
    watch.lap("vocabulary")
    loaded = load_language(language)
    watch.lap("language")
    prepared = prepare_engine(loaded, vocabulary, cache, tokenize=tokens.encode)
    watch.lap("engine from cache" if prepared.source == "cache" else "engine built")
    row, native = new_row(tokens.width), engine_of(loaded, vocabulary)

    def begin() -> Text:
        matcher = SyntaxMatcher(loaded, vocabulary).native
        return Text(
            functools.partial(matcher.fill_row, row),
            matcher.accept_token,
            lambda: matcher.can_end,
        )

    def begin_native() -> tuple[NativeLoop, Callable[[], bool]]:
        matcher = SyntaxMatcher(loaded, vocabulary).native
        return matcher.time_tokens, lambda: matcher.can_end

    loop = begin_native if native_loop else None
    return Engine(row, begin, watch.seconds, lambda: native.split_seconds, loop)
