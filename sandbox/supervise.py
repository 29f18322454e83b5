"""Watch isolated processes until they end: read what they write, count what they use, end them when it is too much."""

from __future__ import annotations

import contextlib
import json
import os
import select
import selectors
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sandbox.launch import Started
from sandbox.process_tree import folder_bytes, kill_tree, measure_tree

_SAMPLE_SECONDS = 0.02
_SCRATCH_EVERY = 5  # walking a folder costs more than reading /proc
_TIME_TO_DIE = 5.0


class Breach(StrEnum):
    """Why the supervisor, or the kernel on its behalf, ended a process."""

    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT = "output"
    SCRATCH = "scratch"


@dataclass
class Outcome:
    """How a process ended.

    started     whether the program itself was reached; False means that the sandbox is at fault
    exit_code   its exit code, 128 + N when signal N ended it
    breach      the bound that it broke, if any
    extra       what it wrote to the further descriptor that was watched
    """

    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    extra: bytearray = field(default_factory=bytearray)
    exit_code: int = -1
    started: bool = False
    breach: Breach | None = None
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0


class _Watched:
    """One process with its pipes."""

    def __init__(self, started: Started, extra: tuple[int, int] | None) -> None:
        self.started = started
        self.outcome = Outcome()
        self.begun = time.monotonic()
        self.is_running = True
        self.samples = 0
        self.pid = started.process.pid
        self.exit_fd = os.pidfd_open(self.pid)
        self._exit_poll = select.poll()  # select() refuses descriptors above 1,023
        self._exit_poll.register(self.exit_fd, select.POLLIN)
        os.set_blocking(started.status_fd, False)
        self.extra_fd, self.extra_limit = extra or (-1, 0)

    @property
    def outputs(self) -> list[tuple[int, bytearray, int]]:
        """Each descriptor that is read, where to, and how much of it is kept at most."""
        process, limit = self.started.process, self.started.command.limits.output_bytes
        assert process.stdout is not None
        assert process.stderr is not None
        found = [
            (process.stdout.fileno(), self.outcome.stdout, limit),
            (process.stderr.fileno(), self.outcome.stderr, limit),
        ]
        return found if self.extra_fd < 0 else [*found, (self.extra_fd, self.outcome.extra, self.extra_limit)]

    def end(self, breach: Breach) -> None:
        """End the process for a reason; the first reason is the one that counts."""
        if self.outcome.breach is None:
            self.outcome.breach = breach
        kill_tree(self.pid)

    def check(self) -> None:
        """Sample the process and end it when it is past a bound."""
        limits, self.samples = self.started.command.limits, self.samples + 1
        usage = measure_tree(self.pid)
        self.outcome.cpu_seconds = max(self.outcome.cpu_seconds, usage.cpu_seconds)
        if usage.resident_bytes > limits.memory_bytes:
            self.end(Breach.MEMORY)
        elif usage.cpu_seconds > limits.cpu_seconds or time.monotonic() - self.begun > limits.wall_seconds:
            self.end(Breach.TIMEOUT)
        elif self.samples % _SCRATCH_EVERY == 0 and self._folders_are_full(limits.scratch_bytes):
            self.end(Breach.SCRATCH)

    def _folders_are_full(self, most_bytes: int) -> bool:
        folders = (self.started.scratch, self.started.command.out)
        return any(folder_bytes(folder) > most_bytes for folder in folders if folder is not None)

    def take_exit(self) -> None:
        """Note how the process ended, ending it if it has not."""
        if not self._has_exited(0.0):
            kill_tree(self.pid)
            if not self._has_exited(_TIME_TO_DIE):
                kill_tree(self.pid, hard=True)
        _, status, usage = os.wait4(self.pid, 0)
        self.started.process.returncode = os.waitstatus_to_exitcode(status)
        self.is_running = False
        outcome = self.outcome
        outcome.cpu_seconds = max(outcome.cpu_seconds, usage.ru_utime + usage.ru_stime)
        outcome.wall_seconds = time.monotonic() - self.begun
        self._read_status(self.started.process.returncode)

    def _has_exited(self, most_seconds: float) -> bool:
        return bool(self._exit_poll.poll(1000 * most_seconds))

    def _read_status(self, returncode: int) -> None:
        """Read bwrap's own report: a program cannot write it, so it tells our failures from the program's."""
        outcome = self.outcome
        reported: dict[str, int] = {}
        with contextlib.suppress(BlockingIOError, ValueError):
            for line in os.read(self.started.status_fd, 65536).splitlines():
                reported |= json.loads(line)
        _wait_for_namespace(reported.get("child-pid", self.pid))
        outcome.started = outcome.breach is not None or "exit-code" in reported
        outcome.exit_code = reported.get("exit-code", 128 - returncode if returncode < 0 else returncode)
        if outcome.breach is None and outcome.exit_code == 128 + signal.SIGXCPU:
            outcome.breach = Breach.TIMEOUT

    def close(self) -> None:
        """Leave nothing behind."""
        if self.is_running:
            self.take_exit()
        process = self.started.process
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        for descriptor in (self.exit_fd, self.started.status_fd, self.extra_fd):
            if descriptor >= 0:
                os.close(descriptor)
        if self.started.scratch is not None:
            shutil.rmtree(self.started.scratch, ignore_errors=True)


