"""From sources to something that runs: compilation in a sandbox of its own, then the commands to run the artefact.

Two sandboxes: only the artefact, not the sources, is where the program runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.command import Command, slot_uid
from sandbox.errors import LaunchError
from sandbox.languages import Toolchain
from sandbox.launch import Method, give_to, start
from sandbox.limits import COMPILE_LIMITS, Limits
from sandbox.supervise import Breach, Outcome, supervise
from sandbox.verdict import Status
from sandbox.verdict_of import failure_of, tail
from sandbox.workspace import Files, folder_for_programs, job_folder


@dataclass(frozen=True)
class Sources:
    """The files of a program; `main` names the class to start (Java), `compile` overrides the compiler's arguments."""

    files: Files
    main: str = ""
    compile: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where runs happen: the method in force, and the slot that gives them their user."""

    method: Method
    slot: int

    @property
    def uid(self) -> int | None:
        """The user as whom programs run, or None to stay who we are."""
        return slot_uid(self.slot, 0)


class BuildFailedError(Exception):
    """The compiler refused the program, or broke a bound."""

    def __init__(self, status: Status, detail: str, outcome: Outcome) -> None:
        self.status = status
        self.detail = detail
        self.outcome = outcome
        super().__init__(detail)


@dataclass(frozen=True)
class Built:
    """Something that can be run, as often as wished, while its folder exists."""

    toolchain: Toolchain
    folder: Path
    main: str
    place: Place

    def run(self, limits: Limits, stdin: int | None = None) -> Outcome:
        """Run it once."""
        toolchain = self.toolchain
        words = (word.replace("{out}", "{job}").replace("{main}", self.main) for word in toolchain.run)
        command = Command(
            tuple(words),
            self.folder,
            limits,
            mounts=toolchain.mounts,
            environment=toolchain.environment,
            uid=self.place.uid,
            bound_address_space=toolchain.bound_address_space,
            needs_proc=toolchain.needs_proc,
        )
        return supervise(start(self.place.method, command, stdin=stdin))[0]


@contextmanager
def build(toolchain: Toolchain, sources: Sources, limits: Limits, place: Place) -> Generator[Built]:
    """Compile where the language compiles. Raises BuildFailedError, LaunchError."""
    with job_folder(sources.files, place.uid) as job:
        if not toolchain.compile:
            yield Built(toolchain, job, sources.main, place)
            return
        with _output_folder(place.uid) as out:
            _compile(toolchain, sources, job, out, _compiler_limits(limits), place)
            yield Built(toolchain, out, sources.main, place)


@contextmanager
def _output_folder(uid: int | None) -> Generator[Path]:
    # Without one, the languages whose artefact is a program are missing; Java's classes need no such folder.
    place = folder_for_programs()
    with tempfile.TemporaryDirectory("", "codefusion-out-", place, ignore_cleanup_errors=True) as folder:
        give_to(Path(folder), uid)
        yield Path(folder)


def _compiler_limits(limits: Limits) -> Limits:
    seconds = limits.compile_seconds
    return replace(COMPILE_LIMITS, cpu_seconds=seconds, wall_seconds=1.5 * seconds)


def _compile(
    toolchain: Toolchain, sources: Sources, job: Path, out: Path, limits: Limits, place: Place
) -> None:
    words: list[str] = []
    compiler, *usual = toolchain.compile
    for word in (compiler, *(sources.compile or usual)):
        words += [f"{{job}}/{name}" for name in sources.files] if word == "{sources}" else [word]
    command = Command(
        tuple(words),
        job,
        limits,
        out=out,
        mounts=toolchain.mounts,
        environment=toolchain.environment,
        uid=place.uid,
        bound_address_space=toolchain.bound_compiler,
        needs_proc=True,
    )
    outcome = supervise(start(place.method, command))[0]
    failure = failure_of(outcome)
    if failure is None:
        return
    if failure[0] is Status.SANDBOX_ERROR:
        raise LaunchError(failure[1])
    what = f"the compiler {failure[1]}" if outcome.breach in set(Breach) else _first_error(outcome)
    raise BuildFailedError(Status.COMPILE_ERROR, what, outcome)


def _first_error(outcome: Outcome) -> str:
    lines = [line for line in tail(outcome.stderr + outcome.stdout).splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith("# ")] or lines  # go names the package first
    errors = [line for line in said if "error" in line.lower()] or said
    return errors[0].strip()[:300] if errors else f"the compiler ended with exit code {outcome.exit_code}"
