r"""Benchmark rows as frozen Problem values. Knows no model, no HTTP and no sandbox.

A row becomes a Problem by a function of its suite (`suites/`). A row that cannot is left out, named and counted:
`Loaded.bad_rows`. Files are JSON lines, gzipped or not, or one JSON array; lines end at `\n` only, since some
strings hold other line separators.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from evaluation.errors import DataMissingError, ProblemFileError

Row = dict[str, Any]


class Form(StrEnum):
    """What is asked of the model."""

    FUNCTION = "function"  # the prompt is the head of a function: complete it
    INSTRUCTION = "instruction"  # the prompt is a text: write a function or a class
    PROGRAM = "program"  # the prompt is a text: write a program from stdin to stdout
    INFILL = "infill"  # the prompt is code before a gap, `suffix` the code after it


@dataclass(frozen=True, slots=True)
class AssertCode:
    """Test code that follows the program. `setup` is what it needs besides: imports, helpers, a package clause."""

    code: str
    setup: str = ""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of the entry point and what they must give.

    inputs_literal    Python literal: a list of argument lists
    results_literal   Python literal: as many results; None: what the reference gives
    atol              absolute tolerance for floats; 0 means 1e-6 where a float is expected (EvalPlus)
    """

    inputs_literal: str
    results_literal: str | None
    atol: float = 0.0


@dataclass(frozen=True, slots=True)
class Stdin:
    """What is typed in and what must be printed, case by case."""

    cases: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One task.

    language     a name of the sandbox's registry
    prompt       what the benchmark shows (code for FUNCTION and INFILL, text otherwise)
    reference    a whole program that solves it; None where upstream has none
    checks       how an answer is judged
    examples     (input, output) pairs that the prompt itself shows
    """

    suite: str
    task_id: str
    language: str
    form: Form
    prompt: str
    checks: AssertCode | Calls | Stdin
    entry_point: str | None = None
    reference: str | None = None
    suffix: str = ""
    examples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out, and why."""

    file: str
    row: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The problems of a suite, in the order of its file, and the rows that are none."""

    problems: tuple[Problem, ...]
    bad_rows: tuple[BadRow, ...] = ()


def load_rows(path: Path, parse: Callable[[Row], Problem | None]) -> Loaded:
    """Read a file of rows. `parse` gives None for a row that the suite leaves out on purpose.

    Raises DataMissingError without the file, ProblemFileError when every row is bad or the file is no text.
    """
    problems: list[Problem] = []
    bad: list[BadRow] = []
    seen: set[str] = set()
    for number, text in enumerate(_raw_rows(path), start=1):
        try:
            problem = parse(_as_row(text))
        except (ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
            bad.append(BadRow(path.name, number, _reason(error)))
            continue
        if problem is not None and problem.task_id in seen:
            bad.append(BadRow(path.name, number, f"the id {problem.task_id!r} occurs twice"))
        elif problem is not None:
            seen.add(problem.task_id)
            problems.append(problem)
    if not problems:
        first = f"; the first: {bad[0]}" if bad else ""
        raise ProblemFileError(
            f"{path}: expected rows of problems; none can be used ({len(bad)} are bad{first})"
        )
    return Loaded(tuple(problems), tuple(bad))


def _reason(error: Exception) -> str:
    return f"the field {error} is missing" if isinstance(error, KeyError) else str(error)[:200]


def _as_row(value: Any) -> Row:
    row: Any = json.loads(value) if isinstance(value, str) else value
    if not isinstance(row, dict):
        raise TypeError(f"expected a JSON object; got {type(row).__name__}")
    return row  # pyright: ignore[reportUnknownVariableType]


def _raw_rows(path: Path) -> Iterator[Any]:
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except FileNotFoundError as error:
        raise DataMissingError(f"expected the file {path}; it is not there") from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ProblemFileError(f"{path}: expected UTF-8 JSON lines, perhaps gzipped; {error}") from error
    if text.lstrip().startswith("["):
        try:
            yield from json.loads(text)
        except json.JSONDecodeError as error:
            raise ProblemFileError(f"{path}: expected one JSON array; {error}") from error
    else:
        yield from (line for line in text.split("\n") if line.strip())


def text_of(row: Row, field: str) -> str:
    """Give a field that must be a string."""
    value = row[field]
    if not isinstance(value, str):
        raise TypeError(f"the field {field!r}: expected a string; got {type(value).__name__}")
    return value
