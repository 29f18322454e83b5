"""The folders models live in, and how a new one gets there whole or not at all.

    <root>/models/<id>/                 a finished model
    <root>/models/.<id>.<pin>.partial/  what an unfinished fetch has so far; the next one goes on from it
    <root>/models/.<id>.lock            held while a process fetches
    <root>/gguf/<id>.gguf               the file a model was converted from, if the user asked to keep it

All below `models/` is one file system, so the last step of a fetch is a rename.
"""

import fcntl
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from model_store.errors import DiskSpaceError
from model_store.progress import Reporter


def default_cache_dir() -> Path:
    """The folder named by CODEFUSION_CACHE, else the user's cache folder. Reads the environment: call it once."""
    if override := os.environ.get("CODEFUSION_CACHE"):
        return Path(override).expanduser()
    return platformdirs.user_cache_path("codefusion")


class ModelCache:
    """The cache below one root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def model_dir(self, model_id: str) -> Path:
        """Where a finished model is or will be."""
        return self.root / "models" / model_id

    def gguf_path(self, model_id: str) -> Path:
        """Where a GGUF is kept on request."""
        return self.root / "gguf" / f"{model_id}.gguf"

    def partial_dir(self, model_id: str, pin: str) -> Path:
        """A folder for unfinished work; `pin` keeps what was begun for another version apart."""
        folder = self.root / "models" / f".{model_id}.{pin}.partial"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def require_space(self, num_bytes: int) -> None:
        """Raise DiskSpaceError unless `num_bytes` more fit on the file system of the cache."""
        self.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.root).free
        if free < num_bytes:
            raise DiskSpaceError(self.root, num_bytes, free)

    @contextmanager
    def lock(self, model_id: str, reporter: Reporter) -> Generator[None]:
        """Hold the model's lock; wait, and say so, while another process has it.

        The kernel drops the lock with the process, so a crash leaves none behind.
        """
        path = self.root / "models" / f".{model_id}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                reporter.say(f"{model_id}: another process is fetching it; waiting for that to end")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def publish(self, build: Path, model_id: str) -> Path:
        """Make the finished folder `build` the model, in place of an older one."""
        _fsync_tree(build)
        target = self.model_dir(model_id)
        old = target.with_name(f".{model_id}.replaced")
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        build.rename(target)
        _fsync(target.parent)
        shutil.rmtree(old, ignore_errors=True)
        return target


def _fsync_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        _fsync(path)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
