"""What a process and its descendants use, read from /proc, and how they are ended."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# A fork bomb is bounded by RLIMIT_NPROC; this bounds one sample of it.
_MOST_PROCESSES = 4096


@dataclass(frozen=True)
class Usage:
    """Sums over a tree: CPU seconds (with those of children already waited for) and resident bytes."""

    cpu_seconds: float
    resident_bytes: int


def measure_tree(root: int) -> Usage:
    """Measure a process and all its descendants."""
    ticks = pages = 0
    for pid in descendants(root):
        fields = _stat_fields(pid)
        if fields:
            ticks += sum(map(int, fields[11:15]))
            pages += int(fields[21])
    return Usage(ticks / _TICKS, pages * _PAGE)


def descendants(root: int) -> list[int]:
    """Give a process and its descendants, parents first."""
    found = [root]
    for pid in found:
        if len(found) > _MOST_PROCESSES:
            break
        found += _children(pid)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    # A process that ends while it is read has no children any more.
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - pathlib takes three times as long, 50 times a second
            with open(f"/proc/{pid}/task/{task}/children") as source:  # noqa: PTH123
                children += map(int, source.read().split())
    return children


def _stat_fields(pid: int) -> list[str]:
    """Give the fields of /proc/PID/stat after the command's name, which may itself hold blanks and brackets."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def kill_tree(root: int, *, hard: bool = False) -> None:
    """End what a started process runs, and by that the process itself.

    The only child of bwrap is process 1 of the namespace: with it the kernel ends every other one. The only child of
    Landlock's launcher leads a group that nobody can leave; the launcher ends and reaps it. Both then end themselves
    and tell how; `hard`, and when there is no child yet, they are ended, too.
    """
    children = _children(root)
    for child in children:
        _signal_group(child)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    if hard or not children:
        _signal_group(root)


def _signal_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def folder_bytes(folder: Path, most_entries: int = 20_000) -> int:
    """Give what the files below a folder occupy; a folder with more entries than `most_entries` counts as infinite."""
    total, seen, waiting = 0, 0, [str(folder)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                seen += 1
                if seen > most_entries:
                    return 1 << 62
                total += 512 * entry.stat(follow_symlinks=False).st_blocks
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return total
