"""The call filter, by an interpreter of BPF written from its definition."""

from __future__ import annotations

import platform
import struct

import pytest

from sandbox import seccomp
from sandbox.errors import LaunchError

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
COLUMN = {"x86_64": 0, "aarch64": 1}
NEW_USER, THREAD = 0x10000000, 0x003D0F00


def interpret(program: bytes, arch: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Give what the filter returns for a call."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=IIQ6Q", number, arch, 0, *padded)
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, k = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x06:
            return k
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, k)[0]
        elif code == 0x54:
            accumulator &= k
        else:
            holds = accumulator == k if code == 0x15 else accumulator >= k
            at += if_true if holds else if_false


@pytest.fixture(params=list(ARCH))
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(platform, "machine", lambda: request.param)
    return request.param


def _filter(shared: bool) -> bytes:
    return seccomp.with_pid(seccomp.build_filter(shared_namespaces=shared), 1234)


@pytest.mark.parametrize("shared", [False, True])
def test_every_denied_call_is_denied(machine: str, shared: bool) -> None:
    program = _filter(shared)
    denied = seccomp.DENIED | (seccomp.DENIED_IN_SHARED_NAMESPACES if shared else {})
    for name, numbers in denied.items():
        if numbers[COLUMN[machine]] >= 0:
            assert interpret(program, ARCH[machine], numbers[COLUMN[machine]]) == EPERM, name


@pytest.mark.parametrize("shared", [False, True])
def test_every_other_call_is_allowed(machine: str, shared: bool) -> None:
    program = _filter(shared)
    column = COLUMN[machine]
    denied = seccomp.DENIED | (seccomp.DENIED_IN_SHARED_NAMESPACES if shared else {})
    special = {numbers[column] for numbers in (*denied.values(), *seccomp.CALLS.values())}
    for number in set(range(500)) - special:
        assert interpret(program, ARCH[machine], number) == ALLOW, number


@pytest.mark.parametrize("shared", [False, True])
def test_calls_are_judged_by_their_arguments(machine: str, shared: bool) -> None:
    program, arch = _filter(shared), ARCH[machine]
    number = {name: numbers[COLUMN[machine]] for name, numbers in seccomp.CALLS.items()}
    assert interpret(program, arch, number["clone3"]) == ENOSYS
    assert interpret(program, arch, number["clone"], (THREAD,)) == ALLOW
    assert interpret(program, arch, number["clone"], (THREAD | NEW_USER,)) == EPERM
    for family, verdict in ((1, ALLOW), (2, EPERM), (10, EPERM), (16, EPERM), (40, EPERM)):
        assert interpret(program, arch, number["socket"], (family, 1)) == verdict
        assert interpret(program, arch, number["socketpair"], (family, 1)) == verdict


def test_without_namespaces_a_process_signals_itself_alone(machine: str) -> None:
    program, arch = _filter(shared=True), ARCH[machine]
    number = {name: numbers[COLUMN[machine]] for name, numbers in seccomp.CALLS.items()}
    for name in ("kill", "tkill", "tgkill"):
        assert interpret(program, arch, number[name], (1234, 9)) == ALLOW
        for other in (0, 1, 0xFFFFFFFF, 1233):
            assert interpret(program, arch, number[name], (other, 9)) == EPERM
        assert interpret(_filter(shared=False), arch, number[name], (1, 9)) == ALLOW
    assert interpret(program, arch, number["fcntl"], (3, 8, 1)) == EPERM
    assert interpret(program, arch, number["fcntl"], (3, 1, 1)) == ALLOW
    assert interpret(program, arch, number["prlimit64"], (99,)) == EPERM


def test_other_architectures_calls_end_the_process(machine: str) -> None:
    for shared in (False, True):
        assert interpret(_filter(shared), 0x40000003, 1) == KILL
    assert interpret(_filter(shared=False), ARCH[machine], 0x40000001) == EPERM


def test_unknown_architecture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(LaunchError, match="got 'riscv64'"):
        seccomp.build_filter()
