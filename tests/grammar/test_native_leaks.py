"""The native core gives back what it takes: memory in use before and after making and dropping things many times."""

from __future__ import annotations

import ctypes
import gc
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grammar import Language, SyntaxMatcher, TokenVocabulary
from grammar.errors import VocabularyError
from grammar.languages import LANGUAGES, load_spec
from grammar.matcher import engine_of
from tests.grammar.conftest import allowed_ids, sources, vocabulary_of

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.skipif(
    "CODEFUSION_SANITIZED" in os.environ, reason="the sanitizer keeps freed memory for a while"
)


class Mallinfo(ctypes.Structure):
    """What glibc's mallinfo2() gives."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")  # noqa: E501
    ]  # fmt: skip


def bytes_in_use() -> int:
    """Bytes that are allocated and not freed, to the byte: the size of the process would hide small leaks."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        pytest.skip("this C library does not tell what is allocated")
    mallinfo.restype = Mallinfo
    gc.collect()
    info = mallinfo()
    return info.uordblks + info.hblkhd


def growth(work: Callable[[], object], times: int) -> int:
    """Bytes by which memory grows while `work` is done again and again; what is made once is made before."""
    for _ in range(max(2, times // 10)):
        work()
    before = bytes_in_use()
    for _ in range(times):
        work()
    return bytes_in_use() - before


@pytest.fixture(scope="module")
def small(language: Language) -> TokenVocabulary:
    return vocabulary_of(sources(language.name), 200, 1)


def test_matchers_are_given_back(language: Language, small: TokenVocabulary) -> None:
    text = sources(language.name)[0][:300]

    def use_some() -> None:
        rng = random.Random(1)
        matcher = SyntaxMatcher(language, small, text[:100])
        matcher.accept_bytes(text[100:200])
        clone = matcher.clone()
        ids = sorted(allowed_ids(matcher))
        matcher.accept_token(rng.choice(ids))
        matcher.rollback(1)
        matcher.reset()
        assert not clone.accept_bytes(b"\0")

    assert growth(use_some, 300) < 300 * 16
    assert engine_of(language, small).statistics()["matchers"] == 0


def test_closings_are_given_back(language: Language, small: TokenVocabulary) -> None:
    text = sources(language.name)[0][:120]

    def close() -> None:
        SyntaxMatcher(language, small, text).closing_bytes()

    assert growth(close, 100) < 100 * 16


def test_engines_and_vocabularies_are_given_back(language: Language) -> None:
    texts = sources(language.name)

    def make() -> None:
        vocabulary = vocabulary_of(texts, 60, 2)
        allowed_ids(SyntaxMatcher(language, vocabulary, texts[0][:50]))
        engine = engine_of(language, vocabulary)
        assert engine.save()

    # An engine takes more than 100 KB; Python's own part of the work moves by a few bytes.
    assert growth(make, 20) < 20_000


def test_languages_are_given_back() -> None:
    # A language takes more than 1 MB, so one that stays would show at once.
    assert growth(lambda: load_spec(LANGUAGES["go"]), 4) < 100_000


def test_nothing_is_kept_when_the_input_is_refused(python: Language) -> None:
    def refuse() -> None:
        with pytest.raises(VocabularyError):
            TokenVocabulary.from_bytes([b"x" * 1000, b"y"], eos_ids=[7], width=1)

    assert growth(refuse, 300) < 300 * 16


def test_python_ends_without_objects_left_over() -> None:
    # nanobind says so when instances outlive the interpreter.
    program = (
        "from grammar import SyntaxMatcher, TokenVocabulary, load_language\n"
        "vocabulary = TokenVocabulary.from_bytes([b'x', b''], eos_ids=[1])\n"
        "kept = SyntaxMatcher(load_language('python'), vocabulary)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "leak" not in done.stderr
