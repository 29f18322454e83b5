"""What a search reads of an index: the files of one machine here, the tables of a server in `postgres.py`."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval_index.chunks import Chunk
from retrieval_index.errors import IndexDamagedError
from retrieval_index.store import DATABASE, Manifest, open_read_only, verified_folder
from retrieval_index.vectors import FILE, VectorIndex
from retrieval_index.words import FOLDER, WordIndex

_COLUMNS = (
    "SELECT id, words, path, language, first_line, last_line, kind, symbol, text, imports, sha256 "
    "FROM chunks WHERE id IN (SELECT value FROM json_each(?))"
)


class Ranked(NamedTuple):
    """A chunk by its number, its file's number, and its score."""

    id: int
    file: int
    score: float


class Stored(NamedTuple):
    """A chunk and the words of its text, as `terms` gives them."""

    chunk: Chunk
    words: str


class Content(Protocol):
    """Safe for several threads. All of it stays as it was when it was opened."""

    def weights(self, words: Collection[str]) -> dict[str, float]:
        """Give the words of a query that say most, each with how much it says."""
        ...

    def by_words(self, weights: Mapping[str, float], limit: int) -> Iterable[Ranked]:
        """Give the chunks that have most of the words, best first, by BM25."""
        ...

    def by_vector(self, vector: NDArray[np.float32], limit: int) -> Iterable[Ranked]:
        """Give the chunks nearest to a unit vector, by cosine. Only where the index has vectors."""
        ...

    def vectors(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Give the vectors of chunks, (len(ids), dimension). Only where the index has vectors."""
        ...

    def chunks(self, ids: Sequence[int]) -> dict[int, Stored]:
        """Give chunks by their numbers."""
        ...

    def close(self) -> None:
        """Read no more."""
        ...


class FileContent:
    """An index's files, verified before they are opened. Raises IndexDamagedError."""

    def __init__(self, home: Path, manifest: Manifest) -> None:
        folder = verified_folder(home, manifest)
        self._lock = threading.Lock()
        self._words = WordIndex(folder / FOLDER)
        self._vectors = VectorIndex(folder / FILE, manifest.dimension) if manifest.embedder_id else None
        try:
            self._connection = open_read_only(folder / DATABASE)
            rows = self._connection.execute("SELECT id, dense_rank() OVER (ORDER BY path) FROM chunks")
            self._file_of: dict[int, int] = dict(rows.fetchall())
        except sqlite3.DatabaseError as error:
            raise IndexDamagedError(f"{folder}: {error}. Build the index again") from error

    def weights(self, words: Collection[str]) -> dict[str, float]:
        """See Content."""
        return self._words.weights(words)

    def by_words(self, weights: Mapping[str, float], limit: int) -> Iterator[Ranked]:
        """See Content."""
        return self._with_files(self._words.search(weights, limit))

    def by_vector(self, vector: NDArray[np.float32], limit: int) -> Iterator[Ranked]:
        """See Content."""
        assert self._vectors is not None
        return self._with_files(self._vectors.search(vector, limit))

    def _with_files(self, ranking: Iterable[tuple[int, float]]) -> Iterator[Ranked]:
        return (Ranked(id_, self._file_of[id_], score) for id_, score in ranking)

    def vectors(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """See Content."""
        assert self._vectors is not None
        return self._vectors.rows(ids)

    def chunks(self, ids: Sequence[int]) -> dict[int, Stored]:
        """See Content."""
        with self._lock:
            rows = self._connection.execute(_COLUMNS, (json.dumps(list(ids)),)).fetchall()
        return {
            id_: Stored(
                Chunk(path, language, first, last, kind, symbol, text, _texts_of(imports), sha256),
                words,
            )
            for id_, words, path, language, first, last, kind, symbol, text, imports, sha256 in rows
        }

    def close(self) -> None:
        """See Content."""
        self._connection.close()


def _texts_of(array: str) -> tuple[str, ...]:
    return tuple(json.loads(array)) if array != "[]" else ()
