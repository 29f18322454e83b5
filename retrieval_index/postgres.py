"""Indexes on a PostgreSQL server with pgvector, for several replicas of the service.

An index is built on one machine, where its files are, and published whole:

    build ─► files (store.py) ─► publish: one transaction ─► codefusion.indexes        name, version, manifest, when
                                                             codefusion.chunks_<hash>  chunks, words, vectors
                                                             codefusion.words_<hash>   BM25: each word's chunks
    replica ─► the newest version of a name ─► its tables, which never change

A replica goes on with the version that it opened; publishing keeps that and the one before, and drops older ones. A
search asks six short questions of the server. What comes from it is data: it is never a statement, a path or code.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from retrieval_index.chunks import Chunk
from retrieval_index.content import Ranked, Stored
from retrieval_index.embedder import Embedder
from retrieval_index.errors import IndexMissingError, StoreUnreachableError
from retrieval_index.publishing import COLUMNS, Progress, halfvec, no_progress, publish, tables_of, version_of
from retrieval_index.search import SearchIndex
from retrieval_index.store import Manifest, manifest_of
from retrieval_index.words import told_most

_CONNECT_SECONDS, _STATEMENT_MS, _MAX_CONNECTIONS = 5.0, 10_000, 4
_EF_SEARCH_MAX = 1000  # pgvector's


class PostgresStore:
    """The published indexes of one server. Safe for several threads; `close` it.

    url   postgresql://user:password@host:port/database
    """

    def __init__(self, url: str) -> None:
        self._pool: ConnectionPool[Any] = ConnectionPool(
            url,
            min_size=0,
            max_size=_MAX_CONNECTIONS,
            open=True,
            timeout=_CONNECT_SECONDS,
            check=ConnectionPool.check_connection,
            kwargs={
                "connect_timeout": int(_CONNECT_SECONDS),
                "options": f"-c statement_timeout={_STATEMENT_MS}",
            },
        )

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def names(self) -> list[str]:
        """List the published indexes. Raises StoreUnreachableError."""
        return [name for (name,) in self._rows("SELECT DISTINCT name FROM codefusion.indexes ORDER BY name")]

    def state(self, name: str) -> str | None:
        """Give what tells one published state of an index from another; None: there is none."""
        rows = self._rows(
            "SELECT version || '@' || published FROM codefusion.indexes WHERE name = %s "
            "ORDER BY published DESC LIMIT 1",
            (name,),
        )
        return rows[0][0] if rows else None

    def manifest(self, name: str) -> Manifest:
        """Give the newest manifest. Raises IndexMissingError, IndexVersionError, StoreUnreachableError."""
        rows = self._rows(
            "SELECT manifest FROM codefusion.indexes WHERE name = %s ORDER BY published DESC LIMIT 1", (name,)
        )
        if not rows:
            raise IndexMissingError(
                f"no index {name!r} on the server; there is {', '.join(self.names()) or 'none'}"
            )
        return manifest_of(rows[0][0], f"the server's index {name!r}")

    def open(self, name: str, embedder: Embedder | None = None) -> SearchIndex:
        """Open the newest version of an index. Raises as `manifest`, and EmbedderError."""
        manifest = self.manifest(name)
        return SearchIndex(manifest, PostgresContent(self, manifest), embedder)

    def publish(self, home: Path, name: str, progress: Progress = no_progress) -> Manifest:
        """Copy an index from this machine's files, all of it or nothing; give its manifest on the server.

        Raises StoreUnreachableError, and what reading the files raises. Cost: 1 ms a chunk, and for more than
        GRAPH_CHUNKS as much again.
        """
        with self.connection() as connection:
            return publish(connection, home, name, progress)

    @contextlib.contextmanager
    def connection(self) -> Generator[psycopg.Connection[Any]]:
        """Give a connection within a transaction. Raises StoreUnreachableError, IndexMissingError."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except psycopg.errors.UndefinedTable as error:
            raise IndexMissingError(
                f"this version is not on the server any more, or none was ever: {error}"
            ) from error
        except (psycopg.Error, PoolTimeout) as error:
            # Never the address: it may hold a password.
            raise StoreUnreachableError(f"the PostgreSQL server: {_first_line(error)}") from error

    def _rows(self, statement: LiteralString, values: Sequence[Any] = ()) -> list[Any]:
        try:
            with self.connection() as connection:
                return connection.execute(statement, values).fetchall()
        except IndexMissingError:
            return []  # nothing was ever published here


