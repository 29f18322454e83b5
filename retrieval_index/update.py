"""Bringing an index up to date with its repository: only files that changed are read and cut again.

A file whose size and time of change are as before is not opened; one that was touched and has the same content keeps
its chunks. Work is on disk after every few files, and an update that was interrupted goes on there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from retrieval_index.chunks import chunk_text
from retrieval_index.errors import IndexMissingError, IndexWriteError, RepositoryError
from retrieval_index.store import (
    FORMAT,
    Manifest,
    connect,
    create,
    folder_of,
    open_read_only,
    publish,
    read_manifest,
    verified_database,
    writing,
)
from retrieval_index.terms import terms
from retrieval_index.walk import SourceFile, Walk, read_text, walk

_BATCH = 32  # files of one transaction
Progress = Callable[[int, int], None]  # files done, of how many


@dataclass
class Report:
    """What an update did. `skipped` counts files left out, by reason."""

    num_new: int = 0
    num_changed: int = 0
    num_removed: int = 0
    num_unchanged: int = 0
    num_chunks: int = 0
    seconds: float = 0.0
    skipped: Counter[str] = field(default_factory=Counter[str])

    @property
    def is_unchanged(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.num_new or self.num_changed or self.num_removed)


def update_index(
    root: Path, home: Path, name: str, *, afresh: bool = False, progress: Progress | None = None
) -> Report:
    """Make the index of a repository, or bring it up to date.

    afresh    start from nothing, whatever is there
    Raises RepositoryError (nothing to index, or the index is of another repository), IndexBusyError, IndexWriteError,
    IndexDamagedError and IndexVersionError (unless `afresh`).
    """
    started = time.perf_counter()
    folder, found = folder_of(home, name), walk(root)
    if not found.files:
        raise RepositoryError(
            f"{root}: expected source files to index; found none ({_listed(found.skipped)})"
        )
    try:
        with writing(folder):
            report = _updated(root, home, name, found, afresh=afresh, progress=progress)
    except (OSError, sqlite3.OperationalError) as error:
        raise IndexWriteError(f"{folder}: cannot be written ({error}); the index is as it was") from error
    report.seconds = time.perf_counter() - started
    return report


def _updated(
    root: Path, home: Path, name: str, found: Walk, *, afresh: bool, progress: Progress | None
) -> Report:
    folder = folder_of(home, name)
    current = None if afresh else _current(home, name, root)
    work = folder / "building.sqlite"
    if afresh:
        work.unlink(missing_ok=True)
    if current is not None and not work.exists():
        with contextlib.closing(open_read_only(current)) as connection:
            report = _differences(connection, found)[0]
        if report.is_unchanged:
            return report
    with contextlib.closing(_begun(work, current, root)) as connection:
        report = _bring_up_to_date(connection, root, found, progress)
        manifest = _manifest(connection, name, root, found)
    publish(folder, work, manifest)
    return report


def _current(home: Path, name: str, root: Path) -> Path | None:
    try:
        manifest = read_manifest(home, name)
    except IndexMissingError:
        return None
    if manifest.root != str(root.resolve()):
        raise RepositoryError(
            f"the index {name!r} is of {manifest.root}; got {root.resolve()}. Choose another --name, or build afresh"
        )
    return verified_database(home, manifest)


def _begun(work: Path, current: Path | None, root: Path) -> sqlite3.Connection:
    """Open the work that was left, else a copy of the index as it is, else an empty one."""
    meta = {"format": str(FORMAT), "root": str(root.resolve())}
    if work.exists():
        try:
            connection = connect(work)
            if dict(connection.execute("SELECT key, value FROM meta")) == meta:
                return connection
            connection.close()
        except sqlite3.DatabaseError:
            pass  # damaged: begun anew
        work.unlink()
    for left in work.parent.glob("building.sqlite-*"):  # a journal without its database
        left.unlink()
    part = work.with_suffix(".part")
    part.unlink(missing_ok=True)
    if current is None:
        connection = create(part)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        connection.close()
    else:
        shutil.copyfile(current, part)
    part.replace(work)
    return connect(work)


def _differences(connection: sqlite3.Connection, found: Walk) -> tuple[Report, list[SourceFile], list[str]]:
    """Compare the walk with the index: a report, the files to read, the paths to forget."""
    known = {
        path: (size, mtime_ns, skipped)
        for path, size, mtime_ns, skipped in connection.execute(
            "SELECT path, size, mtime_ns, skipped FROM files"
        )
    }
    report, todo = Report(skipped=Counter(found.skipped)), list[SourceFile]()
    for file in found.files:
        before = known.pop(file.path, None)
        if before is not None and before[:2] == (file.size, file.mtime_ns):
            report.num_unchanged += 1
            report.skipped.update([before[2]] if before[2] else [])
            continue
        todo.append(file)
        report.num_new += before is None
        report.num_changed += before is not None
    report.num_removed = len(known)
    report.num_chunks = connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
    return report, todo, sorted(known)


def _bring_up_to_date(
    connection: sqlite3.Connection, root: Path, found: Walk, progress: Progress | None
) -> Report:
    report, todo, gone = _differences(connection, found)
    with _transaction(connection):
        for path in gone:
            _forget(connection, path)
    done = report.num_unchanged
    for batch in _batches(todo):
        with _transaction(connection):
            for file in batch:
                if (reason := _read(connection, root, file)) is not None:
                    report.skipped[reason] += 1
        done += len(batch)
        if progress is not None:
            progress(done, len(found.files))
    connection.execute("INSERT INTO words (words) VALUES ('optimize')")
    report.num_chunks = connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
    return report


def _read(connection: sqlite3.Connection, root: Path, file: SourceFile) -> str | None:
    """Cut a file anew, unless it has the content that it had. Give the reason when it is left out."""
    text, reason = read_text(root / file.path)
    digest = hashlib.sha256((text or "").encode("utf-8", "surrogatepass")).hexdigest()
    row = connection.execute("SELECT sha256, skipped FROM files WHERE path = ?", (file.path,)).fetchone()
    if row != (digest, reason):
        _forget(connection, file.path)
        for chunk in chunk_text(file.path, file.language, text) if text is not None else ():
            cursor = connection.execute(
                "INSERT INTO chunks (path, language, first_line, last_line, kind, symbol, text, imports, sha256) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (chunk.path, chunk.language, chunk.first_line, chunk.last_line, chunk.kind, chunk.symbol, chunk.text,
                 json.dumps(chunk.imports), chunk.sha256),
            )  # fmt: skip
            words = (" ".join(terms(part)) for part in (chunk.symbol, chunk.path, chunk.text))
            connection.execute(
                "INSERT INTO words (rowid, symbol, path, body) VALUES (?, ?, ?, ?)",
                (cursor.lastrowid, *words),
            )
    connection.execute(
        "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)",
        (file.path, file.size, file.mtime_ns, digest, reason),
    )
    return reason


def _forget(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("DELETE FROM words WHERE rowid IN (SELECT id FROM chunks WHERE path = ?)", (path,))
    connection.execute("DELETE FROM chunks WHERE path = ?", (path,))
    connection.execute("DELETE FROM files WHERE path = ?", (path,))


def _manifest(connection: sqlite3.Connection, name: str, root: Path, found: Walk) -> Manifest:
    skipped = Counter(found.skipped)
    skipped.update(dict(connection.execute(
        "SELECT skipped, count(*) FROM files WHERE skipped IS NOT NULL GROUP BY skipped"
    )))  # fmt: skip
    num_files = connection.execute("SELECT count(*) FROM files WHERE skipped IS NULL").fetchone()[0]
    num_chunks = connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
    return Manifest(
        name,
        str(root.resolve()),
        "",
        0,
        "",
        num_files,
        num_chunks,
        time.time(),
        dict(sorted(skipped.items())),
    )


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _batches(files: Sequence[SourceFile]) -> Iterator[Sequence[SourceFile]]:
    for first in range(0, len(files), _BATCH):
        yield files[first : first + _BATCH]


def _listed(skipped: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in skipped.most_common()) or "the folder is empty"
