"""An index on disk: one SQLite file, named by its hash, and a manifest that says which one counts.

    <home>/<name>/manifest.json        format, repository, file, size, SHA-256, counts; replaced as a whole
                  index-<hash>.sqlite  files, chunks, and their words (FTS5)
                  building.sqlite      work of an update that was interrupted; the next one goes on with it
                  lock                 one writer at a time

A reader opens what the manifest names once its hash is right, and keeps it: an update does not touch that file. A crash
at any point leaves the manifest and its file as they were.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import platformdirs

from retrieval_index.errors import IndexBusyError, IndexDamagedError, IndexMissingError, IndexVersionError

FORMAT = 1
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL,
                    skipped TEXT) WITHOUT ROWID;
CREATE TABLE chunks (id INTEGER PRIMARY KEY, path TEXT NOT NULL, language TEXT NOT NULL, first_line INTEGER NOT NULL,
                     last_line INTEGER NOT NULL, kind TEXT NOT NULL, symbol TEXT NOT NULL, text TEXT NOT NULL,
                     imports TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE INDEX chunks_of_file ON chunks (path);
CREATE VIRTUAL TABLE words USING fts5 (symbol, path, body, detail = column,
                                       tokenize = "unicode61 remove_diacritics 0 tokenchars '_'");
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, row);
"""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index is. `skipped` counts the files left out, by reason; times are seconds since 1970."""

    name: str
    root: str
    database: str
    num_bytes: int
    sha256: str
    num_files: int
    num_chunks: int
    built_at: float
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    format: int = FORMAT


def default_home() -> Path:
    """Give the folder of the user's indexes."""
    return Path(platformdirs.user_data_dir("codefusion")) / "indexes"


def folder_of(home: Path, name: str) -> Path:
    """Give the folder of an index. Raises IndexMissingError for a name that none can have."""
    if not _NAME.fullmatch(name):
        raise IndexMissingError(
            f"expected a name of at most 64 letters a to z, digits, '.', '_' and '-'; got {name[:80]!r}"
        )
    return home / name


def names_in(home: Path) -> list[str]:
    """List the indexes of a folder."""
    return sorted(path.parent.name for path in home.glob("*/manifest.json"))


def read_manifest(home: Path, name: str) -> Manifest:
    """Read an index's manifest. Raises IndexMissingError, IndexVersionError, IndexDamagedError."""
    path = folder_of(home, name) / "manifest.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise IndexVersionError(
                f"{path}: expected format {FORMAT}; got {values['format']!r}. Build the index again"
            )
        return Manifest(**values)
    except FileNotFoundError:
        known = ", ".join(names_in(home)) or "none"
        raise IndexMissingError(f"no index {name!r} in {home}; there is {known}") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise IndexDamagedError(f"{path}: cannot be read ({error}). Build the index again") from error


def verified_database(home: Path, manifest: Manifest) -> Path:
    """Give the file that a manifest names, once it is what the manifest says. Raises IndexDamagedError."""
    path = folder_of(home, manifest.name) / Path(manifest.database).name
    try:
        found = path.stat().st_size
        if found != manifest.num_bytes:
            raise IndexDamagedError(
                f"{path}: expected {manifest.num_bytes:,} bytes; got {found:,}. Build the index again"
            )
        digest = sha256_of(path)
    except OSError as error:
        raise IndexDamagedError(
            f"{path}: cannot be read ({error.strerror}). Build the index again"
        ) from error
    if digest != manifest.sha256:
        raise IndexDamagedError(
            f"{path}: expected SHA-256 {manifest.sha256}; got {digest}. Build the index again"
        )
    return path


def sha256_of(path: Path) -> str:
    """Give a file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def create(path: Path) -> sqlite3.Connection:
    """Make an empty database."""
    connection = connect(path)
    connection.executescript(_SCHEMA)
    return connection


def connect(path: Path) -> sqlite3.Connection:
    """Open a database to write to; each transaction is on disk when it ends."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open a database that nothing writes to, for any thread (one at a time)."""
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
    )


@contextmanager
def writing(folder: Path) -> Generator[None]:
    """Hold an index's lock; it ends with the process, however that ends. Raises IndexBusyError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise IndexBusyError(f"{folder}: another process is writing this index") from None
        yield


def publish(folder: Path, built: Path, manifest: Manifest) -> Manifest:
    """Put a finished database in place: from now on it is what readers open. Older ones are removed."""
    digest = sha256_of(built)
    database = f"index-{digest[:16]}.sqlite"
    finished = replace(manifest, database=database, sha256=digest, num_bytes=built.stat().st_size)
    _sync(built)
    built.replace(folder / database)
    part = folder / "manifest.json.part"
    part.write_text(json.dumps(asdict(finished), indent=2) + "\n", encoding="utf-8")
    _sync(part)
    part.replace(folder / "manifest.json")
    _sync(folder)
    for old in folder.glob("index-*.sqlite"):
        if old.name != database:
            old.unlink()
    return finished


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
