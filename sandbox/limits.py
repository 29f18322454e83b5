"""How much a program may use. Every bound is enforced, by the kernel or by the supervisor."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from sandbox.errors import InvalidTaskError

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds of one run.

    cpu_seconds     CPU time of all its processes together
    wall_seconds    the backstop for programs that sleep or wait
    memory_bytes    address space of a process, and resident memory of all processes together
    output_bytes    stdout, and as much of stderr
    file_bytes      the largest file
    scratch_bytes   all files together
    processes       processes and threads at once
    open_files      file descriptors of a process
    compile_seconds CPU time of the compiler, where there is one; wall time: half as much again
    """

    cpu_seconds: float = 5.0
    wall_seconds: float = 10.0
    memory_bytes: int = 1024 * MIB
    output_bytes: int = 64 * 1024
    file_bytes: int = 16 * MIB
    scratch_bytes: int = 64 * MIB
    processes: int = 64
    open_files: int = 128
    compile_seconds: float = 60.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not math.isfinite(value) or value <= 0:
                raise InvalidTaskError(f"expected {each.name} to be a positive finite number, got {value!r}")


# A compiler is a trusted program that reads hostile text: it gets more, and is bounded all the same. Its time is the
# task's `compile_seconds`.
COMPILE_LIMITS = Limits(
    memory_bytes=2048 * MIB,
    output_bytes=256 * 1024,
    file_bytes=64 * MIB,
    scratch_bytes=512 * MIB,
    processes=128,
    open_files=256,
)
