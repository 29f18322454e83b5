"""`manifest.json`: what a finished model folder holds and where it came from."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from model_store.errors import UnsafeModelError

MANIFEST_NAME = "manifest.json"


class FileRecord(BaseModel):
    """One file: size in bytes, hash, and the modification time at which that hash was known to hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    sha256: str | None
    mtime_ns: int


class ModelManifest(BaseModel):
    """A model folder's content and origin. Without a manifest on disk, `source` is 'local' and nothing is pinned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    id: str | None
    source: str
    revision: str | None
    licence: str | None
    made_at: str
    files: dict[str, FileRecord]

    @property
    def is_pinned(self) -> bool:
        """Whether the files were checked against known hashes when they were fetched."""
        return self.id is not None

    @property
    def num_bytes(self) -> int:
        """Size of all files together."""
        return sum(record.size for record in self.files.values())


def record_files(folder: Path, digests: Mapping[str, str | None]) -> dict[str, FileRecord]:
    """Describe the files named in `digests`, relative to `folder`, whose hashes the caller knows."""
    return {name: _record(folder / name, digest) for name, digest in sorted(digests.items())}


def files_below(folder: Path) -> list[str]:
    """Relative paths of everything in the folder that is no directory, sorted."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    )


def _record(path: Path, digest: str | None) -> FileRecord:
    status = path.stat()
    return FileRecord(size=status.st_size, sha256=digest, mtime_ns=status.st_mtime_ns)


def now() -> str:
    """The time of day in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_manifest(folder: Path, manifest: ModelManifest) -> None:
    """Write the manifest into its folder."""
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> ModelManifest | None:
    """Read the folder's manifest; None if it has none.

    Raises   UnsafeModelError if there is one that cannot be read.
    """
    path = folder / MANIFEST_NAME
    if not path.exists():
        return None
    try:
        return ModelManifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise UnsafeModelError(folder, f"{MANIFEST_NAME} cannot be read: {error}") from error
