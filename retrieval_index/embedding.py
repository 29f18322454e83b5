"""Vectors of an index's chunks: made for texts that have none, kept in its database, written for the search."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrieval_index.chunks import Chunk
from retrieval_index.embedder import Embedder
from retrieval_index.store import transaction
from retrieval_index.vectors import FLAT_CHUNKS, build_vectors

_AT_ONCE = 128  # chunks; their vectors are on disk together
Progress = Callable[[str, int, int], None]  # what ("files" or "chunks"), how many are done, of how many


@dataclass(frozen=True, slots=True)
class EmbeddedBy:
    """The embedder of an index: its setting, and the model. Above `flat_chunks` vectors lie in a graph."""

    setting: str
    embedder: Embedder
    flat_chunks: int = FLAT_CHUNKS


def embedded_key(chunk: Chunk) -> str:
    """Name what is embedded of a chunk: chunks of the same name share a vector."""
    return hashlib.sha256(_text(chunk.symbol, chunk.text).encode("utf-8", "surrogatepass")).hexdigest()


def embed_missing(connection: sqlite3.Connection, by: EmbeddedBy | None, progress: Progress | None) -> int:
    """Embed what has no vector by this embedder, forget what no chunk has any more; give how many were made.

    What was made is on disk after every few vectors. Raises EmbedderError.
    """
    weights = by.embedder.id if by else ""
    with transaction(connection):
        before = connection.execute("SELECT value FROM meta WHERE key = 'embedder'").fetchone()
        if before != (weights,):
            connection.execute("DELETE FROM vectors")
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('embedder', ?)", (weights,))
        connection.execute("DELETE FROM vectors WHERE embedded NOT IN (SELECT embedded FROM chunks)")
    if by is None:
        return 0
    missing = connection.execute(
        "SELECT embedded, symbol, text FROM chunks WHERE embedded NOT IN (SELECT embedded FROM vectors) "
        "GROUP BY embedded ORDER BY length(text)"  # of like length together: a batch costs what its longest does
    ).fetchall()
    for first in range(0, len(missing), _AT_ONCE):
        batch = missing[first : first + _AT_ONCE]
        rows = by.embedder.embed([_text(symbol, text) for _, symbol, text in batch]).astype(np.float16)
        with transaction(connection):
            connection.executemany(
                "INSERT INTO vectors VALUES (?, ?)",
                ((key, row.tobytes()) for (key, _, _), row in zip(batch, rows, strict=True)),
            )
        if progress is not None:
            progress("chunks", first + len(batch), len(missing))
    return len(missing)


def write_vectors(connection: sqlite3.Connection, by: EmbeddedBy, path: Path) -> tuple[str, float]:
    """Write what the search reads; give its kind and recall, as `build_vectors` does."""
    rows = connection.execute(
        "SELECT id, vector FROM chunks JOIN vectors USING (embedded) ORDER BY id"
    ).fetchall()
    ids = np.array([number for number, _ in rows], np.int64)
    matrix = np.frombuffer(b"".join(vector for _, vector in rows), np.float16)
    matrix = matrix.reshape(-1, by.embedder.dimension).astype(np.float32)
    return build_vectors(ids, matrix, path, flat_chunks=by.flat_chunks)


def _text(symbol: str, text: str) -> str:
    # A part of a long function says whose part it is.
    return f"{symbol}\n{text}" if symbol else text
