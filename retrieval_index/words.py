"""Chunks ranked by words: BM25 (Robertson and Zaragoza 2009; bm25s, Lù 2024, which scores each word in advance).

A word of the symbol counts four times, one of the path once, one of the text as often as it stands there. SQLite's FTS5
was used before: 15 to 20 times slower, since it reads each match's lengths from disk (docs/adr/0015).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
from bm25s.tokenization import Tokenized
from numpy.typing import NDArray

from retrieval_index.errors import IndexDamagedError
from retrieval_index.terms import terms

FOLDER = "words"
_SYMBOL_WEIGHT = 4
_K1, _B = 1.5, 0.75
_MAX_TERMS = 48
_COMMON_WEIGHT = math.log(20)  # of a word that one chunk of 20 has
_ENOUGH_RARE = 3


def build_words(chunks: Iterable[tuple[int, str, str, str]], folder: Path) -> None:
    """Write the index of chunks given as id, symbol, path and the words of the text, as `terms` gives them.

    Cost: 3 s for 66,000 chunks.
    """
    vocabulary: dict[str, int] = {}
    documents: list[list[int]] = []
    ids: list[int] = []
    for chunk, symbol, path, words in chunks:
        named = [*_SYMBOL_WEIGHT * list(terms(symbol)), *terms(path)]
        documents.append([vocabulary.setdefault(word, len(vocabulary)) for word in (*named, *words.split())])
        ids.append(chunk)
    # The library wants a word and a text; nothing is ever asked for by the empty word.
    documents = documents or [[vocabulary.setdefault("", 0)]]
    ranker = bm25s.BM25(k1=_K1, b=_B, method="lucene", backend="numpy")
    ranker.index(Tokenized(ids=documents, vocab=vocabulary), create_empty_token=False, show_progress=False)
    shutil.rmtree(folder, ignore_errors=True)
    ranker.save(str(folder), show_progress=False)
    np.save(folder / "chunks.npy", np.array(ids, np.int64), allow_pickle=False)


def told_most(having: Mapping[str, int], total: int) -> dict[str, float]:
    """Give the words that say most, each with how much it says.

    having   how many of `total` chunks have each word
    """
    found = {word: math.log(1 + (total - count + 0.5) / (count + 0.5)) for word, count in having.items()}
    kept = sorted(found, key=lambda word: -found[word])[:_MAX_TERMS]
    # Words that are everywhere cost most and say least; a question of nothing else keeps them.
    rare = [word for word in kept if found[word] >= _COMMON_WEIGHT]
    return {word: found[word] for word in (rare if len(rare) >= _ENOUGH_RARE else kept)}


class WordIndex:
    """An index of words, read only; safe for several threads. Open only files whose hash was checked."""

    def __init__(self, folder: Path) -> None:
        try:
            self._ranker = bm25s.BM25.load(str(folder), mmap=True, show_progress=False)
            self._chunks: NDArray[np.int64] = np.load(folder / "chunks.npy", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise IndexDamagedError(f"{folder}: cannot be read ({error}). Build the index again") from error
        self._vocabulary: dict[str, int] = self._ranker.vocab_dict
        scores: dict[str, Any] = self._ranker.scores
        self._indptr: NDArray[np.int64] = scores["indptr"]

    def weights(self, words: Iterable[str]) -> dict[str, float]:
        """Give the words of a query that say most, each with how much it says; one that no chunk has says most."""
        return told_most({word: self._num_having(word) for word in words}, len(self._chunks))

    def _num_having(self, word: str) -> int:
        number = self._vocabulary.get(word)
        return 0 if number is None else int(self._indptr[number + 1] - self._indptr[number])

    def postings(self) -> Iterator[tuple[str, list[int], list[float]]]:
        """Give each word with the chunks that have it and what it adds to their BM25."""
        scores: dict[str, Any] = self._ranker.scores
        for word, number in self._vocabulary.items():
            begin, end = int(self._indptr[number]), int(self._indptr[number + 1])
            if begin < end:
                chunks = self._chunks[scores["indices"][begin:end]]
                yield word, chunks.tolist(), scores["data"][begin:end].tolist()

    def search(self, weights: Mapping[str, float], limit: int) -> list[tuple[int, float]]:
        """Give the chunks that have most of the words, best first, as id and BM25."""
        numbers = [number for word in weights if (number := self._vocabulary.get(word)) is not None]
        if not numbers:
            return []
        scores = self._ranker.get_scores_from_ids(numbers)
        found = np.flatnonzero(scores > 0)
        if len(found) > limit:
            # By what is to be smallest: numpy is 20 times slower where many of the others are equal.
            found = found[np.argpartition(-scores[found], limit)[:limit]]
        best = found[np.lexsort((found, -scores[found]))]
        return list(zip(self._chunks[best].tolist(), scores[best].tolist(), strict=True))
