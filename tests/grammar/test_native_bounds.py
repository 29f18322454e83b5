"""What an engine remembers stays within its bounds, and staying there costs little."""

from __future__ import annotations

import os
import time

import numpy as np
import numpy.typing as npt
import pytest

from grammar import Language, SyntaxMatcher, TokenVocabulary, _native
from grammar.matcher import engine_of
from tests.grammar.conftest import sources, vocabulary_of

NODE_BOUND = 400_000


def mask(matcher: _native.Matcher, width: int) -> npt.NDArray[np.int32]:
    row = np.zeros((width + 31) // 32, dtype=np.int32)
    matcher.fill_row(row)
    return row


def test_what_was_not_met_again_is_dropped_and_masks_stay_right(python: Language) -> None:
    bound = 3 << 20
    vocabulary = vocabulary_of(sources("python"), 200, 3)
    small = _native.Engine(python.native, vocabulary.native, bound)
    large = engine_of(python, vocabulary)
    steps = 0
    for text in sources("python"):
        ids = vocabulary.native.tokenize(text)
        assert ids is not None
        a, b = _native.Matcher(small), _native.Matcher(large)
        for token in ids[:4000]:
            assert np.array_equal(mask(a, vocabulary.width), mask(b, vocabulary.width))
            assert a.accept_token(token) == b.accept_token(token)
            steps += 1
        assert small.statistics()["evaluator_bytes"] < 2.5 * bound
    assert 0 < small.statistics()["collections"] < steps / 200
    assert large.statistics()["collections"] == 0


def test_stacks_in_use_are_not_collected_at_every_step(python: Language) -> None:
    # More stacks than the bound, and all of them in use: nothing can be dropped, however often one looks.
    tokens = [b"(" * 40, b"[" * 40, b"x"]
    vocabulary = TokenVocabulary.from_bytes([*tokens, None], eos_ids=[3])
    deep = [SyntaxMatcher(python, vocabulary) for _ in range(2)]
    for _ in range(NODE_BOUND // 40 // 2 + 500):
        for token, matcher in enumerate(deep):
            assert matcher.accept_token(token)
    statistics = engine_of(python, vocabulary).statistics()
    assert statistics["nodes"] > NODE_BOUND
    assert 0 < statistics["collections"] < 5


def test_stacks_that_nobody_uses_are_dropped(python: Language) -> None:
    vocabulary = TokenVocabulary.from_bytes([b"(" * 40, b"[" * 40, b"{" * 40, b"x", None], eos_ids=[4])
    for token in range(3):
        matcher = SyntaxMatcher(python, vocabulary)
        for _ in range(NODE_BOUND // 40 // 2):
            assert matcher.accept_token(token)
        del matcher
    assert engine_of(python, vocabulary).statistics()["nodes"] < NODE_BOUND


@pytest.mark.skipif("CODEFUSION_SANITIZED" in os.environ, reason="the sanitizer takes longer")
def test_beginning_a_text_costs_nothing_of_the_language_s_size(language: Language) -> None:
    # 4 to 9 ms each when every reader made its own tables of the rules; 0.02 ms now.
    begun = time.perf_counter()
    for _ in range(100):
        _native.Session(language.native)
    assert time.perf_counter() - begun < 0.1
