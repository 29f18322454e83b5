"""Chunks near a request.

query ─┬─► words, the rarest ─► BM25 ──────┐
       └─► vector ─► nearest by cosine ────┴─► ranks made one ─► what the request holds, what fits badly: out
         ─► same file and same symbol first ─► variety, few of one file
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from retrieval_index.chunks import Chunk
from retrieval_index.content import Content, FileContent, Ranked
from retrieval_index.embedder import Embedder
from retrieval_index.errors import EmbedderError, QueryError
from retrieval_index.ranking import fused, varied
from retrieval_index.store import Manifest, read_manifest
from retrieval_index.terms import terms

MAX_RESULTS = 100
Mode = Literal["fused", "words", "vectors"]
_MAX_QUERY_CHARS = 20_000
# Of each ranking, of which one file has a few: a large one full of the query's words keeps nobody out.
_CANDIDATES = 60
_OF_ONE_FILE, _LOOKED_AT = 6, 8
_SAME_FILE, _SAME_SYMBOL = 1.15, 1.3
_COPY = 0.85  # share of a chunk's words that the request holds already, from which it tells nothing new


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk and how well it fits.

    score        of the ranking, with its bonuses; comparable within one search only
    coverage     share of the query's words, weighted by rarity, that the chunk has: 0 to 1
    similarity   cosine of query and chunk; None where vectors were not used
    """

    chunk: Chunk
    score: float
    coverage: float
    similarity: float | None = None

    @property
    def relevance(self) -> float:
        """How well it fits, comparable between searches of one index: the cosine, else the coverage."""
        return self.coverage if self.similarity is None else self.similarity


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request comes from.

    path, symbol   of the code that asks: its own file and chunks of that name are preferred
    known          code that the request holds already; chunks that mostly repeat it are left out
    """

    path: str | None = None
    symbol: str | None = None
    known: str = ""


@dataclass(frozen=True, slots=True)
class Ranking:
    """How chunks are ranked.

    mode           `fused` takes words alone where the index has no vectors
    words_weight   of the ranking by words beside that by vectors. Measured (docs/retrieval.md): 1/4 for questions in
                   prose; for code, whose names are those of what it calls, more is better
    per_file       chunks of one file at most. Measured: with two, 6 of 100 functions fall out of the best four
    variety        0 to 1: how much likeness to a better chunk counts against one
    """

    mode: Mode = "fused"
    words_weight: float = 1.0
    per_file: int = 3
    variety: float = 0.25


PROSE = Ranking(words_weight=0.25)
CODE = Ranking(words_weight=4.0)


@dataclass(frozen=True)
class _Candidate:
    """A chunk that may be chosen. Its words are read only where something asks for them: most searches do not."""

    chunk: Chunk
    body: str

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(self.body.split())

    def coverage(self, weights: Mapping[str, float]) -> float:
        """Give the share of the query's words that it has, by weight."""
        everywhere = self.words.union(terms(self.chunk.symbol), terms(self.chunk.path))
        found = sum(weight for word, weight in weights.items() if word in everywhere)
        return found / (sum(weights.values()) or 1.0)


