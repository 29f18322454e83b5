"""An index's files copied to a PostgreSQL server: see postgres.py, which reads what stands there."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from retrieval_index.errors import IndexMissingError
from retrieval_index.store import DATABASE, Manifest, open_read_only, read_manifest, verified_folder
from retrieval_index.vectors import FILE, VectorIndex
from retrieval_index.words import FOLDER, WordIndex

# Above so many chunks pgvector's HNSW graph is built: looking at all of 9,000 takes twice as long as the graph does.
GRAPH_CHUNKS = 2_000
_KEPT_VERSIONS = 2
_BATCH = 512
_SAMPLE, _NEAREST = 100, 50  # queries and answers of the recall that is measured
COLUMNS: LiteralString = (
    "id, file, path, language, first_line, last_line, kind, symbol, text, imports, sha256, words"
)
_VERSION = re.compile(r"index-(?P<hash>[0-9a-f]{16})")
_SETUP: tuple[LiteralString, ...] = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    "CREATE SCHEMA IF NOT EXISTS codefusion",
    (
        "CREATE TABLE IF NOT EXISTS codefusion.indexes (name text, version text, manifest jsonb NOT NULL, "
        "published timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (name, version))"
    ),
)
_CHUNKS: LiteralString = (
    "CREATE TABLE IF NOT EXISTS {} (id bigint PRIMARY KEY, file int NOT NULL, path text NOT NULL, "
    "language text NOT NULL, first_line int NOT NULL, last_line int NOT NULL, kind text NOT NULL, "
    "symbol text NOT NULL, text text NOT NULL, imports text NOT NULL, sha256 text NOT NULL, words text NOT NULL{})"
)
_WORDS: LiteralString = (
    "CREATE TABLE IF NOT EXISTS {} (word text PRIMARY KEY, chunks bigint[] NOT NULL, scores real[] NOT NULL)"
)
_FILE_COLUMNS = (
    "SELECT id, dense_rank() OVER (ORDER BY path), path, language, first_line, last_line, kind, symbol, text, "
    "imports, sha256, words FROM chunks ORDER BY id"
)
Progress = Callable[[str, int, int], None]


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Say nothing."""


def publish(connection: psycopg.Connection[Any], home: Path, name: str, progress: Progress) -> Manifest:
    """Copy an index within the connection's transaction; give its manifest on the server."""
    manifest = read_manifest(home, name)
    folder = verified_folder(home, manifest)
    version = version_of(manifest)
    connection.execute("SET LOCAL statement_timeout = 0")
    # One at a time: IF NOT EXISTS alone is no protection against another that creates the same.
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('codefusion'))")
    for statement in _SETUP:
        connection.execute(statement)
    known = connection.execute(
        "SELECT manifest FROM codefusion.indexes WHERE version = %s LIMIT 1", (version,)
    ).fetchone()
    if known:
        kind, recall = known[0]["vector_kind"], known[0]["vector_recall"]
    else:
        kind = _copy(connection, folder, manifest, progress)
        recall = _recall(connection, version) if kind == "hnsw" else 1.0
    published = replace(manifest, vector_kind=kind, vector_recall=recall)
    connection.execute(
        "INSERT INTO codefusion.indexes (name, version, manifest) VALUES (%s, %s, %s) "
        "ON CONFLICT (name, version) DO UPDATE SET published = clock_timestamp()",
        (name, version, json.dumps(asdict(published))),
    )
    _drop_old(connection, name)
    return published


