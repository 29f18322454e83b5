"""What the control groups of a Linux process grant it: CPU time and memory, of cgroup v1 and v2.

Never fails: a file that is missing or says "no limit" sets none. Does not know what the machine itself has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# cgroup v1 writes "no limit" as a number close to 2**63.
_NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """Bytes a cgroup grants: in all, and left now."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class CgroupFolders:
    """The folders whose limits bind this process, innermost first: a limit of any ancestor counts too.

    v2  /sys/fs/cgroup/<path>/cpu.max, memory.max          one tree
    v1  /sys/fs/cgroup/cpu/<path>/..., memory/<path>/...   a tree per controller
    """

    cpu: tuple[Path, ...] = ()
    memory: tuple[Path, ...] = ()

    @classmethod
    def of_process(cls, membership: Path, root: Path) -> CgroupFolders:
        """Read a /proc/<pid>/cgroup. A path outside a container's own view is taken as the root of the view."""
        folders: dict[str, list[Path]] = {"cpu": [], "memory": []}
        for line in text_of(membership).splitlines():
            _, controllers, path = [*line.split(":", 2), "", ""][:3]
            for name, found in folders.items():
                if controllers == "":
                    found.extend(_ancestors(root, path))
                elif name in controllers.split(","):
                    # Mounted as "cpu,cpuacct", or as "cpu" with a link; v1 beside v2 comes first: it is in charge.
                    mount = root / controllers if (root / controllers).is_dir() else root / name
                    found[:0] = _ancestors(mount, path)
        return cls(tuple(folders["cpu"]), tuple(folders["memory"]))

    def cpu_quota(self) -> float | None:
        """CPUs' worth of time granted: the least of all levels, None when none sets one."""
        quotas: list[float] = []
        for folder in self.cpu:
            words = text_of(folder / "cpu.max").split() or [
                text_of(folder / "cpu.cfs_quota_us").strip(),
                text_of(folder / "cpu.cfs_period_us").strip(),
            ]
            # "max 100000" in v2 and -1 in v1 mean no limit; neither is all digits.
            if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):
                quotas.append(int(words[0]) / int(words[1]))
        return min(quotas, default=None)

    def memory_limit(self) -> MemoryLimit | None:
        """The level with the least memory left, None when none sets a limit."""
        levels = [level for folder in self.memory if (level := _memory_level(folder))]
        if not levels:
            return None
        total, available = min(level.total for level in levels), min(level.available for level in levels)
        return MemoryLimit(total, available)


def _memory_level(folder: Path) -> MemoryLimit | None:
    limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
    if limit is None or limit >= _NO_LIMIT:
        return None
    used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
    # Cached file pages count as used but are given up on demand; without this a container that has just read
    # its weights would look full.
    stat = dict(line.split(" ", 1) for line in text_of(folder / "memory.stat").splitlines() if " " in line)
    reclaimable = int(stat.get("total_inactive_file", stat.get("inactive_file", "0")))
    return MemoryLimit(limit, max(0, limit - max(0, used - reclaimable)))


def _ancestors(mount: Path, path: str) -> Iterator[Path]:
    inner = mount / path.strip("/")
    folders = (inner, *inner.parents) if inner.is_dir() and ".." not in inner.parts else (mount,)
    for folder in folders:
        yield folder
        if folder == mount:
            return


def _number(path: Path) -> int | None:
    text = text_of(path).strip()
    return int(text) if text.isdigit() else None


def text_of(path: Path) -> str:
    """Read a file of the kernel; "" if it is not there or may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
