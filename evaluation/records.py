"""An append-only file of JSON lines that survives being cut off anywhere.

A line counts when it ends in a newline. What stands after the last one is left from a write that was cut, and is
removed before the next append. A write that fails (disk full) is taken back, so that no half line stays.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from evaluation.errors import RunFolderError

Record = dict[str, Any]


def read_records(path: Path) -> list[Record]:
    """Give the whole lines of a file; none when there is no file. Raises RunFolderError for a damaged line."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    lines = data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]
    records: list[Record] = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise RunFolderError(
                f"{path}, line {number}: expected JSON; {error}. Remove the line to go on"
            ) from error
    return records


class RecordWriter:
    """Appends records, each with one write. A file has one writer at a time: a second one is refused."""

    def __init__(self, path: Path) -> None:
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._lock(path)
            end = os.fstat(self._fd).st_size
            self._end = self._after_last_line(end)
            os.ftruncate(self._fd, self._end)
        except OSError as error:
            raise RunFolderError(f"{path}: cannot be written ({error.strerror})") from error
        self._path = path

    def append(self, record: Record) -> None:
        """Write one record. Raises RunFolderError; what was written before stays."""
        line = json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        try:
            written = 0
            while written < len(line):
                written += os.pwrite(self._fd, line[written:], self._end + written)
        except OSError as error:
            os.ftruncate(self._fd, self._end)
            raise RunFolderError(
                f"{self._path}: cannot be written ({error.strerror}). Nothing is lost: make room, then start the "
                "same command again"
            ) from error
        self._end += len(line)

    def close(self) -> None:
        """Write through to the disk and close."""
        os.fsync(self._fd)
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lock(self, path: Path) -> None:
        """Keep other processes from writing; the lock ends with this one, however it ends."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise RunFolderError(
                f"{path.parent}: another process is working on this run. Let it end, or stop it, first"
            ) from None
        except OSError as error:  # a file system without locks
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                raise

    def _after_last_line(self, end: int) -> int:
        step = 64 * 1024
        while end > 0:
            start = max(0, end - step)
            found = os.pread(self._fd, end - start, start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return 0
