"""Start one isolated process by the method in force. Knows descriptors and users; judges nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sandbox import bubblewrap, landlock, seccomp
from sandbox.command import Command
from sandbox.errors import LaunchError


class Method(StrEnum):
    """The isolation methods, best first."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"


@dataclass(frozen=True)
class Started:
    """A process that was started, and what has to be read and cleaned up.

    status_fd   where bwrap or the launcher says that the program was started, and how it ended
    scratch     its files on our disk (Landlock); None where they live in a memory that ends with it
    """

    process: subprocess.Popen[bytes]
    status_fd: int
    scratch: Path | None
    command: Command


def start(
    method: Method, command: Command, *, pass_fds: Sequence[int] = (), stdin: int | None = None
) -> Started:
    """Start a process whose stdout and stderr are pipes. Raises LaunchError."""
    status_read, status_write = os.pipe()
    try:
        if method is Method.BUBBLEWRAP:
            return _start_bubblewrap(command, (status_read, status_write), pass_fds, stdin)
        return _start_landlock(command, (status_read, status_write), pass_fds, stdin)
    except (OSError, subprocess.SubprocessError) as error:
        os.close(status_read)
        raise LaunchError(f"{method} did not start: {error}") from error
    finally:
        os.close(status_write)


def _start_bubblewrap(
    command: Command, status: tuple[int, int], pass_fds: Sequence[int], stdin: int | None
) -> Started:
    with _memory_file(seccomp.build_filter().program) as filter_fd:
        argv = bubblewrap.build_argv(command, seccomp_fd=filter_fd, status_fd=status[1])
        process = _popen(argv, (*pass_fds, filter_fd, status[1]), stdin, bubblewrap.start_user(command))
    return Started(process, status[0], None, command)


def _start_landlock(
    command: Command, status: tuple[int, int], pass_fds: Sequence[int], stdin: int | None
) -> Started:
    scratch = Path(tempfile.mkdtemp(prefix="codefusion-scratch-"))
    try:
        give_to(scratch, command.uid)
        with _memory_file(landlock.build_policy(command, scratch)) as policy_fd:
            argv = landlock.build_argv(policy_fd, status[1])
            process = _popen(argv, (*pass_fds, policy_fd, status[1]), stdin, None)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return Started(process, status[0], scratch, command)


def give_to(path: Path, uid: int | None) -> None:
    """Make a file or folder the slot user's own, so that no other user needs to read it."""
    if uid is not None:
        os.chown(path, uid, uid)


@contextmanager
def _memory_file(content: bytes) -> Generator[int]:
    descriptor = os.memfd_create("sandbox", 0)
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _popen(
    argv: list[str], pass_fds: Sequence[int], stdin: int | None, user: int | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - this is the sandbox
        argv,
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=pass_fds,
        start_new_session=True,
        cwd="/",
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        user=user,
        group=user,
        extra_groups=None if user is None else (),
    )
