"""Engines on disk: what is read back is what was built, and nothing else is taken for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from grammar import Language, SyntaxMatcher, TokenVocabulary, _native
from grammar.artifact import prepare_engine
from grammar.matcher import engine_of
from tests.grammar.conftest import allowed_ids, sources, vocabulary_of


def vocabulary(language: Language) -> TokenVocabulary:
    return vocabulary_of(sources(language.name), 400, 11)


def masks(language: Language, vocab: TokenVocabulary) -> list[list[int]]:
    """What is allowed along texts that engines are not built for."""
    found: list[list[int]] = []
    for text in sources(language.name)[:3]:
        matcher = SyntaxMatcher(language, vocab)
        for token in (vocab.native.tokenize(text[:600]) or [])[:150]:
            found.append(sorted(allowed_ids(matcher)))
            if not matcher.accept_token(token):
                break
    return found


def test_an_engine_from_the_cache_gives_the_masks_of_one_that_was_built(
    language: Language, tmp_path: Path
) -> None:
    built, read, bare = vocabulary(language), vocabulary(language), vocabulary(language)
    assert prepare_engine(language, built, tmp_path).source == "built"
    assert prepare_engine(language, read, tmp_path).source == "cache"
    stored = engine_of(language, read).statistics()
    assert stored["split_seconds"] == 0  # nothing of what was built is built again
    expected = masks(language, bare)  # nothing was prepared here
    assert len(expected) > 50
    assert masks(language, built) == expected
    assert masks(language, read) == expected


def test_texts_may_be_any_iterable(python: Language, tmp_path: Path) -> None:
    texts = [b"def f(x):\n    return (x, [1, 2])\n", b"class A:\n    pass\n"]
    vocab, other = vocabulary(python), vocabulary(python)
    prepare_engine(python, vocab, tmp_path / "a", texts=iter(texts))
    prepare_engine(python, other, tmp_path / "b", texts=texts)
    counted = ("splits", "states", "fills")
    a, b = engine_of(python, vocab).statistics(), engine_of(python, other).statistics()
    assert [a[key] for key in counted] == [b[key] for key in counted]
    assert a["fills"] > 0


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "flipped": (flipped, "checksum"),
    "cut": (lambda data: data[: len(data) // 2], "differs in bytes"),
    "longer": (lambda data: data + b"x", "differs in bytes"),
    "version": (lambda data: data.replace(b'"format": ', b'"format": 9', 1), "format"),
    "empty": (lambda _: b"", "cannot be used"),
    "zeros": (lambda _: b"\x00" * 1000, "cannot be used"),
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_file_that_does_not_fit_is_built_anew_and_says_why(
    python: Language, tmp_path: Path, damage: Callable[[bytes], bytes], reason: str
) -> None:
    texts = [b"x = [1, (2, 3)]\n"]
    path = prepare_engine(python, vocabulary(python), tmp_path, texts=texts).path
    good = path.read_bytes()
    path.write_bytes(damage(good))
    again = prepare_engine(python, vocabulary(python), tmp_path, texts=texts)
    assert again.source == "built"
    assert reason in again.reason
    assert prepare_engine(python, vocabulary(python), tmp_path, texts=texts).source == "cache"


def test_a_file_that_only_the_native_core_refuses_is_built_anew(python: Language, tmp_path: Path) -> None:
    texts = [b"x = [1, (2, 3)]\n"]
    path = prepare_engine(python, vocabulary(python), tmp_path, texts=texts).path
    head, _, body = path.read_bytes().partition(b"\n")
    body = body[:-1]
    checksum = hashlib.blake2b(body, digest_size=16).hexdigest()
    header = json.loads(head) | {"bytes": len(body), "checksum": checksum}
    path.write_bytes(json.dumps(header).encode() + b"\n" + body)
    vocab = vocabulary(python)
    again = prepare_engine(python, vocab, tmp_path, texts=texts)
    assert (again.source, "cut short" in again.reason) == ("built", True)
    assert masks(python, vocab) == masks(python, vocabulary(python))


def test_the_native_core_refuses_bytes_that_are_cut_anywhere(python: Language) -> None:
    vocab = vocabulary(python)
    builder = _native.Engine(python.native, vocab.native)
    _native.Matcher(builder).time_tokens(vocab.native.tokenize(b"x = [1, (2, f(3))]\n") or [])
    body = builder.save()
    for size in [*range(0, len(body), max(1, len(body) // 60)), len(body) - 1]:
        with pytest.raises(_native.NativeError):
            _native.Engine(python.native, vocab.native).load(body[:size])
    with pytest.raises(_native.NativeError, match="longer"):
        _native.Engine(python.native, vocab.native).load(body + b"x")
    with pytest.raises(_native.NativeError, match="not used yet"):
        builder.load(body)
