"""What is to be run in isolation, without saying by which method."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.limits import Limits

# The first of a range of user ids that nobody has: each slot uses two, so that test and candidate differ.
FIRST_UID = 60_000
UIDS_PER_SLOT = 2


def slot_uid(slot: int, member: int) -> int | None:
    """Give the user to become, or None when we are an ordinary user already."""
    return FIRST_UID + UIDS_PER_SLOT * slot + member if os.getuid() == 0 else None


@dataclass(frozen=True)
class Command:
    """One process to be started in isolation.

    argv           its words; {job}, {out} and {tmp} stand for the places below
    job            a folder that it may read
    out            a folder that it may fill, if any
    mounts         folders of toolchains that it may read and execute, at their own paths
    environment    its whole environment, besides PATH, HOME and LANG
    uid            the user to become (root only)
    bound_address_space    RLIMIT_AS; runtimes that reserve much more than they use get RLIMIT_DATA instead, and
                   the supervisor's count of resident memory bounds the rest
    needs_proc     whether the program reads /proc (node, java, compilers); always there in a pid namespace
    """

    argv: tuple[str, ...]
    job: Path
    limits: Limits
    out: Path | None = None
    mounts: tuple[Path, ...] = ()
    environment: dict[str, str] = field(default_factory=dict[str, str])
    uid: int | None = None
    bound_address_space: bool = True
    needs_proc: bool = False

    def placed_argv(self, job: str, out: str, tmp: str) -> list[str]:
        """Give the words with the places filled in."""
        places = {"{job}": job, "{out}": out, "{tmp}": tmp}
        return [_replace_all(word, places) for word in self.argv]

    def placed_environment(self, job: str, out: str, tmp: str) -> dict[str, str]:
        """Give the environment with the places filled in."""
        places = {"{job}": job, "{out}": out, "{tmp}": tmp}
        own = {name: _replace_all(value, places) for name, value in self.environment.items()}
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": tmp, "LANG": "C.UTF-8"} | own


def _replace_all(word: str, places: dict[str, str]) -> str:
    for name, place in places.items():
        word = word.replace(name, place)
    return word


def resource_limits(command: Command) -> dict[str, int]:
    """Give the kernel's limits by their name in `prlimit` and, with RLIMIT_ before, in `resource`."""
    limits = command.limits
    memory = "as" if command.bound_address_space else "data"
    return {
        "core": 0,
        "fsize": limits.file_bytes,
        "nofile": limits.open_files,
        "cpu": max(1, int(limits.cpu_seconds + 1)),  # whole seconds; the supervisor counts finer
        memory: limits.memory_bytes,
        "stack": 64 << 20,
        "memlock": 0,
        "msgqueue": 0,
        "nproc": limits.processes,
    }
