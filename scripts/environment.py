"""Make .venv as the lock files say. Runs on the system's Python, so it uses nothing but its library.

    venv ─► pip ─► torch (by version: its build differs per machine) ─► the lock (by hash) ─► this project

Idempotent; a second run installs nothing. Run by `make environment`.
"""

from __future__ import annotations

import argparse
import ctypes.util
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PIP = [str(VENV / "bin/python"), "-m", "pip", "--disable-pip-version-check"]


def main() -> int:
    """Set the environment up; give the exit code."""
    parser = argparse.ArgumentParser(description="Make .venv as the lock files say.")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    device: str = parser.parse_args().device
    if sys.version_info[:2] != (3, 11):
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"Expected Python 3.11; {sys.executable} is {found}. Run: make PYTHON=/path/to/python3.11")
        return 1
    if device == "cpu" and ctypes.util.find_library("numa") is None:
        # No reason to stop: an image's build stage has no use for it, its last stage has.
        print(
            "[setup] vLLM's CPU kernels need libnuma, which is not here; on Debian: apt-get install libnuma1"
        )
    if not _has_compiler():
        chosen = f"; CXX={os.environ['CXX']} cannot be found" if "CXX" in os.environ else ""
        print(f"Expected a C++ compiler (c++, g++ or clang++){chosen}. On Debian: apt-get install g++")
        return 1
    begun = time.monotonic()
    steps = [
        ("virtual environment", [sys.executable, "-m", "venv", str(VENV)]),
        ("pip", [*PIP, "install", "-q", "-r", "requirements/pip.txt"]),
        ("torch", [*PIP, "install", "-q", *_torch_index(), "-r", "requirements/torch.txt"]),
        (
            "dependencies (about 190 packages, 1 to 3 minutes)",
            [*PIP, "install", "-q", "--no-deps", "--require-hashes", "-r", f"requirements/{device}.lock"],
        ),
        (
            "codefusion and its native core (about 1 minute)",
            [*PIP, "install", "-q", "--no-deps", "--no-build-isolation", "-e", "."],
        ),
    ]
    for name, command in steps:
        print(f"[setup] {name}", flush=True)
        done = subprocess.run(command, cwd=ROOT, check=False)
        if done.returncode:
            print(f"[setup] failed: {' '.join(command)}")
            return 1
    print(f"[setup] environment ready in {time.monotonic() - begun:.0f} s", flush=True)
    return 0


def _has_compiler() -> bool:
    """Tell whether CMake will find a C++ compiler for the native core; it takes $CXX, where that is set."""
    chosen = shlex.split(os.environ.get("CXX", ""))
    return any(shutil.which(name) for name in chosen[:1] or ("c++", "g++", "clang++"))


def _torch_index() -> list[str]:
    """Give the options for torch's CPU builds, where pip's own index has CUDA builds only."""
    index = os.environ.get("CODEFUSION_TORCH_INDEX")
    return ["--extra-index-url", index] if index else []


if __name__ == "__main__":
    sys.exit(main())
