"""Answers to verdicts, in the sandbox. The only module that calls it.

A verdict's record: the sample's key, `status` of the sandbox's closed set, `detail`, `executed` (for CESR), `parses`
(null where the language's parser is not here), seconds, design and isolation. What is tried again, a sandbox_error
and a timeout of a program that was kept waiting, is the sandbox pool's business.
"""

from __future__ import annotations

import ast
import asyncio
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from evaluation.errors import EvaluationError, SandboxMissingError
from evaluation.extraction import code_of
from evaluation.go_tests import go_head, go_program
from evaluation.metrics import EXECUTED, parse_check
from evaluation.oracles import is_right
from evaluation.problems import AssertCode, Calls, Problem, Stdin
from evaluation.python_syntax import python_expression
from evaluation.records import Record
from sandbox import (
    InvalidTaskError,
    Isolation,
    LanguageMissingError,
    Limits,
    NoIsolationError,
    Raised,
    Returned,
    SandboxPool,
    Status,
    Verdict,
    prove_isolation,
)

ASSERT_LIMITS: Final = Limits(cpu_seconds=5.0, wall_seconds=15.0)
# All calls of a problem together; some Plus inputs are heavy for the reference itself.
CALLS_LIMITS: Final = Limits(cpu_seconds=20.0, wall_seconds=60.0, memory_bytes=2 << 30)
STDIN_LIMITS: Final = Limits(cpu_seconds=5.0, wall_seconds=15.0)
# The sandbox words it so, where the candidate's own exception ended the tests.
_NOT_PLAIN: Final = "returned what is no plain value"
_MOST_BYTES: Final = 1 << 20
_RAISED: Final = ("the program raised", "loading the program raised")


