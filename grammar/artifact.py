"""Built engines on disk: what takes seconds to build is read back in tenths of a second.

A file holds a JSON header (versions, fingerprints, lengths, checksum), then the language's rule tables and the
vocabulary's token splits. It is data only. A file that is stale, damaged or of another version is built anew,
with a word why; it is written beside its place and renamed, so that readers never see half of one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from grammar import _native
from grammar.languages import Language, cache_folder, core_version, wheel_version
from grammar.matcher import engine_of
from grammar.vocabulary import TokenVocabulary
from grammar.warmup import warm_texts

FORMAT = 3
WARM_TOKENS = 4000  # met again after loading: results that depend on parser stacks are not kept
BUILD_BYTES = 1 << 28  # of stored results while building, so that none is dropped before it is saved
ANTICIPATED_BYTES = 40 << 20  # rare states are added up to here; an engine in use keeps at most 56 MB
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """How an engine came about."""

    source: str  # "cache" or "built"
    path: Path
    seconds: float
    reason: str  # why it was built; empty from the cache


def prepare_engine(
    language: Language,
    vocabulary: TokenVocabulary,
    folder: Path | None = None,
    *,
    texts: Iterable[bytes] | None = None,
    tokenize: Callable[[bytes], list[int]] | None = None,
) -> Prepared:
    """Make the engine of a language and vocabulary ready, from the cache or by building it.

    texts     what to build for; default: grammar/warmup.py's. Splits that these texts do not need are built when
              they are met.
    tokenize  the model's own tokenizer; default: the longest token at each place.
    Cost      0.3 to 0.5 s from the cache, 5 to 10 s to build. Memory below 100 MB a language.
    """
    begun = time.monotonic()
    path = (folder or cache_folder()) / f"{language.name}-{vocabulary.native.fingerprint:016x}.engine"
    engine = _native.Engine(language.native, vocabulary.native)
    reason = _load(engine, path, language, vocabulary)
    texts = None if texts is None else list(texts)
    warm_ids = _warm_ids(language, vocabulary, texts, tokenize)
    if reason:
        builder = _native.Engine(language.native, vocabulary.native, max_evaluator_bytes=BUILD_BYTES)
        _warm(builder, warm_ids)
        builder.anticipate(ANTICIPATED_BYTES)
        body = builder.save()
        del builder
        _save(body, path, language, vocabulary)
        engine = _native.Engine(
            language.native, vocabulary.native
        )  # the first may hold half of a refused file
        engine.load(body)
        warm_ids = _warm_ids(language, vocabulary, texts, tokenize)
    _warm(engine, _some(warm_ids, WARM_TOKENS))
    vocabulary.engines[language.name] = engine
    assert engine_of(language, vocabulary) is engine
    seconds = time.monotonic() - begun
    _LOG.info(
        "grammar engine %s: %s in %.2f s %s", language.name, "built" if reason else "read", seconds, reason
    )
    return Prepared("built" if reason else "cache", path, seconds, reason)


def _warm_ids(
    language: Language,
    vocabulary: TokenVocabulary,
    texts: Iterable[bytes] | None,
    tokenize: Callable[[bytes], list[int]] | None,
) -> Iterator[list[int]]:
    split = tokenize or vocabulary.native.tokenize
    chosen = warm_texts(language.name) if texts is None else texts
    return (ids for text in chosen if (ids := split(text)))


def _some(texts: Iterator[list[int]], num_tokens: int) -> Iterator[list[int]]:
    left = num_tokens
    for ids in texts:
        yield ids[:left]
        left -= len(ids)
        if left <= 0:
            return


def _warm(engine: _native.Engine, texts: Iterable[list[int]]) -> None:
    for ids in texts:
        _native.Matcher(engine).time_tokens(ids)


def fingerprint(language: Language) -> str:
    """Give a digest of what decides a language: wheel, rules, scanner, format."""
    digest = hashlib.blake2b(digest_size=16)
    spec = language.spec
    digest.update(f"{FORMAT} {spec.wheel} {wheel_version(spec)} {spec.scanner} {core_version()}".encode())
    for table in language.tables.rules:
        digest.update(table.shift + table.settle + table.merged + b"".join(table.reduce.values()))
        digest.update(repr(table.tops).encode())
    for table in language.tables.lexeme_filters:
        digest.update(table.next + table.accepting + table.commit + repr(table.variants).encode())
    tables = language.tables
    rest = (tables.reserved, tables.blanks, tables.pseudo_base, tables.character_sets, tables.glued)
    digest.update(repr((*rest, tables.line_comments, tables.line_ends, tables.in_line_flag)).encode())
    digest.update(repr((tables.named, tables.own, tables.naming_flag, tables.own_ends)).encode())
    return digest.hexdigest()


def _load(engine: _native.Engine, path: Path, language: Language, vocabulary: TokenVocabulary) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return "no file yet"
    try:
        head, _, body = data.partition(b"\n")
        header = json.loads(head)
        expected = _header(language, vocabulary, body)
        wrong = [key for key in expected if header.get(key) != expected[key]]
        if wrong:
            return f"{path.name} differs in {', '.join(wrong)}"
        engine.load(body)
    except (ValueError, _native.NativeError) as error:
        return f"{path.name} cannot be used: {error}"
    return ""


def _header(language: Language, vocabulary: TokenVocabulary, body: bytes) -> dict[str, object]:
    return {
        "format": FORMAT,
        "language": language.name,
        "language_fingerprint": fingerprint(language),
        "vocabulary_fingerprint": f"{vocabulary.native.fingerprint:016x}",
        "bytes": len(body),
        "checksum": hashlib.blake2b(body, digest_size=16).hexdigest(),
    }


def _save(body: bytes, path: Path, language: Language, vocabulary: TokenVocabulary) -> None:
    head = json.dumps(_header(language, vocabulary, body)).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "wb") as file:
            file.write(head + b"\n" + body)
        Path(name).replace(path)
    except OSError as error:
        _LOG.warning("the engine could not be kept in %s: %s", path, error)
