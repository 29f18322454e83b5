"""The bitmask against its slow definition: a token is allowed exactly when taking it leaves a viable prefix."""

from __future__ import annotations

import random
import threading
from typing import Any

import numpy as np
import pytest
import torch

from grammar import (
    Language,
    SyntaxMatcher,
    TokenVocabulary,
    is_viable_prefix,
    load_language,
    viable_length,
)
from grammar.errors import MaskShapeError, VocabularyError
from tests.grammar.conftest import allowed_ids, by_trying, random_walk, sources, vocabulary_of


@pytest.mark.parametrize("seed", range(4))
def test_bitmask_is_what_trying_every_token_gives(language: Language, seed: int) -> None:
    rng = random.Random(seed)
    texts = sources(language.name, seed)
    vocabulary = vocabulary_of([*texts, "# é 漢字 😀\n'é😀'".encode()], 350, seed)
    for _ in range(12):
        text = rng.choice(texts)
        matcher = SyntaxMatcher(language, vocabulary, text[: rng.randrange(len(text))])
        assert matcher.degraded_reason is None
        random_walk(matcher, rng, rng.choice([0, 0, 1, 2, 5]))
        assert allowed_ids(matcher) == by_trying(matcher)


def test_bitmask_is_exact_inside_strings_and_after_every_byte_of_an_unusual_text(python: Language) -> None:
    text = "x = f'a{b!r:>{w}}c' r'\\'' '''é\n''' \\\n  + 0x1_F\nif x:\n\ty  # é\n".encode()
    vocabulary = vocabulary_of([text], 150, 3)
    for cut in range(len(text)):
        matcher = SyntaxMatcher(python, vocabulary, text[:cut])
        assert matcher.degraded_reason is None, text[:cut]
        assert allowed_ids(matcher) == by_trying(matcher), text[:cut]


# Pieces of texts about classes and their constructors; tokens join and cut them anywhere.
NAMED = ["class ", "enum ", "record ", "interface ", "{", "}", "(", "){}", ")", "A", "B", "AB", "Ab", "é", " ", ";",
         ",", "/*", "*/", "//x\n", "public ", "void ", "int x", "@", "<A> ", "X;", "new ", "=", ".", " extends ",
         ]  # fmt: skip
WHOLE = ["class A{A(){}", "A{A(){}}", "B{AB(){", "{AB(", "}A(", "} B {", "B{B{"]


@pytest.mark.parametrize("seed", range(4))
def test_the_bitmask_knows_how_classes_are_named(seed: int) -> None:
    rng, texts = random.Random(seed), {*NAMED, *WHOLE}
    tokens = {t.encode() for t in texts}
    while len(tokens) < 300:
        token = "".join(rng.choices(NAMED, k=rng.randint(2, 6))).encode()
        start = rng.randrange(len(token))
        tokens |= {token, token[start : rng.randrange(start, len(token)) + 1]}
    vocabulary = TokenVocabulary.from_bytes([*sorted(tokens), b"</s>"], eos_ids=[len(tokens)])
    prefixes = ["", "class A{", "class AB{class A{", "record A(int a){", "enum A{X;", "class A{void f(){class B{",
                "class A{A", "class AB{A", "class Aé{A"]  # fmt: skip
    for prefix in prefixes:
        matcher = SyntaxMatcher(load_language("java"), vocabulary, prefix.encode())
        for _ in range(8):
            assert allowed_ids(matcher) == by_trying(matcher)
            random_walk(matcher, rng, 1)


def test_the_bitmask_does_not_depend_on_what_was_asked_before(language: Language) -> None:
    texts = sources(language.name)
    warm, cold = vocabulary_of(texts, 400, 5), vocabulary_of(texts, 400, 5)
    rng = random.Random(7)
    for _ in range(20):
        text = rng.choice(texts)
        SyntaxMatcher(language, warm, text[: rng.randrange(len(text))]).native.time_tokens([])
        random_walk(SyntaxMatcher(language, warm, text[: rng.randrange(len(text))]), rng, 3)
    for _ in range(5):
        text = rng.choice(texts)
        prefix = text[: rng.randrange(len(text))]
        assert allowed_ids(SyntaxMatcher(language, warm, prefix)) == allowed_ids(
            SyntaxMatcher(language, cold, prefix)
        )


