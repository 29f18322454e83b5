"""Confine a child by Landlock, seccomp and rlimits, run it, wait for all it leaves. Started as a script.

Imports the standard library alone: it runs with -I -S. Status line as bwrap's: {"exit-code": N} once it was started.
"""

# Values of any type pass through here.
# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import struct
import sys
from typing import Any

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _SET_SUBREAPER, _SET_DEATH_SIGNAL = 38, 22, 36, 1
_SIGKILL, _SIGTERM = 9, 15
# linux/landlock.h: bits of access_fs by the version that brought them.
_FS_V1, _FS_REFER, _FS_TRUNCATE, _FS_IOCTL = 0x1FFF, 1 << 13, 1 << 14, 1 << 15
_READ = 0b1101  # execute, read a file, list a folder
_FILE_ONLY = 0b0111 | _FS_TRUNCATE | _FS_IOCTL
_LIBC = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: Any) -> int:
    result = _LIBC.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number} failed")
    return int(result)


def _control(option: int, value: int, pointer: Any = 0) -> None:
    if _LIBC.prctl(option, ctypes.c_ulong(value), pointer, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")


def _known_access(abi: int) -> int:
    access = _FS_V1
    for version, bit in ((2, _FS_REFER), (3, _FS_TRUNCATE), (5, _FS_IOCTL)):
        access |= bit if abi >= version else 0
    return access


def _restrict_files(policy: dict[str, Any]) -> None:
    abi = policy["abi"]
    known = _known_access(abi)
    network = 3 if abi >= 4 else 0
    scopes = 3 if abi >= 6 else 0
    attributes = struct.pack("=QQQ", known, network, scopes)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    for path in policy["readable"]:
        _allow(ruleset, path, _READ & known)
    for path in policy["writable"]:
        _allow(ruleset, path, known)
    _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    allowed = access if os.path.isdir(path) else access & _FILE_ONLY
    rule = struct.pack("=Qi", allowed, folder)
    _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint32(0))
    os.close(folder)


def _become(uid: int | None) -> None:
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def _restrict_calls(policy: dict[str, Any]) -> None:
    program = bytearray.fromhex(policy["filter"])
    for slot in policy["pid_slots"]:
        struct.pack_into("=I", program, 8 * slot + 4, os.getpid())
    buffer = ctypes.create_string_buffer(bytes(program), len(program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer)))
    _control(_SET_SECCOMP, 2, header)


def _run_confined(policy: dict[str, Any]) -> None:
    _control(_SET_DEATH_SIGNAL, _SIGKILL)
    os.chdir(policy["folder"])
    _become(policy["uid"])
    _control(_SET_DEATH_SIGNAL, _SIGKILL)  # a change of user clears it
    _control(_SET_NO_NEW_PRIVS, 1)
    _restrict_files(policy)
    for name, value in policy["limits"].items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (value, value))
    _restrict_calls(policy)
    os.execve(policy["argv"][0], policy["argv"], policy["environment"])  # noqa: S606


def _end_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, _SIGKILL)


def _wait_for_all(child: int) -> int:
    """Wait for the child, then end and reap what it left: orphans come to us, and none could leave its group."""
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    _end_group(child)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, 0):
            _end_group(child)
    return os.waitstatus_to_exitcode(status)


def _main(policy_fd: int, status_fd: int) -> None:
    with os.fdopen(policy_fd, "rb") as source:
        policy = json.loads(source.read())
    os.set_inheritable(status_fd, False)
    _control(_SET_SUBREAPER, 1)
    failure, report = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        try:
            _run_confined(policy)
        except BaseException as error:
            os.write(report, f"{type(error).__name__}: {error}".encode())
        os._exit(125)
    os.close(report)
    # When our own parent dies, the child has to go, and all of its group with it.
    signal.signal(signal.SIGTERM, lambda *_: _end_group(child))
    _control(_SET_DEATH_SIGNAL, _SIGTERM)
    code = _wait_for_all(child)
    message = os.read(failure, 4096)
    if message:
        sys.stderr.write(f"launcher: {message.decode()}\n")
        raise SystemExit(1)
    code = code if code >= 0 else 128 - code
    os.write(status_fd, json.dumps({"exit-code": code}).encode())
    raise SystemExit(code)


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
