"""The fallback where namespaces are refused: Landlock, the call filter and rlimits. Knows the policy; starts nothing.

It is weaker than bubblewrap, and says so: /proc shows that other processes exist, and processes are counted per user.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox import seccomp
from sandbox.command import Command, resource_limits

LAUNCHER = Path(__file__).parent / "inside" / "landlock_launcher.py"
_CREATE_RULESET = 444
# TCP is confined from version 4 on; without it Landlock still stops files, and the call filter stops sockets.
MINIMUM_ABI = 1
_READABLE = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
_READABLE_DEVICES = ("/dev/urandom", "/dev/random", "/dev/zero")
_FOR_RUNTIMES = ("/proc", "/etc/java-17-openjdk", "/etc/java-21-openjdk")


def abi_version() -> int:
    """Give the kernel's Landlock version; 0 where there is none."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return max(0, int(version))


def missing_parts() -> str | None:
    """Say what is missing, or None."""
    if platform.machine() not in {"x86_64", "aarch64"}:
        return f"no call filter for {platform.machine()}"
    version = abi_version()
    return (
        None
        if version >= MINIMUM_ABI
        else "the kernel has no Landlock (5.13 or later with CONFIG_SECURITY_LANDLOCK)"
    )


def build_policy(command: Command, scratch: Path) -> bytes:
    """Give what the launcher has to apply, as JSON."""
    places = (str(command.job), str(command.out), str(scratch))
    built = seccomp.build_filter(shared_namespaces=True)
    readable = [*_READABLE, *_READABLE_DEVICES, str(command.job), *map(str, command.mounts)]
    policy = {
        "abi": abi_version(),
        "readable": readable + (list(_FOR_RUNTIMES) if command.needs_proc else []),
        "writable": [str(scratch), "/dev/null", *([str(command.out)] if command.out else [])],
        "uid": command.uid,
        "limits": resource_limits(command),
        "filter": built.program.hex(),
        "pid_slots": built.pid_slots,
        "argv": command.placed_argv(*places),
        "environment": {"OPENSSL_CONF": "/dev/null"} | command.placed_environment(*places),
        "folder": str(scratch),
    }
    return json.dumps(policy).encode()


def build_argv(policy_fd: int, status_fd: int) -> list[str]:
    """Give the launcher's command line."""
    return [sys.executable, "-I", "-S", str(LAUNCHER), str(policy_fd), str(status_fd)]


def is_reachable(mounts: Sequence[Path]) -> bool:
    """Whether the slot's user can reach a toolchain: nothing is mounted here, so it must be open to all."""
    from sandbox.bubblewrap import is_open_to_others

    return os.getuid() != 0 or all(is_open_to_others(path) for path in mounts)