class Scorer:
    """Judges samples, as many at once as it has sandboxes: `async with Scorer() as scorer`.

    Raises SandboxMissingError when it is made where nothing may run code.
    """

    def __init__(self, sandboxes: int = 2) -> None:
        try:
            self._isolation: Isolation = prove_isolation()
        except NoIsolationError as error:
            raise SandboxMissingError(
                f"{error}. See `python -m sandbox doctor`; --no-score samples alone"
            ) from error
        self._parsers: dict[str, Callable[[str], bool] | None] = {}
        self._expected: dict[str, tuple[list[list[Any]], list[Any]]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._pool = SandboxPool(sandboxes, isolation=self._isolation)

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.__aexit__(kind, error, trace)

    @property
    def isolation(self) -> str:
        """Name the method that holds the programs."""
        return self._isolation.describe()

    async def score(self, problem: Problem, record: Record) -> Record:
        """Judge one sample."""
        program = record["program"]
        if record.get("refused"):
            verdict, raised = Verdict(Status.FAILED, f"not answered: {record['refused']}"), True
        else:
            verdict, raised = await self._judged(problem, program)
        return {
            "task_id": record["task_id"],
            "seed": record["seed"],
            "index": record["index"],
            "status": str(verdict.status),
            "detail": verdict.detail[:400],
            "executed": verdict.status in EXECUTED and not raised,
            "parses": await asyncio.to_thread(self._parses, problem.language, _codes(problem, record)),
            "seconds": round(verdict.seconds, 4),
            "cpu_seconds": round(verdict.cpu_seconds, 4),
            "design": verdict.design,
            "isolation": verdict.isolation,
        }

    async def _judged(self, problem: Problem, program: str) -> tuple[Verdict, bool]:
        if (reason := _unreadable(program)) is not None:
            return Verdict(Status.COMPILE_ERROR, reason), False
        try:
            return await self._judge(problem, program)
        except (LanguageMissingError, NoIsolationError) as error:
            raise SandboxMissingError(str(error)) from error
        except InvalidTaskError as error:
            raise EvaluationError(f"{problem.task_id}: the sandbox cannot run its tests: {error}") from error

    async def _judge(self, problem: Problem, program: str) -> tuple[Verdict, bool]:
        checks = problem.checks
        if isinstance(checks, Calls):
            return await self._judge_calls(problem, checks, program)
        if isinstance(checks, Stdin):
            verdict = await self._pool.run_stdin(program, problem.language, checks.cases, STDIN_LIMITS)
            return verdict, False
        verdict = await self._run_tests(problem, checks, program)
        return verdict, any(text in verdict.detail for text in _RAISED)

    async def _run_tests(self, problem: Problem, checks: AssertCode, program: str) -> Verdict:
        if problem.language == "python":
            judge = partial(self._pool.run, prelude=checks.setup)
            verdict = await judge(program, checks.code, "python", ASSERT_LIMITS)
            if _NOT_PLAIN in verdict.detail:
                # A value that cannot leave its process (a match object): judged where it is.
                verdict = await judge(program, checks.code, "python", ASSERT_LIMITS, design="nonce")
            return verdict
        whole = program
        if checks.setup and problem.language == "go":
            whole = go_head(checks.setup, program, checks.code) + go_program(checks.setup, program)
        elif checks.setup:
            whole = f"{checks.setup}\n{program}"
        return await self._pool.run(whole, checks.code, problem.language, ASSERT_LIMITS)

    async def _judge_calls(self, problem: Problem, checks: Calls, program: str) -> tuple[Verdict, bool]:
        entry_point = problem.entry_point or ""
        inputs, expected = await self._calls_of(problem, checks)
        calls = await self._pool.run_calls(program, entry_point, inputs, CALLS_LIMITS)
        if not calls.verdict.is_passed:
            return calls.verdict, any(text in calls.verdict.detail for text in _RAISED)
        # Plus inputs can be large: compared beside the event loop.
        return await asyncio.to_thread(
            _compared, entry_point, inputs, expected, calls.answers, calls.verdict, checks.atol
        )

    async def _calls_of(self, problem: Problem, checks: Calls) -> tuple[list[list[Any]], list[Any]]:
        async with self._locks[problem.task_id]:
            if problem.task_id not in self._expected:
                inputs = await asyncio.to_thread(literal, checks.inputs_literal)
                if checks.results_literal is not None:
                    expected = await asyncio.to_thread(literal, checks.results_literal)
                else:
                    expected = await self._reference_results(problem, inputs)
                self._expected[problem.task_id] = inputs, expected
            return self._expected[problem.task_id]

    async def _reference_results(self, problem: Problem, inputs: list[list[Any]]) -> list[Any]:
        assert problem.reference is not None
        calls = await self._pool.run_calls(problem.reference, problem.entry_point or "", inputs, CALLS_LIMITS)
        values = [answer.value for answer in calls.answers if isinstance(answer, Returned)]
        if len(values) != len(inputs):
            raise EvaluationError(
                f"{problem.task_id}: expected its reference to answer {len(inputs)} calls; {calls.verdict.detail}"
            )
        return values

    def _parses(self, language: str, forms: Sequence[str]) -> bool | None:
        if language not in self._parsers:
            self._parsers[language] = parse_check(language)
        check = self._parsers[language]
        return any(map(check, forms)) if check is not None else None


def _codes(problem: Problem, record: Record) -> tuple[str, ...]:
    """Give what has to parse: the answer's code; the program where there was no answer (a reference)."""
    return code_of(problem, record["answer"]) if "answer" in record else (record["program"],)


def _compared(
    entry_point: str,
    inputs: list[list[Any]],
    expected: list[Any],
    got: Sequence[Returned | Raised],
    verdict: Verdict,
    atol: float,
) -> tuple[Verdict, bool]:
    """Give the verdict on what the calls gave, and whether any of them raised."""
    answers = [*zip(inputs, expected, got, strict=True)]
    raised = any(_value_of(answer) is answer for answer in got)
    for number, (arguments, value, answer) in enumerate(answers, start=1):
        result = _value_of(answer)
        if result is not answer and is_right(entry_point, arguments, value, result, atol):
            continue
        said = (
            f"gave {answer.value!r:.80}"
            if isinstance(answer, Returned)
            else f"the program raised {answer.kind}"
        )
        detail = f"call {number} of {len(answers)}, {arguments!r:.80}: expected {value!r:.80}, {said}"
        return replace(verdict, status=Status.FAILED, detail=detail), raised
    return verdict, raised


def _unreadable(program: str) -> str | None:
    """Say why a text can be no program, whatever the language."""
    if "\0" in program:
        return "a NUL character"
    try:
        size = len(program.encode())
    except UnicodeEncodeError as error:
        return f"no valid Unicode: {error.reason}"
    return f"{size} bytes" if size > _MOST_BYTES else None


_NAMED_FLOATS: Final = {"inf": math.inf, "nan": math.nan}


def literal(text: str) -> Any:
    """Read a Python literal in which `inf` and `nan` may stand. Raises ValueError, SyntaxError."""
    return ast.literal_eval(_NamedFloats().visit(python_expression(text)))


class _NamedFloats(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.AST:
        named = _NAMED_FLOATS.get(node.id)
        return node if named is None else ast.copy_location(ast.Constant(named), node)


def _value_of(answer: Returned | Raised) -> Any:
    """Give what a call returned; for a value that has no plain form a stand-in that is not None."""
    if isinstance(answer, Returned):
        return answer.value
    return object() if answer.kind == "NotPlainError" else answer
