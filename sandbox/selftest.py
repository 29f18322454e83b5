"""Choose an isolation method, by proof: a hostile probe is run in it, and everything that it tries has to fail."""

from __future__ import annotations

import json
import os
import platform
import secrets
import socket
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from sandbox import bubblewrap, landlock
from sandbox.command import Command, slot_uid
from sandbox.errors import LanguageMissingError, LaunchError, NoIsolationError
from sandbox.languages import find_toolchain
from sandbox.launch import Method, start
from sandbox.limits import Limits
from sandbox.slots import take_slot
from sandbox.supervise import Outcome, supervise
from sandbox.verdict_of import failure_of
from sandbox.workspace import job_folder

PROBE = Path(__file__).parent / "inside" / "probe.py"
_MISSING: Mapping[Method, Callable[[], str | None]] = {
    Method.BUBBLEWRAP: bubblewrap.missing_tools,
    Method.LANDLOCK: landlock.missing_parts,
}
_LIMITS = Limits(cpu_seconds=10.0, wall_seconds=30.0)


@dataclass(frozen=True)
class Isolation:
    """A method that was proven to hold on this machine, in this process."""

    method: Method
    kernel: str
    attempts: tuple[str, ...]

    def describe(self) -> str:
        """Say what was proven, for a report."""
        return f"{self.method} on Linux {self.kernel}: refused {', '.join(self.attempts)}"


_proven: dict[Method, Isolation] = {}
_lock = Lock()


def prove_isolation(methods: tuple[Method, ...] = tuple(Method)) -> Isolation:
    """Give the first method that holds; proven once a process. Raises NoIsolationError: nothing may then be run."""
    reasons: dict[str, str] = {}
    with _lock:
        for method in methods:
            if method in _proven:
                return _proven[method]
            try:
                _proven[method] = _prove(method)
            except (LaunchError, LanguageMissingError) as error:
                reasons[method] = str(error)
            else:
                return _proven[method]
    raise NoIsolationError(reasons)


def check_method(method: Method) -> Isolation | str:
    """Run a method's self-test anew: what was proven, or why it cannot be used."""
    try:
        return _prove(method)
    except (LaunchError, LanguageMissingError) as error:
        return str(error)


def _prove(method: Method) -> Isolation:
    missing = _MISSING[method]()
    if missing is not None:
        raise LaunchError(missing)
    with lay_bait() as bait:
        outcome = _run_probe(method, bait)
        failure = failure_of(outcome)
        if failure is not None:
            raise LaunchError(f"the self-test did not finish: {failure[1]}")
        attempts = _read_attempts(outcome)
        bait.check_untouched()
    escaped = [f"{name} ({what})" for name, what in attempts.items() if what != "refused"]
    if escaped:
        raise LaunchError(f"the self-test escaped: {', '.join(escaped)}")
    return Isolation(method, platform.release(), tuple(attempts))


@dataclass(frozen=True)
class Bait:
    """What the probe is told to reach for, all of it real."""

    canary: Path
    secret: str
    listener: socket.socket

    def as_json(self) -> bytes:
        """Give what the probe is told."""
        told = {"canary": str(self.canary), "secret": self.secret, "port": self.listener.getsockname()[1]}
        return json.dumps(told | {"pid": os.getpid()}).encode()

    def check_untouched(self) -> None:
        """Look from outside, so that the probe need not be believed. Raises LaunchError."""
        if self.canary.read_text() != self.secret or len(list(self.canary.parent.iterdir())) != 1:
            raise LaunchError("the self-test wrote outside of the sandbox")
        self.listener.setblocking(False)  # noqa: FBT003
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return
        raise LaunchError("the self-test reached the network")


@contextmanager
def lay_bait() -> Generator[Bait]:
    """Lay out a canary file and a listening port, which nobody may reach from inside."""
    secret = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="codefusion-canary-") as folder, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        Path(folder).chmod(0o777)  # only the sandbox may be what stops the probe, not the file's mode
        canary = Path(folder) / "canary"
        canary.write_text(secret)
        canary.chmod(0o666)
        yield Bait(canary, secret, listener)


def _run_probe(method: Method, bait: Bait) -> Outcome:
    _, python = find_toolchain("python")
    files = {"program.py": PROBE.read_bytes(), "bait.json": bait.as_json()}
    with take_slot() as slot, job_folder(files, slot_uid(slot, 0)) as job:
        argv = (*python.run, "{job}/bait.json")
        command = Command(
            argv, job, _LIMITS, mounts=python.mounts, environment=python.environment, uid=slot_uid(slot, 0)
        )
        return supervise(start(method, command))[0]


def _read_attempts(outcome: Outcome) -> dict[str, str]:
    try:
        attempts = json.loads(outcome.stdout)
    except ValueError as error:
        raise LaunchError("the self-test's report cannot be read") from error
    if len(attempts) < 8:
        raise LaunchError(f"the self-test tried only {', '.join(attempts)}")
    return {str(name): str(what) for name, what in attempts.items()}
