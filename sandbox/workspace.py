"""The folders of one run on our disk, gone when it ends."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sandbox.errors import LaunchError
from sandbox.launch import give_to

Files = Mapping[str, bytes]


@contextmanager
def job_folder(files: Files, uid: int | None) -> Generator[Path]:
    """Give a folder with these files, readable by the slot's user and root alone. Raises LaunchError (disk full)."""
    folder: Path | None = None
    try:
        try:
            folder = Path(tempfile.mkdtemp(prefix="codefusion-job-"))
            for name, content in files.items():
                (folder / name).write_bytes(content)
                give_to(folder / name, uid)
            give_to(folder, uid)
        except OSError as error:
            raise LaunchError(f"the job's files could not be written: {error}") from error
        yield folder
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