def test_a_small_vocabulary_by_hand(python: Language) -> None:
    tokens: list[bytes | None] = [b"x", b" = ", b"1", b"\n", b")", b"def ", None, b"return", b"</s>"]
    vocabulary = TokenVocabulary.from_bytes(tokens, eos_ids=[8], width=40)

    def allowed(prefix: bytes) -> set[bytes | None]:
        ids = allowed_ids(SyntaxMatcher(python, vocabulary, prefix))
        return {tokens[i] for i in ids}

    assert allowed(b"") == {b"x", b"1", b"\n", b"def ", b"return", b"</s>"}  # `returned = 1` is a program
    assert allowed(b"x") == {b"x", b" = ", b"1", b"\n", b"def ", b"return", b"</s>"}
    assert allowed(b"x = ") == {b"x", b"1", b"def ", b"return"} - {b"def "}
    assert allowed(b"f(1") == {b"1", b"\n", b")"}
    assert allowed(b"def f(x):") == {b"x", b"1", b"\n", b"return"}


def test_stop_ids_are_allowed_exactly_where_the_text_may_end(language: Language) -> None:
    text = sources(language.name)[0][:400]
    vocabulary = vocabulary_of([text], 50, 1)
    (stop,) = vocabulary.eos_ids
    for cut in range(0, len(text), 7):
        matcher = SyntaxMatcher(language, vocabulary, text[:cut])
        assert (stop in allowed_ids(matcher)) == matcher.can_end
        assert matcher.clone().accept_token(stop) == matcher.can_end


def test_after_a_stop_id_nothing_but_stop_ids_is_allowed(python: Language) -> None:
    vocabulary = TokenVocabulary.from_bytes([b"x", b"\n", b"e", b"f"], eos_ids=[2, 3])
    matcher = SyntaxMatcher(python, vocabulary, b"x = 1\n")
    assert matcher.accept_token(2)
    assert matcher.is_terminated
    assert allowed_ids(matcher) == {2, 3}
    assert not matcher.accept_token(0)
    matcher.rollback(1)
    assert not matcher.is_terminated
    assert matcher.accept_token(0)


def test_rollback_restores_the_bitmask(language: Language) -> None:
    texts = sources(language.name)
    matcher = SyntaxMatcher(language, vocabulary_of(texts, 300, 2), texts[0][:200])
    rng = random.Random(3)
    seen = [allowed_ids(matcher)]
    for _ in range(8):
        random_walk(matcher, rng, 1)
        seen.append(allowed_ids(matcher))
    while matcher.num_accepted:
        assert allowed_ids(matcher) == seen[matcher.num_accepted]
        matcher.rollback(1)
    with pytest.raises(ValueError, match="cannot roll back 1 tokens; 0 were accepted"):
        matcher.rollback(1)


def test_a_refused_token_changes_nothing(python: Language) -> None:
    vocabulary = vocabulary_of(sources("python"), 200, 4)
    matcher = SyntaxMatcher(python, vocabulary, b"x = (1, ")
    before = allowed_ids(matcher)
    for token in set(range(vocabulary.width)) - before:
        assert not matcher.accept_token(token)
    assert allowed_ids(matcher) == before
    assert matcher.num_accepted == 0


def test_clones_go_their_own_ways_and_reset_goes_back_to_the_prefix(python: Language) -> None:
    matcher = SyntaxMatcher(python, vocabulary_of(sources("python"), 200, 4), b"x = [")
    start = allowed_ids(matcher)
    other = matcher.clone()
    assert other.accept_bytes(b"1]\n")
    assert allowed_ids(matcher) == start != allowed_ids(other)
    other.reset()
    assert allowed_ids(other) == start


