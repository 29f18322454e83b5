"""The folders of one run on our disk, gone when it ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sandbox.errors import LaunchError
from sandbox.launch import give_to

Files = Mapping[str, bytes]
# After the usual one: there, a container whose /tmp is noexec can mount a tmpfs that is not.
_FURTHER_FOLDER = Path("/var/tmp")  # noqa: S108 - names of their own are made in it


def folder_for_programs() -> Path | None:
    """Give the folder for what compilers make: the first that we may write and programs may be executed in.

    Containers get their tmpfs mounted noexec unless they ask otherwise, and a mount of it into the sandbox stays so.
    """
    for folder in (Path(tempfile.gettempdir()), _FURTHER_FOLDER):
        if os.access(folder, os.W_OK | os.X_OK) and not os.statvfs(folder).f_flag & os.ST_NOEXEC:
            return folder
    return None


def why_no_folder_for_programs() -> str:
    """Say what has to be done where there is none."""
    tried = " and ".join(dict.fromkeys((tempfile.gettempdir(), str(_FURTHER_FOLDER))))
    return (
        f"compiled programs need a folder in which files may be executed; {tried} may not be written or "
        "are mounted noexec"
    )


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
