"""Chunks near a request: words weighted by how rare they are (BM25), then variety.

query ─► words, the rarest ─► BM25 over symbol, path, text ─► what the request itself holds is taken out
      ─► same file and same symbol first ─► maximal marginal relevance, few of one file
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval_index.chunks import Chunk
from retrieval_index.errors import IndexDamagedError, QueryError
from retrieval_index.store import Manifest, open_read_only, read_manifest, verified_database
from retrieval_index.terms import terms

MAX_RESULTS = 100
_MAX_QUERY_CHARS = 20_000
_MAX_TERMS = 40
_CANDIDATES = 120
_COMMON_WEIGHT = math.log(20)  # of a word that one chunk of 20 has
_ENOUGH_RARE = 3
_WEIGHTS = (4.0, 1.5, 1.0)  # of symbol, path, text
_SAME_FILE, _SAME_SYMBOL = 1.15, 1.3
_VARIETY = 0.25  # how much likeness to what is chosen already counts against a chunk
_COPY = 0.85  # share of a chunk's words that the request holds already, from which it tells nothing new


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk and how well it fits: BM25 with its bonuses, comparable within one search only.

    coverage   share of the query's words, weighted by rarity, that the chunk has: 0 to 1
    """

    chunk: Chunk
    score: float
    coverage: float


_Row = tuple[Any, ...]  # BM25, words, and the columns of a chunk in its order


@dataclass(slots=True)
class _Candidate:
    hit: Hit
    words: frozenset[str]
    likeness: float = 0.0  # to the chunk most like it of those that are chosen


class SearchIndex:
    """An index opened for reading; safe for several threads. Updates on disk do not change it: open it again."""

    def __init__(self, manifest: Manifest, database: Path) -> None:
        self.manifest = manifest
        self._lock = threading.Lock()
        try:
            self._connection = open_read_only(database)
            self._num_chunks = self._connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise IndexDamagedError(f"{database}: {error}. Build the index again") from error

    @classmethod
    def open(cls, home: Path, name: str) -> SearchIndex:
        """Open an index, verified. Raises IndexMissingError, IndexVersionError, IndexDamagedError."""
        manifest = read_manifest(home, name)
        return cls(manifest, verified_database(home, manifest))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def search(
        self,
        query: str,
        k: int = 4,
        *,
        path: str | None = None,
        symbol: str | None = None,
        known: str = "",
        per_file: int = 2,
        min_coverage: float = 0.0,
    ) -> list[Hit]:
        """Find at most k chunks for a query in words or code, the best first.

        path, symbol   of the place that asks: its own file and chunks of that name are preferred
        known          code that the request holds already; chunks that mostly repeat it are left out
        per_file       chunks of one file at most
        Raises QueryError for bounds that make no sense.
        """
        if not 1 <= k <= MAX_RESULTS:
            raise QueryError(f"k: expected 1 to {MAX_RESULTS}; got {k}")
        if per_file < 1:
            raise QueryError(f"per_file: expected at least 1; got {per_file}")
        with self._lock:
            weights = self._rarest(Counter(terms(query[:_MAX_QUERY_CHARS])))
            rows = self._ranked(weights) if weights else []
        known_words = set(terms(known))
        candidates = [_hit(row, weights, path, symbol) for row in rows]
        fitting = [
            c for c in candidates if c.hit.coverage >= min_coverage and not _repeats(c.words, known_words)
        ]
        return _varied(fitting, k, per_file)

    def _rarest(self, words: Counter[str]) -> dict[str, float]:
        """Give the words that the index has, the rarest of them, each with its weight."""
        found: dict[str, float] = {}
        for word in words:
            row = self._connection.execute("SELECT doc FROM vocabulary WHERE term = ?", (word,)).fetchone()
            if row is not None:
                found[word] = math.log(1 + (self._num_chunks - row[0] + 0.5) / (row[0] + 0.5))
        kept = sorted(found, key=lambda word: -found[word])[:_MAX_TERMS]
        # Words that are everywhere cost most and say least; a question of nothing else keeps them.
        rare = [word for word in kept if found[word] >= _COMMON_WEIGHT]
        return {word: found[word] for word in (rare if len(rare) >= _ENOUGH_RARE else kept)}

    def _ranked(self, words: Iterable[str]) -> list[_Row]:
        match = " OR ".join(f'"{word}"' for word in words)
        rows = self._connection.execute(
            "SELECT -score, words.symbol || ' ' || words.path, body, chunks.path, language, first_line, "
            "last_line, kind, chunks.symbol, text, imports, sha256 "
            # Ranked by themselves first: texts are read of the best alone.
            "FROM (SELECT rowid AS number, bm25(words, ?, ?, ?) AS score FROM words WHERE words MATCH ? "
            "      ORDER BY score LIMIT ?) "
            "JOIN words ON words.rowid = number JOIN chunks ON chunks.id = number ORDER BY score",
            (*_WEIGHTS, match, _CANDIDATES),
        )
        return rows.fetchall()


def _hit(row: _Row, weights: dict[str, float], path: str | None, symbol: str | None) -> _Candidate:
    score, named, body, found, language, first, last, kind, name, text, imports, sha256 = row
    chunk = Chunk(found, language, first, last, kind, name, text, tuple(json.loads(imports)), sha256)
    if path is not None and chunk.path == path:
        score *= _SAME_FILE
    if symbol and chunk.symbol.rpartition(".")[2] == symbol.rpartition(".")[2]:
        score *= _SAME_SYMBOL
    words = frozenset(body.split())
    everywhere = words.union(named.split())
    coverage = sum(weight for word, weight in weights.items() if word in everywhere) / sum(weights.values())
    return _Candidate(Hit(chunk, score, coverage), words)


def _repeats(words: frozenset[str], known: set[str]) -> bool:
    return bool(known) and len(words & known) >= _COPY * len(words)


def _varied(candidates: Sequence[_Candidate], k: int, per_file: int) -> list[Hit]:
    """Choose by maximal marginal relevance (Carbonell and Goldstein 1998); likeness is Jaccard's, of words."""
    best = max((candidate.hit.score for candidate in candidates), default=1.0)
    left, chosen, files = list(candidates), list[Hit](), Counter[str]()
    while left and len(chosen) < k:
        one = max(left, key=lambda c: (1 - _VARIETY) * c.hit.score / best - _VARIETY * c.likeness)
        chosen.append(one.hit)
        files[one.hit.chunk.path] += 1
        left = [
            other
            for other in left
            if files[other.hit.chunk.path] < per_file and other.hit.chunk.sha256 != one.hit.chunk.sha256
        ]
        for other in left:
            shared = len(one.words & other.words)
            alike = shared / max(1, len(one.words) + len(other.words) - shared)
            other.likeness = max(other.likeness, alike)
    return chosen
