"""Closings end in accepted texts; right context decides where a text may end."""

from __future__ import annotations

import random

import pytest

from grammar import Language, SyntaxMatcher, TokenVocabulary, can_end, load_language
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


@pytest.mark.parametrize(
    "indent", ["   \t", "\t", " \t ", "\t\t  ", "       \t\t", "  \t \t", "        ", "\x0c  "]
)
def test_blocks_are_closed_whatever_their_indentation_is_made_of(python: Language, indent: str) -> None:
    vocabulary = TokenVocabulary.from_bytes([*(bytes([b]) for b in range(256)), None], eos_ids=[256])
    prefix = f"def f():\n{indent}try:\n{indent} x = (1,\n".encode()
    closing = SyntaxMatcher(python, vocabulary, prefix).closing_bytes()
    assert closing is not None
    compile(prefix + closing, "closed", "exec")


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


@pytest.mark.parametrize(
    ("name", "prefix", "suffix"),
    [
        ("java", b"class A { int x;", b" b); }\n return y; } }\n"),
        ("java", b"class A { } ", b'text", 3); } }'),
        ("java", b"import a.b;", b" comment */ int x; }"),
        ("java", b"class A { void f() { a[", b"E e) { } } return 1; } }"),
        ("java", b"class A { } ", b"\n  public Foo() { } }"),
        ("java", b"class A { void f() { ", b"} Foo() { } }"),
        ("go", b"package p\n", b"b)\n\t}\n}\n"),
        ("go", b"package p\nfunc f() {\n", b"}\n}\n}\n"),
        ("go", b"package p\n", b"rn 1\n}\n"),
        ("go", b"package p\nfunc f() {\n", b"return x[i] < x[j]\n})\nreturn x\n}\n"),
        ("python", b"x = 1\n", b"a)\n    except E:\n        return 3\n"),
        ("python", b"def f():\n  x = [", b" y\n        else:\n            z()\n    w()\n"),
        ("python", b"if a:\n    b\n", b"d'''\n        return 1\n"),
        (
            "python",
            b"if a:\n    b  # c\n",
            b"this isn't code\n        return 1\n    # failover\n    return 2\n",
        ),
        ("python", b"", b"urn 1\n    return 2\n"),
    ],
)
def test_what_the_suffix_closes_is_opened_anew(name: str, prefix: bytes, suffix: bytes) -> None:
    language = load_language(name)
    vocabulary = vocabulary_of(sources(name), 100, 1)
    closing = SyntaxMatcher(language, vocabulary, prefix, suffix).closing_bytes()
    assert closing
    assert can_end(language, prefix + closing + suffix)


@pytest.mark.parametrize("seed", range(2))
def test_from_a_gap_a_way_to_the_suffix_is_nearly_always_found(language: Language, seed: int) -> None:
    rng = random.Random(seed)
    texts = [text for text in sources(language.name, seed) if len(text) < 8000]
    vocabulary = vocabulary_of(texts, 200, 1)
    found = 0
    for _ in range(40):
        text = rng.choice(texts)
        start, end = sorted(rng.sample(range(len(text)), 2))
        closing = SyntaxMatcher(language, vocabulary, text[:start], text[end:]).closing_bytes()
        if closing is None:  # the search is bounded; that a way exists shows the text itself
            continue
        assert can_end(language, text[:start] + closing + text[end:])
        found += 1
    assert found >= 34


def test_where_the_suffix_fits_does_not_depend_on_what_was_asked_before(language: Language) -> None:
    text = max(sources(language.name), key=len)
    vocabulary = vocabulary_of([text], 100, 1)
    start, end = len(text) // 3, len(text) // 3 + 120
    matcher = SyntaxMatcher(language, vocabulary, text[:start], text[end:])
    for at in range(start, end):
        fresh = SyntaxMatcher(language, vocabulary, text[:at], text[end:])
        assert matcher.can_end == fresh.can_end == can_end(language, text[:at] + text[end:])
        assert matcher.accept_token(text[at])