class SearchIndex:
    """An index opened for reading; safe for several threads. Updates on disk do not change it: open it again."""

    def __init__(self, manifest: Manifest, content: Content, embedder: Embedder | None = None) -> None:
        """Put together what was opened. Raises EmbedderError for one that the vectors were not made with."""
        if manifest.embedder_id and (embedder is None or embedder.id != manifest.embedder_id):
            got = "none" if embedder is None else embedder.id
            raise EmbedderError(
                f"index {manifest.name!r}: expected the embedder {manifest.embedder_id} that made its vectors; "
                f"got {got}"
            )
        self.manifest = manifest
        self._content = content
        self._embedder = embedder if manifest.embedder_id else None

    @classmethod
    def open(cls, home: Path, name: str, embedder: Embedder | None = None) -> SearchIndex:
        """Open an index of a folder, verified.

        embedder   the one it was made with; not looked at where it was made with none
        Raises IndexMissingError, IndexVersionError, IndexDamagedError, EmbedderError.
        """
        manifest = read_manifest(home, name)
        return cls(manifest, FileContent(home, manifest), embedder)

    def close(self) -> None:
        """Close the files, or leave the server's tables."""
        self._content.close()

    def search(
        self,
        query: str,
        k: int = 4,
        *,
        place: Place = Place(),
        ranking: Ranking = PROSE,
        min_relevance: float | None = None,
    ) -> list[Hit]:
        """Find at most k chunks for a query in words or code, the best first.

        place           where the request comes from
        ranking         how to rank: `PROSE`, `CODE`, or one's own
        min_relevance   of `Hit.relevance`; below it a chunk is left out. None: nothing is
        Raises QueryError for bounds that make no sense.
        """
        self._check(k, ranking)
        query = query[:_MAX_QUERY_CHARS]
        weights = self._content.weights(Counter(terms(query)))
        scores, similarity = self._ranked(query, weights, ranking, limit=max(_CANDIDATES, 2 * k))
        candidates = self._candidates(list(scores))
        relevance = similarity or {n: candidate.coverage(weights) for n, candidate in candidates.items()}
        known = frozenset(terms(place.known))
        fitting = {
            number: scores[number] * _bonus(candidate.chunk, place)
            for number, candidate in candidates.items()
            if (min_relevance is None or relevance[number] >= min_relevance)
            and not (known and _repeats(candidate.words, known))
        }
        chosen = varied(
            fitting,
            self._likeness(list(fitting), candidates),
            k,
            variety=ranking.variety,
            groups={number: candidate.chunk.path for number, candidate in candidates.items()},
            per_group=ranking.per_file,
            same={number: candidate.chunk.sha256 for number, candidate in candidates.items()},
        )
        return [
            Hit(found.chunk, fitting[number], found.coverage(weights), similarity.get(number))
            for number in chosen
            for found in [candidates[number]]
        ]

    def _check(self, k: int, ranking: Ranking) -> None:
        if not 1 <= k <= MAX_RESULTS:
            raise QueryError(f"k: expected 1 to {MAX_RESULTS}; got {k}")
        if ranking.per_file < 1:
            raise QueryError(f"per_file: expected at least 1; got {ranking.per_file}")
        if ranking.mode == "vectors" and self._embedder is None:
            raise QueryError(f"mode: expected an index with vectors; {self.manifest.name!r} has words alone")

    def _ranked(
        self, query: str, weights: Mapping[str, float], ranking: Ranking, limit: int
    ) -> tuple[dict[int, float], dict[int, float]]:
        """Give the scores of the chunks that either ranking found, and their cosines where vectors were used."""
        by_words: list[tuple[int, float]] = []
        if ranking.mode != "vectors":
            by_words = _capped(self._content.by_words(weights, _LOOKED_AT * limit), limit)
        if ranking.mode == "words":
            return dict(by_words), {}
        by_vector, similarity = self._nearest(query, by_words, limit)
        if not by_vector:
            return dict(by_words), similarity
        words = [number for number, _ in by_words]
        return fused([words, by_vector], [ranking.words_weight, 1.0]), similarity

    def _nearest(
        self, query: str, by_words: Sequence[tuple[int, float]], limit: int
    ) -> tuple[list[int], dict[int, float]]:
        """Rank by vectors; give also the cosines, those of the chunks that words found included."""
        if self._embedder is None or not query.strip():
            return [], {}
        vector = self._embedder.embed([query])[0]
        near = dict(_capped(self._content.by_vector(vector, _LOOKED_AT * limit), limit))
        others = [number for number, _ in by_words if number not in near]
        cosines = self._content.vectors(others) @ vector
        return list(near), {**near, **dict(zip(others, cosines.tolist(), strict=True))}

    def _candidates(self, numbers: list[int]) -> dict[int, _Candidate]:
        found = self._content.chunks(numbers)
        return {number: _Candidate(*found[number]) for number in numbers if number in found}

    def _likeness(
        self, numbers: Sequence[int], candidates: Mapping[int, _Candidate]
    ) -> Callable[[int, int], float]:
        """Give how alike two chunks are: by cosine, or by the words they share (Jaccard)."""
        if self._embedder is not None:
            rows = self._content.vectors(numbers)
            cosines: list[list[float]] = (rows @ rows.T).tolist()
            place = {number: row for row, number in enumerate(numbers)}
            return lambda a, b: cosines[place[a]][place[b]]

        def shared(a: int, b: int) -> float:
            one, other = candidates[a].words, candidates[b].words
            common = len(one & other)
            return common / max(1, len(one) + len(other) - common)

        return shared


def _capped(ranking: Iterable[Ranked], limit: int) -> list[tuple[int, float]]:
    """Keep the best, and of one file a few."""
    kept: list[tuple[int, float]] = []
    files = Counter[int]()
    for number, file, score in ranking:
        files[file] += 1
        if files[file] <= max(_OF_ONE_FILE, limit // 10):
            kept.append((number, score))
            if len(kept) == limit:
                break
    return kept


def _bonus(chunk: Chunk, place: Place) -> float:
    bonus = _SAME_FILE if place.path is not None and chunk.path == place.path else 1.0
    if place.symbol and chunk.symbol.rpartition(".")[2] == place.symbol.rpartition(".")[2]:
        bonus *= _SAME_SYMBOL
    return bonus


def _repeats(words: frozenset[str], known: frozenset[str]) -> bool:
    return len(words & known) >= _COPY * len(words)