def _copy(connection: psycopg.Connection[Any], folder: Path, manifest: Manifest, progress: Progress) -> str:
    """Fill the tables of a version; give the kind of its vectors."""
    chunks, words = tables_of(version_of(manifest))
    has_vectors = bool(manifest.embedder_id)
    column = (
        sql.SQL(", vector halfvec({})").format(sql.Literal(manifest.dimension))
        if has_vectors
        else sql.SQL("")
    )
    connection.execute(sql.SQL(_CHUNKS).format(chunks, column))
    connection.execute(sql.SQL(_WORDS).format(words))
    index = VectorIndex(folder / FILE, manifest.dimension) if has_vectors else None
    names = sql.SQL(COLUMNS + (", vector" if has_vectors else ""))
    copy = sql.SQL("COPY {} ({}) FROM STDIN").format(chunks, names)
    done = 0
    with (
        contextlib.closing(open_read_only(folder / DATABASE)) as files,
        connection.cursor().copy(copy) as out,
    ):
        rows = files.execute(_FILE_COLUMNS)
        while batch := rows.fetchmany(_BATCH):
            vectors = index.rows([row[0] for row in batch]) if index else None
            for number, row in enumerate(batch):
                out.write_row([*row, halfvec(vectors[number])] if vectors is not None else row)
            done += len(batch)
            progress("chunks", done, manifest.num_chunks)
    with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(words)) as out:
        for posting in WordIndex(folder / FOLDER).postings():
            out.write_row(posting)
    if has_vectors and manifest.num_chunks > GRAPH_CHUNKS:
        progress("graph", 0, 1)
        connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
        connection.execute(sql.SQL("CREATE INDEX ON {} USING hnsw (vector halfvec_ip_ops)").format(chunks))
        progress("graph", 1, 1)
    connection.execute(sql.SQL("ANALYZE {}").format(chunks))
    if not has_vectors:
        return ""
    return "hnsw" if manifest.num_chunks > GRAPH_CHUNKS else "flat"


def _recall(connection: psycopg.Connection[Any], version: str) -> float:
    """Measure the share of the nearest that the graph finds, for some of its own chunks."""
    chunks, _ = tables_of(version)
    sample = sql.SQL("SELECT vector::text FROM {} ORDER BY md5(id::text) LIMIT %s").format(chunks)
    asked = [row[0] for row in connection.execute(sample, (_SAMPLE,))]
    nearest = sql.SQL("SELECT id FROM {} ORDER BY vector <#> %s::halfvec LIMIT %s").format(chunks)
    connection.execute("SET LOCAL hnsw.ef_search = 200")
    found: dict[str, list[set[int]]] = {}
    for scan in ("on", "off"):
        connection.execute(f"SET LOCAL enable_indexscan = {scan}")
        answers = (connection.execute(nearest, (vector, _NEAREST)).fetchall() for vector in asked)
        found[scan] = [{row[0] for row in rows} for rows in answers]
    shares = [len(a & b) / max(1, len(b)) for a, b in zip(found["on"], found["off"], strict=True)]
    return float(np.mean(shares))


def _drop_old(connection: psycopg.Connection[Any], name: str) -> None:
    connection.execute(
        "DELETE FROM codefusion.indexes WHERE name = %s AND version NOT IN (SELECT version FROM codefusion.indexes "
        "WHERE name = %s ORDER BY published DESC LIMIT %s)",
        (name, name, _KEPT_VERSIONS),
    )
    used = {version for (version,) in connection.execute("SELECT version FROM codefusion.indexes")}
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'codefusion'").fetchall()
    for (table,) in tables:
        kind, _, version = table.partition("_")
        if kind in ("chunks", "words") and version and version not in used:
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier("codefusion", table)))


def version_of(manifest: Manifest) -> str:
    """Give what names a version's tables."""
    found = _VERSION.fullmatch(manifest.folder)
    if found is None:
        raise IndexMissingError(
            f"index {manifest.name!r}: expected a folder index-HASH; got {manifest.folder!r}"
        )
    return found["hash"]


def tables_of(version: str) -> tuple[sql.Identifier, sql.Identifier]:
    """Give the tables of chunks and of words."""
    return sql.Identifier("codefusion", f"chunks_{version}"), sql.Identifier("codefusion", f"words_{version}")


def halfvec(vector: NDArray[np.float32]) -> str:
    """Give a vector as pgvector reads it."""
    return "[" + ",".join(map(repr, vector.tolist())) + "]"
