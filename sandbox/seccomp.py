"""The system calls that a sandboxed program may not make, as a BPF program assembled here.

Own code, because it is two instructions per call: the binding on PyPI (pyseccomp) needs libseccomp and had its last
release in 2021. It knows the two 64-bit architectures that models are served on; elsewhere it refuses.
"""

from __future__ import annotations

import platform
import struct
from dataclasses import dataclass

from sandbox.errors import LaunchError

# Instructions of classic BPF: linux/bpf_common.h.
_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS, _AF_UNIX = 1, 38, 1
_NR, _ARCH, _ARGS = 0, 4, 16  # offsets in struct seccomp_data; arguments take 8 bytes each
_NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag
_X32_BIT = 0x40000000
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# name: (x86_64, aarch64); -1 where the architecture has no such call.
DENIED: dict[str, tuple[int, int]] = {
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "process_mrelease": (448, 448),
    # mounts and namespaces
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    # wide kernel surface
    "bpf": (321, 280), "perf_event_open": (298, 241), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "userfaultfd": (323, 282), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "init_module": (175, 105), "delete_module": (176, 106), "finit_module": (313, 273), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "fanotify_init": (300, 262), "quotactl": (179, 60), "quotactl_fd": (443, 443), "acct": (163, 89),
    "syslog": (103, 116), "modify_ldt": (154, -1), "vhangup": (153, 58), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171), "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42), "iopl": (172, -1), "ioperm": (173, -1),
    # memory that belongs to no process's resident set, so no watchdog would see it
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
}  # fmt: skip

# Without namespaces, what would reach other processes or outlive the run.
DENIED_IN_SHARED_NAMESPACES: dict[str, tuple[int, int]] = {
    "setsid": (112, 157), "setpgid": (109, 154), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "sched_setscheduler": (144, 119), "sched_setparam": (142, 118), "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190),
    "mq_open": (240, 180),
}  # fmt: skip
CALLS = {
    "clone": (56, 220), "clone3": (435, 435), "socket": (41, 198), "socketpair": (53, 199), "kill": (62, 129),
    "tkill": (200, 130), "tgkill": (234, 131), "prlimit64": (302, 261), "fcntl": (72, 25),
}  # fmt: skip
_FCNTL_OWNER_COMMANDS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals by way of a descriptor


@dataclass(frozen=True)
class Filter:
    """An assembled program; the words at `pid_slots` take the process's own id once it is known."""

    program: bytes
    pid_slots: tuple[int, ...] = ()


class _Assembler:
    def __init__(self, column: int) -> None:
        self._column = column
        self.code: list[tuple[int, int, int, int]] = []
        self.pid_slots: list[int] = []

    def emit(self, code: int, k: int, if_true: int = 0, if_false: int = 0) -> None:
        self.code.append((code, if_true, if_false, k))

    def deny(self, number: int, errno: int = _EPERM) -> None:
        if number >= 0:
            self.emit(_EQUAL, number, 0, 1)
            self.emit(_RETURN, _ERRNO | errno)

    def number(self, name: str) -> int:
        return CALLS[name][self._column]

    def deny_unless_first_argument(self, name: str, value: int, *, is_pid: bool = False) -> None:
        """Allow the call only with this first argument; then the call's number is lost, so it decides here."""
        self.emit(_EQUAL, self.number(name), 0, 4)
        self.emit(_LOAD, _ARGS)
        if is_pid:
            self.pid_slots.append(len(self.code))
        self.emit(_EQUAL, value, 1, 0)
        self.emit(_RETURN, _ERRNO | _EPERM)
        self.emit(_RETURN, _ALLOW)

    def deny_new_namespaces(self) -> None:
        self.emit(_EQUAL, self.number("clone"), 0, 5)
        self.emit(_LOAD, _ARGS)
        self.emit(_AND, _NEW_NAMESPACES)
        self.emit(_EQUAL, 0, 1, 0)
        self.emit(_RETURN, _ERRNO | _EPERM)
        self.emit(_RETURN, _ALLOW)

    def deny_owner_commands(self) -> None:
        commands = _FCNTL_OWNER_COMMANDS
        self.emit(_EQUAL, self.number("fcntl"), 0, 2 + 2 * len(commands))
        self.emit(_LOAD, _ARGS + 8)
        for command in commands:
            self.deny(command)
        self.emit(_RETURN, _ALLOW)

    def assemble(self) -> Filter:
        packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in self.code)
        return Filter(packed, tuple(self.pid_slots))


def build_filter(*, shared_namespaces: bool = False) -> Filter:
    """Assemble the filter of this machine's architecture.

    shared_namespaces   the program lives in the host's namespaces (Landlock): it may signal itself alone, cannot
                        leave its process group and makes no System V objects
    Raises              LaunchError on an architecture whose call numbers are not known here
    """
    machine = platform.machine()
    if machine not in _AUDIT_ARCH:
        raise LaunchError(
            f"expected one of {sorted(_AUDIT_ARCH)} for the system call filter, got {machine!r}"
        )
    column = sorted(_AUDIT_ARCH, reverse=True).index(machine)
    made = _Assembler(column)
    made.emit(_LOAD, _ARCH)
    made.emit(_EQUAL, _AUDIT_ARCH[machine], 1, 0)
    made.emit(_RETURN, _KILL)
    made.emit(_LOAD, _NR)
    made.emit(_AT_LEAST, _X32_BIT, 0, 1)
    made.emit(_RETURN, _ERRNO | _EPERM)
    # glibc falls back to clone, whose flags can be read here, when clone3 does not exist.
    made.deny(made.number("clone3"), _ENOSYS)
    for numbers in DENIED.values():
        made.deny(numbers[column])
    if shared_namespaces:
        _deny_reach(made, column)
    made.deny_new_namespaces()
    # Even without a network: AF_VSOCK, the channel to a virtual machine's host, is in no network namespace.
    made.deny_unless_first_argument("socket", _AF_UNIX)
    made.deny_unless_first_argument("socketpair", _AF_UNIX)
    made.emit(_RETURN, _ALLOW)
    return made.assemble()


def _deny_reach(made: _Assembler, column: int) -> None:
    for numbers in DENIED_IN_SHARED_NAMESPACES.values():
        made.deny(numbers[column])
    for name in ("kill", "tkill", "tgkill"):
        made.deny_unless_first_argument(name, 0, is_pid=True)
    made.deny_unless_first_argument("prlimit64", 0)
    made.deny_owner_commands()


def with_pid(built: Filter, pid: int) -> bytes:
    """Give the program in which the process may signal `pid` alone."""
    program = bytearray(built.program)
    for slot in built.pid_slots:
        struct.pack_into("=I", program, 8 * slot + 4, pid)
    return bytes(program)