def test_text_it_cannot_follow_makes_it_permissive_and_says_why(python: Language) -> None:
    vocabulary = TokenVocabulary.from_bytes([b"a", None, b"</s>"], eos_ids=[2], width=5)
    matcher = SyntaxMatcher(python, vocabulary, b"x = = 1")
    assert matcher.degraded_reason is not None
    assert "not the beginning of a valid text" in matcher.degraded_reason
    assert allowed_ids(matcher) == {0, 2}
    assert matcher.accept_token(0)


def test_wrong_bitmasks_are_refused(python: Language) -> None:
    vocabulary = TokenVocabulary.from_bytes([b"a"] * 40, eos_ids=[], width=64)
    matcher = SyntaxMatcher(python, vocabulary)
    good = torch.full((3, 4), -1, dtype=torch.int32)
    matcher.fill_bitmask(good, 1)
    assert good[0].tolist() == good[2].tolist() == [-1] * 4
    assert good[1, 2:].tolist() == [-1, -1], "words past the width stay as they are"
    for bitmask, row in (
        (good.long(), 0),
        (good[0], 0),
        (good[:, :1], 0),
        (good.t(), 0),
        (good, 3),
        (good, -1),
    ):
        with pytest.raises(MaskShapeError):
            matcher.fill_bitmask(bitmask, row)
    with pytest.raises(ValueError, match="at least ceil"):
        matcher.fill_row(np.zeros(1, dtype=np.int32))
    others: tuple[Any, ...] = (
        np.zeros(4, dtype=np.int64),
        np.zeros((1, 4), dtype=np.int32),
        np.zeros(8, dtype=np.int32)[::2],
    )
    for wrong in others:
        with pytest.raises(TypeError):
            matcher.fill_row(wrong)


@pytest.mark.parametrize(("stops", "width"), [([5], 5), ([], 2)])
def test_vocabularies_that_do_not_fit_are_refused(stops: list[int], width: int) -> None:
    with pytest.raises(VocabularyError):
        TokenVocabulary.from_bytes([b"a", b"b", b"c"], eos_ids=stops, width=width)


def test_matchers_share_an_engine_across_threads(python: Language) -> None:
    texts = sources("python")
    vocabulary = vocabulary_of(texts, 500, 9)
    prefixes = [text[:cut] for text in texts for cut in (100, 300)]
    expected = [allowed_ids(SyntaxMatcher(python, vocabulary_of(texts, 500, 9), p)) for p in prefixes]
    wrong: list[bytes] = []

    def work(seed: int) -> None:
        order = list(range(len(prefixes)))
        random.Random(seed).shuffle(order)
        wrong.extend(
            prefixes[i]
            for i in order
            if allowed_ids(SyntaxMatcher(python, vocabulary, prefixes[i])) != expected[i]
        )

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_hostile_bytes_are_read_up_to_a_place(language: Language) -> None:
    rng = random.Random(1)
    pool = [
        b"(",
        b"[",
        b"{",
        b"-",
        b"not ",
        b"'''",
        b"f'{",
        b"\n",
        b"\t",
        b"/*",
        b"\\",
        b"\xff",
        b"\x00",
        b"if x:\n",
    ]
    for _ in range(60):
        data = b"".join(rng.choice(pool) * rng.randint(1, 40) for _ in range(30))
        read = viable_length(language, data)
        assert is_viable_prefix(language, data) == (read == len(data))
        assert is_viable_prefix(language, data[:read])
    for piece in (b"(", b"- ", b"not ", b"{", b"[", b"if x: ", b"f(", b"!"):
        data = b"x = " + piece * 30_000
        assert is_viable_prefix(language, data) == (viable_length(language, data) == len(data))


def test_load_language_gives_one_object_a_name() -> None:
    assert load_language("go") is load_language("go")
