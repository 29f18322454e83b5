"""An index on disk: a folder named by the hash of what is in it, and a manifest that says which one counts.

    <home>/<name>/manifest.json      format, repository, embedder, counts; each file with its size and SHA-256
                  index-<hash>/      chunks.sqlite  files, chunks, their words, their vectors: what updates start from
                                     words/         BM25 over the words (words.py)
                                     vectors.faiss  nearest vectors (vectors.py), where there is an embedder
                  building/          work of an update that was interrupted; the next one goes on with it
                  lock               one writer at a time

A reader opens what the manifest names once its hashes are right, and keeps it: an update does not touch those files.
The manifest is replaced as a whole, so a crash at any point leaves the index as it was.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import platformdirs

from retrieval_index.errors import IndexBusyError, IndexDamagedError, IndexMissingError, IndexVersionError

FORMAT = 2
DATABASE = "chunks.sqlite"
BUILDING = "building"
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL,
                    skipped TEXT) WITHOUT ROWID;
CREATE TABLE chunks (id INTEGER PRIMARY KEY, path TEXT NOT NULL, language TEXT NOT NULL, first_line INTEGER NOT NULL,
                     last_line INTEGER NOT NULL, kind TEXT NOT NULL, symbol TEXT NOT NULL, text TEXT NOT NULL,
                     imports TEXT NOT NULL, sha256 TEXT NOT NULL, words TEXT NOT NULL, embedded TEXT NOT NULL);
CREATE INDEX chunks_of_file ON chunks (path);
CREATE TABLE vectors (embedded TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID;
"""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of an index: bytes and SHA-256 in hex."""

    num_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index is. `skipped` counts the files left out, by reason; times are seconds since 1970.

    embedder         its setting, as `load_embedder` takes it; "none": words alone
    embedder_id      which weights made the vectors; "" without any
    vector_kind      "flat" (exact) or "hnsw"; "" without any
    vector_recall    of the 50 nearest that exact search finds, measured when it was built
    """

    name: str
    root: str
    folder: str
    files: dict[str, FileRecord]
    num_files: int
    num_chunks: int
    built_at: float
    embedder: str = "none"
    embedder_id: str = ""
    dimension: int = 0
    vector_kind: str = ""
    vector_recall: float = 1.0
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    format: int = FORMAT

    @property
    def num_bytes(self) -> int:
        """Size on disk."""
        return sum(file.num_bytes for file in self.files.values())


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
    except FileNotFoundError:
        known = ", ".join(names_in(home)) or "none"
        raise IndexMissingError(f"no index {name!r} in {home}; there is {known}") from None
    except (OSError, ValueError) as error:
        raise IndexDamagedError(f"{path}: cannot be read ({error}). Build the index again") from error
    return manifest_of(values, str(path))


def manifest_of(values: Any, origin: str) -> Manifest:
    """Give a manifest from its JSON. Raises IndexVersionError, IndexDamagedError."""
    try:
        if values["format"] != FORMAT:
            raise IndexVersionError(
                f"{origin}: expected format {FORMAT}; got {values['format']!r}. Build the index again"
            )
        files = {name: FileRecord(**record) for name, record in values["files"].items()}
        return replace(Manifest(**values), files=files)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise IndexDamagedError(f"{origin}: cannot be read ({error}). Build the index again") from error


def verified_folder(home: Path, manifest: Manifest) -> Path:
    """Give the folder that a manifest names, once its files are what the manifest says. Raises IndexDamagedError.

    FAISS and NumPy trust what they read: a changed byte may mean gigabytes, or an answer that is silently wrong. So
    nothing is opened before its hash is right.
    """
    folder = folder_of(home, manifest.name) / Path(manifest.folder).name
    for name, record in manifest.files.items():
        _verify(folder / name, record)
    return folder


def _verify(path: Path, record: FileRecord) -> None:
    try:
        found = path.stat().st_size
        if found != record.num_bytes:
            raise IndexDamagedError(
                f"{path}: expected {record.num_bytes:,} bytes; got {found:,}. Build the index again"
            )
        digest = sha256_of(path)
    except OSError as error:
        raise IndexDamagedError(
            f"{path}: cannot be read ({error.strerror}). Build the index again"
        ) from error
    if digest != record.sha256:
        raise IndexDamagedError(
            f"{path}: expected SHA-256 {record.sha256}; got {digest}. Build the index again"
        )


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
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """Let all of a block be on disk, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


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


def publish(folder: Path, manifest: Manifest) -> Manifest:
    """Put the finished `building/` in place: from now on it is what readers open. Older ones are removed."""
    built = folder / BUILDING
    paths = sorted(path for path in built.rglob("*") if path.is_file())
    files = {
        path.relative_to(built).as_posix(): FileRecord(path.stat().st_size, sha256_of(path)) for path in paths
    }
    digest = hashlib.sha256("\n".join(f"{name} {file.sha256}" for name, file in files.items()).encode())
    finished = replace(manifest, folder=f"index-{digest.hexdigest()[:16]}", files=files)
    for path in (*paths, *(path for path in built.rglob("*") if path.is_dir()), built):
        _sync(path)
    target = folder / finished.folder
    if target.exists():  # the same content, or what is left of a crash between the two renames
        shutil.rmtree(target)
    built.replace(target)
    part = folder / "manifest.json.part"
    part.write_text(json.dumps(asdict(finished), indent=2) + "\n", encoding="utf-8")
    _sync(part)
    part.replace(folder / "manifest.json")
    _sync(folder)
    for old in folder.glob("index-*"):
        if old.name != finished.folder:
            shutil.rmtree(old, ignore_errors=True)
    return finished


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
