"""The primary method: a process in namespaces of its own, made by bubblewrap.

Knows how bwrap is called; starts nothing. Two forms, as measured in docs/sandbox.md:

    user namespace     for ordinary users, and for root after it became the slot's user
    root mounts        for root, when a toolchain lies below a folder that only root may enter (its home,
                       say): bwrap mounts as root, and setpriv becomes the slot's user inside
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sandbox.command import Command, resource_limits

# Paths of the sandbox, not of this machine.
_TMP = "/tmp"  # noqa: S108
_SHARED_MEMORY = "/dev/shm"  # noqa: S108
_TOOLS = ("bwrap", "prlimit")
_UNSHARED = ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
# What programs need of /etc; the implicit /etc would be closed to them (0700).
_ETC = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/java-17-openjdk", "/etc/java-21-openjdk")


def missing_tools() -> str | None:
    """Say what has to be installed, or None."""
    absent = [name for name in _TOOLS if shutil.which(name) is None]
    return f"{' and '.join(absent)} not found (Debian: bubblewrap, util-linux)" if absent else None


def needs_root_mounts(command: Command) -> bool:
    """Whether root has to mount, because the slot's user could not reach a toolchain."""
    return command.uid is not None and not all(is_open_to_others(path) for path in command.mounts)


def is_open_to_others(path: Path) -> bool:
    """Whether any user may enter a folder."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def build_argv(command: Command, *, seccomp_fd: int, status_fd: int) -> list[str]:
    """Give the whole command line."""
    root_mounts = needs_root_mounts(command)
    out = ["--bind", str(command.out), "/out"] if command.out is not None else []
    return [
        "bwrap",
        *(_privileges(root_mounts=root_mounts)),
        *_UNSHARED,
        *("--die-with-parent", "--new-session", "--hostname", "sandbox"),
        *_environment(command),
        # Before the toolchains: one may lie below it.
        *("--perms", "1777", "--size", str(command.limits.scratch_bytes), "--tmpfs", _TMP),
        *_file_system(command),
        *("--ro-bind", str(command.job), "/job"),
        *out,
        *("--chdir", _TMP, "--remount-ro", "/"),
        *("--seccomp", str(seccomp_fd), "--json-status-fd", str(status_fd), "--"),
        *(_become(command.uid) if root_mounts else []),
        *_prlimit(command),
        *command.placed_argv("/job", "/out", _TMP),
    ]


def _privileges(*, root_mounts: bool) -> list[str]:
    if not root_mounts:
        return ["--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
    kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
    return ["--cap-drop", "ALL", *(word for name in kept for word in ("--cap-add", name))]


def _become(uid: int | None) -> list[str]:
    assert uid is not None
    ids = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    return ["setpriv", *ids, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]


def _environment(command: Command) -> list[str]:
    variables = command.placed_environment("/job", "/out", _TMP)
    return ["--clearenv", *(word for pair in variables.items() for word in ("--setenv", *pair))]


def _file_system(command: Command) -> list[str]:
    words = ["--perms", "0755", "--dir", "/etc"]
    for path in _ETC:
        words += ["--ro-bind-try", path, path]
    words += ["--ro-bind", "/usr", "/usr", *_system_links()]
    words += [
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--size",
        "65536",
        "--tmpfs",
        _SHARED_MEMORY,
        "--remount-ro",
        "/dev",
    ]
    made = {Path("/")}
    for mount in command.mounts:
        for parent in (*reversed(mount.parents), mount):
            if parent not in made and not parent.is_relative_to("/usr"):
                words += ["--perms", "0755", "--dir", str(parent)]
                made.add(parent)
        words += ["--ro-bind", str(mount), str(mount)]
    return words


def _system_links() -> list[str]:
    """Copy /bin and /lib as they are: links into /usr today, folders of their own on older systems."""
    words: list[str] = []
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if Path(name).is_symlink():
            words += ["--symlink", str(Path(name).readlink()), name]
        elif Path(name).exists():
            words += ["--ro-bind", name, name]
    return words


def _prlimit(command: Command) -> list[str]:
    # Inside: since Linux 5.14 processes are counted per user namespace, so the bound is this run's own.
    return ["prlimit", *(f"--{name}={value}" for name, value in resource_limits(command).items())]


def start_user(command: Command) -> int | None:
    """Give the user as whom bwrap itself is started, or None to stay who we are."""
    return None if os.getuid() != 0 or needs_root_mounts(command) else command.uid
