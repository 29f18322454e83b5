"""Closings end in accepted texts; right context decides where a text may end."""

from __future__ import annotations

import random

import pytest

from grammar import Language, SyntaxMatcher, can_end
from tests.grammar.conftest import sources, vocabulary_of


@pytest.mark.parametrize("seed", range(3))
def test_a_cut_text_is_closed(language: Language, seed: int) -> None:
    rng = random.Random(seed)
    texts = sources(language.name, seed)
    vocabulary = vocabulary_of(texts, 300, 1)
    for _ in range(40):
        text = rng.choice(texts)
        prefix = text[: rng.randrange(len(text))]
        matcher = SyntaxMatcher(language, vocabulary, prefix)
        closing = matcher.closing_bytes()
        assert closing is not None, prefix[-80:]
        assert can_end(language, prefix + closing)
        assert (closing == b"") == matcher.can_end


def test_the_bound_on_tokens_can_be_kept(python: Language) -> None:
    texts = sources("python")
    vocabulary = vocabulary_of(texts, 300, 1)
    matcher = SyntaxMatcher(python, vocabulary, b"def f(a, b):\n    return [a, (b, {")
    bound, closing = matcher.min_tokens_to_end, matcher.closing_bytes()
    assert bound is not None
    assert closing is not None
    assert 1 <= bound <= len(closing)
    for byte in closing:
        assert matcher.accept_token(byte)  # the first 256 ids are the bytes
    assert matcher.can_end
    assert matcher.min_tokens_to_end == 0


@pytest.mark.parametrize("seed", range(3))
def test_with_a_suffix_the_text_ends_exactly_where_the_whole_is_valid(language: Language, seed: int) -> None:
    rng = random.Random(seed)
    texts = sources(language.name, seed)
    vocabulary = vocabulary_of(texts, 200, 1)
    for _ in range(15):
        text = rng.choice(texts)
        start = rng.randrange(len(text))
        end = min(len(text), start + rng.randrange(60))
        matcher = SyntaxMatcher(language, vocabulary, text[:start], text[end:])
        for at in range(start, end):
            assert matcher.can_end == can_end(language, text[:at] + text[end:])
            assert matcher.accept_token(text[at])
        assert matcher.can_end


def test_a_closing_leads_to_the_suffix(python: Language) -> None:
    vocabulary = vocabulary_of(sources("python"), 100, 1)
    matcher = SyntaxMatcher(python, vocabulary, b"x = f(", b")\ny = 2\n")
    assert matcher.can_end
    assert matcher.accept_bytes(b"[1, ")
    closing = matcher.closing_bytes()
    assert closing is not None
    assert can_end(python, b"x = f([1, " + closing + b")\ny = 2\n")
