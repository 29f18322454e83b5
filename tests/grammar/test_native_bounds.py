"""What an engine remembers stays within its bounds, and staying there costs little."""

from __future__ import annotations

import pytest

from grammar import Language, SyntaxMatcher, TokenVocabulary
from grammar.matcher import engine_of
from tests.grammar.conftest import sources, vocabulary_of

EVALUATOR_BOUND = 64 << 20
NODE_BOUND = 400_000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_masks_that_are_remembered_are_dropped_once_when_they_are_too_many(python: Language) -> None:
    vocabulary = vocabulary_of(sources("python"), 200, 3)
    engine = engine_of(python, vocabulary)
    ids = vocabulary.native.tokenize(sources("python")[0])
    assert ids is not None
    for _ in range(300):
        SyntaxMatcher(python, vocabulary).native.time_tokens(ids)
        assert engine.statistics()["evaluator_bytes"] < 1.5 * EVALUATOR_BOUND  # and what one text adds
        if engine.statistics()["collections"]:
            break
    assert engine.statistics()["collections"] == 1
    assert engine.statistics()["evaluator_bytes"] < EVALUATOR_BOUND / 2


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