class PostgresContent:
    """One published version."""

    def __init__(self, store: PostgresStore, manifest: Manifest) -> None:
        self._store = store
        self._total = manifest.num_chunks
        self._dimension = manifest.dimension
        self._has_graph = manifest.vector_kind == "hnsw"
        self._chunks, self._words = tables_of(version_of(manifest))

    def weights(self, words: Collection[str]) -> dict[str, float]:
        """See Content."""
        query = sql.SQL("SELECT word, cardinality(chunks) FROM {} WHERE word = ANY(%s)").format(self._words)
        having = dict.fromkeys(words, 0) | dict(self._rows(query, (list(words),)))
        return told_most(having, self._total)

    def by_words(self, weights: Mapping[str, float], limit: int) -> list[Ranked]:
        """See Content."""
        query = sql.SQL(
            "SELECT c.id, c.file, r.score FROM (SELECT id, sum(score::float8) AS score FROM {words} w, "
            "unnest(w.chunks, w.scores) AS u(id, score) WHERE w.word = ANY(%s) GROUP BY id "
            "ORDER BY score DESC, id LIMIT %s) r JOIN {chunks} c USING (id) ORDER BY r.score DESC, c.id"
        ).format(words=self._words, chunks=self._chunks)
        return [Ranked(*row) for row in self._rows(query, (list(weights), limit))]

    def by_vector(self, vector: NDArray[np.float32], limit: int) -> list[Ranked]:
        """See Content."""
        query = sql.SQL(
            "SELECT id, file, -(vector <#> %s::halfvec) FROM {} ORDER BY vector <#> %s::halfvec LIMIT %s"
        ).format(self._chunks)
        half = halfvec(vector)
        with self._store.connection() as connection:
            # The graph gives at most so many.
            size = str(min(_EF_SEARCH_MAX, max(limit, 40)))
            connection.execute("SELECT set_config('hnsw.ef_search', %s, true)", (size,))
            if self._has_graph:  # for so many answers the planner would look at every row, which takes longer
                connection.execute("SET LOCAL enable_seqscan = off")
            return [Ranked(*row) for row in connection.execute(query, (half, half, limit)).fetchall()]

    def vectors(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """See Content."""
        if not ids:
            return np.empty((0, self._dimension), np.float32)
        query = sql.SQL("SELECT id, vector::real[] FROM {} WHERE id = ANY(%s)").format(self._chunks)
        found = dict(self._rows(query, (list(ids),), binary=True))
        return np.array([found[number] for number in ids], np.float32)

    def chunks(self, ids: Sequence[int]) -> dict[int, Stored]:
        """See Content."""
        query = sql.SQL("SELECT {} FROM {} WHERE id = ANY(%s)").format(sql.SQL(COLUMNS), self._chunks)
        found: dict[int, Stored] = {}
        for id_, _, path, language, first, last, kind, symbol, text, imports, sha256, words in self._rows(
            query, (list(ids),)
        ):
            names = tuple(json.loads(imports))
            found[id_] = Stored(Chunk(path, language, first, last, kind, symbol, text, names, sha256), words)
        return found

    def close(self) -> None:
        """Leave the connections to the store."""

    def _rows(self, query: sql.Composed, values: Sequence[Any], *, binary: bool = False) -> list[Any]:
        with self._store.connection() as connection:
            return connection.execute(query, values, binary=binary).fetchall()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