def supervise(
    main: Started,
    helpers: Sequence[Started] = (),
    *,
    extra: tuple[int, int] | None = None,
    has_to_wait: Callable[[Outcome], bool] = lambda _: False,
) -> list[Outcome]:
    """Watch until `main` ends; helpers are ended then. Gives their outcomes in this order.

    extra         a descriptor of main's to be read besides stdout and stderr, and how many bytes at most; closed here
    has_to_wait   whether, by main's outcome, helpers are ending by themselves and should be let say how
    """
    watched = [_Watched(main, extra), *(_Watched(helper, None) for helper in helpers)]
    try:
        with selectors.DefaultSelector() as selector:
            for each in watched:
                _register(selector, each)
            _loop(selector, watched, until=lambda: not watched[0].is_running)
            _drain(selector)
            if has_to_wait(watched[0].outcome):
                deadline = time.monotonic() + _TIME_TO_DIE
                _loop(
                    selector,
                    watched,
                    until=lambda: time.monotonic() > deadline or not any(each.is_running for each in watched),
                )
            for each in watched[1:]:
                if each.is_running:
                    each.take_exit()
            _drain(selector)
    finally:
        for each in watched:
            each.close()
    return [each.outcome for each in watched]


def abandon(started: Started) -> None:
    """End and clean up a process that was never supervised; does nothing otherwise."""
    if started.process.returncode is None:
        _Watched(started, None).close()


def _wait_for_namespace(first_process: int) -> None:
    """Wait until process 1 of a namespace is dead, and so all others: bwrap itself ends a little before.

    Where orphans come to us (we are process 1 of a container), it is also ours to reap.
    """
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(first_process)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll(1000 * _TIME_TO_DIE)
        finally:
            os.close(descriptor)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(first_process, os.WNOHANG)


def _register(selector: selectors.BaseSelector, each: _Watched) -> None:
    selector.register(each.exit_fd, selectors.EVENT_READ, (each, None, 0))
    for descriptor, target, limit in each.outputs:
        os.set_blocking(descriptor, False)
        selector.register(descriptor, selectors.EVENT_READ, (each, target, limit))


def _loop(selector: selectors.BaseSelector, watched: list[_Watched], until: Callable[[], bool]) -> None:
    due = time.monotonic() + _SAMPLE_SECONDS
    while not until():
        for key, _ in selector.select(max(0.0, due - time.monotonic())):
            _serve(selector, key)
        if time.monotonic() >= due:
            for each in watched:
                if each.is_running:
                    each.check()
            due = time.monotonic() + _SAMPLE_SECONDS


def _serve(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    each, target, limit = key.data
    if target is None:
        selector.unregister(key.fd)
        each.take_exit()
    else:
        _read(selector, key.fd, each, target, limit)


def _read(selector: selectors.BaseSelector, fd: int, each: _Watched, target: bytearray, limit: int) -> bool:
    """Read once; tells whether there may be more."""
    try:
        data = os.read(fd, 65536)
    except BlockingIOError:
        return False
    if not data:
        selector.unregister(fd)
        return False
    target += data[: limit - len(target) + 1]
    if len(target) > limit:
        del target[limit:]
        selector.unregister(fd)
        each.end(Breach.OUTPUT)
        return False
    return True


def _drain(selector: selectors.BaseSelector) -> None:
    """Read what is left in the pipes. Everything that could write has ended, so an empty pipe is its end."""
    deadline = time.monotonic() + _TIME_TO_DIE
    for key in list(selector.get_map().values()):
        each, target, limit = key.data
        while (
            target is not None
            and not each.is_running
            and time.monotonic() < deadline
            and _read(selector, key.fd, each, target, limit)
        ):
            pass
