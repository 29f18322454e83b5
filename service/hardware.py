"""What this process may compute with: CPU cores and features, memory, GPUs.

Reads /proc and, where torch was built with CUDA, torch.cuda. A container's limits count, not the machine's size:
affinity masks and the limits of `service.cgroup` are respected. Never fails: what cannot be read is reported as
unknown or absent, with the reason. Knows nothing of models or of vLLM.
"""

from __future__ import annotations

import math
import os
import platform
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from service.cgroup import CgroupFolders, text_of

# Flags as Linux spells them (x86 "flags", ARM "Features") -> our name. The ones that decide a kernel or a dtype.
_FEATURES = {
    "avx2": "avx2",
    "avx512f": "avx512",
    "avx512_bf16": "avx512_bf16",
    "avx512_vnni": "avx512_vnni",
    "amx_bf16": "amx_bf16",
    "amx_int8": "amx_int8",
    "asimd": "neon",
    "bf16": "arm_bf16",
    "i8mm": "arm_i8mm",
}
# ARM's /proc/cpuinfo has no model name; these are the cores of the server CPUs a user may rent.
_ARM_PARTS = {
    "0xd0c": "ARM Neoverse-N1",
    "0xd40": "ARM Neoverse-V1",
    "0xd49": "ARM Neoverse-N2",
    "0xd4f": "ARM Neoverse-V2",
    "0xd84": "ARM Neoverse-V3",
}


@dataclass(frozen=True)
class Cpu:
    """The CPUs this process may run on.

    logical   ids of the usable logical CPUs, ascending
    cores     one of them for each physical core, ascending: hyper-threads share a core's arithmetic units
    quota     CPUs' worth of time the cgroup grants, or None when it grants all
    features  of "avx2", "avx512", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "neon", "arm_bf16",
              "arm_i8mm"
    """

    model: str
    architecture: str
    logical: tuple[int, ...]
    cores: tuple[int, ...]
    quota: float | None
    features: frozenset[str]

    @cached_property
    def num_threads(self) -> int:
        """Compute threads worth starting: one a core, and no more than the quota feeds. At least 1."""
        if self.quota is None:
            return len(self.cores)
        return max(1, min(len(self.cores), math.floor(self.quota)))

    @cached_property
    def is_throttled(self) -> bool:
        """Whether the quota grants less time than the affinity mask has cores."""
        return self.quota is not None and self.quota < len(self.cores)

    @cached_property
    def bfloat16_feature(self) -> str | None:
        """The instruction set that multiplies bfloat16 natively, fastest first, or None."""
        return next((name for name in ("amx_bf16", "avx512_bf16", "arm_bf16") if name in self.features), None)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes this process may use: in all, and free now. `is_limited` when a cgroup sets the total."""

    total: int
    available: int
    is_limited: bool = False


@dataclass(frozen=True, slots=True)
class Gpu:
    """One CUDA device. `memory` is its total, in bytes."""

    name: str
    memory: int
    capability: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hardware:
    """What `detect` found. `no_gpu_reason` says why `gpus` is empty."""

    cpu: Cpu
    memory: Memory
    gpus: tuple[Gpu, ...] = ()
    no_gpu_reason: str | None = None


def detect(proc: Path = Path("/proc"), cgroup_root: Path = Path("/sys/fs/cgroup")) -> Hardware:
    """Look at this machine. Costs a few milliseconds, and torch's import where it is not loaded yet."""
    groups = CgroupFolders.of_process(proc / "self" / "cgroup", cgroup_root)
    gpus, reason = read_gpus()
    return Hardware(
        cpu=read_cpu(proc / "cpuinfo", _affinity(), groups.cpu_quota()),
        memory=read_memory(proc / "meminfo", groups),
        gpus=gpus,
        no_gpu_reason=reason,
    )


def read_cpu(cpuinfo: Path, affinity: set[int], quota: float | None) -> Cpu:
    """Read a /proc/cpuinfo, of x86 or ARM, for the CPUs of the affinity mask."""
    processors = {
        int(block["processor"]): block for block in _blocks(cpuinfo) if block.get("processor", "").isdigit()
    }
    first = next(iter(processors.values()), {})
    flags = f"{first.get('flags', '')} {first.get('Features', '')}".split()
    first_of_core: dict[object, int] = {}
    for cpu in sorted(affinity):
        first_of_core.setdefault(_core_of(cpu, processors.get(cpu, {})), cpu)
    return Cpu(
        model=first.get("model name")
        or _ARM_PARTS.get(first.get("CPU part", ""))
        or platform.processor()
        or "unknown",
        architecture=platform.machine(),
        logical=tuple(sorted(affinity)),
        cores=tuple(first_of_core.values()),
        quota=quota,
        features=frozenset(name for flag, name in _FEATURES.items() if flag in flags),
    )


def read_memory(meminfo: Path, groups: CgroupFolders) -> Memory:
    """Read a /proc/meminfo, lowered to the cgroup's limit where that is smaller."""
    values = _meminfo(meminfo)
    total = values.get("MemTotal", 0)
    available = values.get("MemAvailable", values.get("MemFree", total))
    limit = groups.memory_limit()
    if limit is None or (total and limit.total >= total):
        return Memory(total, available)
    return Memory(
        limit.total, min(limit.available, available) if available else limit.available, is_limited=True
    )


def read_gpus() -> tuple[tuple[Gpu, ...], str | None]:
    """List the CUDA devices torch sees, or none and the reason.

    Asks for properties only, which sets up no context on the device: the engine's process needs that memory.
    """
    try:
        import torch
    except (ImportError, OSError) as error:
        return (), f"torch cannot be imported: {error}"
    if torch.version.cuda is None:
        return (), f"torch {torch.__version__} is built without CUDA"
    # A missing or too old driver comes as a warning, the useful words in it.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            gpus = tuple(_gpu(torch.cuda.get_device_properties(i)) for i in range(torch.cuda.device_count()))
        except (RuntimeError, AssertionError) as error:
            return (), f"CUDA does not start: {_first_line(error)}"
    if gpus:
        return gpus, None
    words = [_first_line(warning.message) for warning in caught]
    return (), words[
        0
    ] if words else f"CUDA {torch.version.cuda} finds no device (driver, CUDA_VISIBLE_DEVICES?)"


def _gpu(properties: object) -> Gpu:
    return Gpu(
        name=str(getattr(properties, "name", "GPU")),
        memory=int(getattr(properties, "total_memory", 0)),
        capability=(int(getattr(properties, "major", 0)), int(getattr(properties, "minor", 0))),
    )


def _affinity() -> set[int]:
    # macOS has no affinity masks.
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _core_of(cpu: int, block: Mapping[str, str]) -> object:
    # ARM and some virtual machines name no core: then each logical CPU is one.
    return (block.get("physical id"), block["core id"]) if "core id" in block else cpu


def _blocks(cpuinfo: Path) -> Iterator[dict[str, str]]:
    for text in text_of(cpuinfo).split("\n\n"):
        pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
        yield {name.strip(): value.strip() for name, value in pairs}


def _meminfo(path: Path) -> dict[str, int]:
    pairs = (line.split(":", 1) for line in text_of(path).splitlines() if ":" in line)
    values = {name: int(value.split()[0]) * 1024 for name, value in pairs if value.split()}
    if not values and hasattr(os, "sysconf"):
        values["MemTotal"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return values


def _first_line(message: object) -> str:
    return str(message).strip().split("\n", 1)[0]
