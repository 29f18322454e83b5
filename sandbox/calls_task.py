"""Call one function of a program on many inputs and bring the values out, to be compared outside.

For HumanEval+ and MBPP+: what a reference solution returns is what a candidate has to return. Values come as plain
built-in types (see inside/codec.py): nothing that arrives can run code or lie about being equal.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from sandbox.build import Place
from sandbox.command import Command
from sandbox.errors import InvalidTaskError
from sandbox.inside import codec
from sandbox.languages import find_toolchain
from sandbox.launch import start
from sandbox.limits import Limits
from sandbox.scripts import candidate_driver
from sandbox.supervise import Outcome, supervise
from sandbox.verdict import Status, Verdict
from sandbox.verdict_of import failure_of, make_verdict
from sandbox.workspace import job_folder

# Answers are parsed outside, where "[]" takes twenty times its text: text is bounded, and values are.
# The largest honest answers known are HumanEval+/15 (147 MB) and HumanEval+/130 (10 million values, 0.7 GB here).
MOST_ANSWER_BYTES = 256 << 20
MOST_VALUES = 12_000_000
RELATIVE_TOLERANCE = 1e-7


@dataclass(frozen=True)
class Returned:
    """A call that returned."""

    value: object


@dataclass(frozen=True)
class Raised:
    """A call that raised, or whose value has no plain form."""

    kind: str
    message: str


@dataclass(frozen=True)
class Calls:
    """The answers in the inputs' order, fewer than inputs when the program was ended; verdict passed if all came."""

    answers: tuple[Returned | Raised, ...]
    verdict: Verdict


def run_calls_task(
    program: str, entry_point: str, inputs: Sequence[Sequence[object]], limits: Limits, place: Place
) -> Calls:
    """Call `entry_point(*arguments)` for each arguments in inputs. Raises InvalidTaskError, LaunchError."""
    outcome = _run(program, _requests(entry_point, inputs), limits, place)
    if sum(map(outcome.extra.count, b",[{")) > MOST_VALUES:
        return Calls(
            (), make_verdict(Status.OUTPUT, "answered with more values than allowed", outcome, "calls")
        )
    try:
        lines = [codec.loads(line) for line in bytes(outcome.extra).split(b"\n")[:-1]]
        first, answers = lines[:1], tuple(_answer(line) for line in lines[1 : len(inputs) + 1])
    except (
        ValueError,
        codec.MalformedError,
        RecursionError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        return Calls((), make_verdict(Status.FORGED, f"an answer cannot be read: {error}", outcome, "calls"))
    status, detail = _judge(outcome, first, len(answers), len(inputs))
    return Calls(answers, make_verdict(status, detail, outcome, "calls"))


def _requests(entry_point: str, inputs: Sequence[Sequence[object]]) -> bytes:
    try:
        lines = [
            f'{{"call":"{entry_point}","args":{codec.encode(list(each))},"kwargs":{{"t":"dict","v":[]}}}}\n'
            for each in inputs
        ]
    except codec.NotPlainError as error:
        raise InvalidTaskError(f"expected inputs of plain built-in types: {error}") from error
    return "".join(lines).encode()


def _run(program: str, requests: bytes, limits: Limits, place: Place) -> Outcome:
    _, python = find_toolchain("python")
    driver, code = candidate_driver(python)
    files = {driver: code, "program.py": program.encode(), "requests": requests}
    with ExitStack() as stack:
        job = stack.enter_context(job_folder(files, place.uid))
        source = stack.enter_context((job / "requests").open("rb"))
        answers_out, answers_in = os.pipe()
        target = stack.enter_context(os.fdopen(answers_in, "wb"))
        ends = [source.fileno(), answers_in]
        words = (*python.run[:-1], f"{{job}}/{driver}", "{job}/program.py", *map(str, ends))
        command = Command(
            words, job, limits, mounts=python.mounts, environment=python.environment, uid=place.uid
        )
        try:
            started = start(place.method, command, pass_fds=ends)
        except BaseException:
            os.close(answers_out)
            raise
        target.close()
        return supervise(started, extra=(answers_out, MOST_ANSWER_BYTES))[0]


def _answer(line: Any) -> Returned | Raised:
    if "value" in line:
        return Returned(codec.from_json(line["value"]))
    if "raised" in line:
        kind, message = line["raised"]
        return Raised(str(kind), str(message))
    return Raised("NotPlainError", str(line["opaque"]))


def _judge(outcome: Outcome, first: list[Any], num_answers: int, num_inputs: int) -> tuple[Status, str]:
    if first and "compile" in first[0]:
        return Status.COMPILE_ERROR, str(first[0]["compile"])[:300]
    if first and "load" in first[0]:
        return Status.FAILED, f"loading the program raised {': '.join(map(str, first[0]['load']))}"[:300]
    if num_answers == num_inputs:
        return Status.PASSED, f"{num_inputs} calls were answered"
    return failure_of(outcome) or (Status.CRASHED, f"ended after {num_answers} of {num_inputs} calls")


def values_agree(expected: object, got: object, atol: float = 0.0) -> bool:
    """Whether a value is the expected one.

    Rule: equal, and for floats, also those within lists, tuples and dictionaries, |got - expected| <= atol + 1e-7 ·
    |expected|; two NaN are equal. Where atol is 0, 1e-6 is used for floats, as evalplus does. A list is no tuple.
    """
    if isinstance(expected, float) and isinstance(got, int | float):
        return expected == got or _is_close(expected, got, atol or 1e-6)
    if isinstance(expected, int) and isinstance(got, float) and atol:
        return values_agree(float(expected), got, atol)
    if isinstance(expected, list | tuple) and type(expected) is type(got):
        ours, theirs = list[object](expected), list[object](got)  # pyright: ignore[reportArgumentType, reportUnknownArgumentType]
        return len(ours) == len(theirs) and all(
            values_agree(a, b, atol) for a, b in zip(ours, theirs, strict=True)
        )
    if isinstance(expected, dict) and isinstance(got, dict):
        return expected.keys() == got.keys() and all(
            values_agree(v, got[k], atol) for k, v in expected.items()
        )
    return expected == got


def _is_close(expected: float, got: float, atol: float) -> bool:
    if not math.isfinite(expected):
        return math.isnan(expected) and math.isnan(got)
    try:
        return abs(expected - got) <= atol + RELATIVE_TOLERANCE * abs(expected)
    except OverflowError:  # an integer that no float can hold
        return False
