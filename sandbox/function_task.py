"""The two-process design: the program alone in one sandbox, its tests in another, calls and answers between them."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import FileIO

from sandbox.command import Command, slot_uid
from sandbox.languages import find_toolchain
from sandbox.launch import Method, Started, start
from sandbox.limits import Limits
from sandbox.scripts import candidate_driver, tester_driver
from sandbox.supervise import Outcome, abandon, supervise
from sandbox.verdict import Status, Verdict
from sandbox.verdict_of import failure_of, make_verdict
from sandbox.workspace import Files, job_folder

MOST_REPORT_BYTES = 64 * 1024
# The tests wait while the program works: they are ended a little later, so that the program's breach is what is seen.
_TESTER_GRACE = 2.0


@dataclass(frozen=True)
class FunctionTask:
    """A Python program, the tests of its functions, and what the tests may trust.

    entry_point   the one function that the tests call; "" when they call whatever they name
    prelude       Python that the tests need and the candidate must not supply: imports, helpers of the prompt
    """

    program: str
    tests: str
    entry_point: str = ""
    prelude: str = ""


def run_function_task(task: FunctionTask, limits: Limits, method: Method, slot: int) -> Verdict | None:
    """Judge the program; None when its tests cannot be expressed as calls (they use its classes)."""
    told = {"tests": task.tests, "prelude": task.prelude, "entry_point": task.entry_point}
    _, python = find_toolchain("python")
    (candidate_name, candidate_code), (tester_name, tester_code) = (
        candidate_driver(python),
        tester_driver(python),
    )
    candidate_files = {candidate_name: candidate_code, "program.py": task.program.encode()}
    tester_files = {tester_name: tester_code, "task.json": json.dumps(told).encode()}
    with ExitStack() as stack:
        (request_out, request_in), (reply_out, reply_in), (report_out, report_in) = _pipes(stack, 3)
        candidate = stack.enter_context(
            _driver(candidate_files, (request_out, reply_in), limits, method, slot_uid(slot, 0))
        )
        tester_ends = (request_in, reply_out, report_in)
        tester = stack.enter_context(
            _driver(tester_files, tester_ends, _tester_limits(limits), method, slot_uid(slot, 1))
        )
        for end in (request_out, reply_in, *tester_ends):
            end.close()
        report_fd = os.dup(report_out.fileno())
        judged, watched = supervise(
            tester, (candidate,), extra=(report_fd, MOST_REPORT_BYTES), has_to_wait=_has_lost_candidate
        )
    return _verdict(judged, watched)


def _pipes(stack: ExitStack, count: int) -> list[tuple[FileIO, FileIO]]:
    """Give pipes (out, in) whose ends the stack closes where nobody did before."""
    pairs = [os.pipe() for _ in range(count)]
    return [
        (
            stack.enter_context(FileIO(out, "rb")),
            stack.enter_context(FileIO(into, "wb")),
        )
        for out, into in pairs
    ]


def _tester_limits(limits: Limits) -> Limits:
    return Limits(
        cpu_seconds=limits.cpu_seconds + _TESTER_GRACE,
        wall_seconds=limits.wall_seconds + _TESTER_GRACE,
        memory_bytes=limits.memory_bytes,
    )


@contextmanager
def _driver(
    files: Files, ends: Sequence[FileIO], limits: Limits, method: Method, uid: int | None
) -> Generator[Started]:
    """Start a driver, the first of its files, with the second; neither files nor process outlast the block."""
    _, python = find_toolchain("python")
    fds = [end.fileno() for end in ends]
    with job_folder(files, uid) as job:
        words = (*python.run[:-1], *(f"{{job}}/{name}" for name in files), *map(str, fds))
        command = Command(words, job, limits, mounts=python.mounts, environment=python.environment, uid=uid)
        started = start(method, command, pass_fds=fds)
        try:
            yield started
        finally:
            abandon(started)


def _verdict(judged: Outcome, watched: Outcome) -> Verdict | None:
    status, detail = _read_report(judged, watched)
    if status == "inexpressible":
        return None
    return make_verdict(Status(status), detail, watched, "two_process")


def _has_lost_candidate(judged: Outcome) -> bool:
    return b'"status":"gone"' in judged.extra


def _read_report(judged: Outcome, watched: Outcome) -> tuple[str, str]:
    """Combine what the tests report with how both processes ended."""
    try:
        report = json.loads(judged.extra)
        status, detail = str(report["status"]), str(report["detail"])
    except (ValueError, TypeError, KeyError):
        failure = failure_of(watched) if watched.breach else failure_of(judged)
        return failure or (Status.CRASHED, "the tests ended without a report")
    if status != "gone":
        return status, detail
    return failure_of(watched) or (Status.CRASHED, detail)
