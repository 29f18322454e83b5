"""Lines to complete that call a function of another file: cut from packages, whose other files are the repository."""

from __future__ import annotations

import ast
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from retrieval_index.walk import read_text, walk

_MAX_LINE, _MIN_LINE = 100, 12
_PREFIX_CHARS, _SUFFIX_CHARS = 2_000, 500
Cut = Literal["line", "call"]


@dataclass(frozen=True, slots=True)
class RepositoryCase:
    """One line to complete.

    path            of the file, relative to the package; it is no part of the indexed copy
    prefix, suffix  the file around what is asked for, the nearest of it
    line            what stands there up to the end of the line
    helper          the function that it calls, and `helper_path`, which file of the package defines it
    """

    package: str
    path: str
    prefix: str
    suffix: str
    line: str
    helper: str
    helper_path: str

    @property
    def name(self) -> str:
        """Tell it from others."""
        return f"{self.package}/{self.path}"


def cut_cases(package: Path, copy: Path, num: int, seed: int, cut: Cut = "line") -> list[RepositoryCase]:
    """Cut at most one line out of a file of a package, and copy the files that were not cut.

    cut   `line`: all of the line but its indentation; `call`: from the helper's name on
    The helper is imported by name from another file of the package, is called on one line inside a function, and that
    file stays in the copy.
    """
    texts = {
        file.path: text
        for file in walk(package).files
        if file.path.endswith(".py") and (text := read_text(package / file.path)[0])
    }
    rng = random.Random(f"{seed}{package.name}")  # noqa: S311 - repeatable on purpose
    candidates = [path for path in texts if "test" not in path]
    rng.shuffle(candidates)
    cases: list[RepositoryCase] = []
    needed: set[str] = set()
    for path in candidates:
        if len(cases) == num:
            break
        if path in needed:
            continue
        held_out = {case.path for case in cases}
        found = [case for case in _cases(package.name, path, texts, cut) if case.helper_path not in held_out]
        if found:
            cases.append(rng.choice(found))
            needed.add(cases[-1].helper_path)
    held_out = {case.path for case in cases}
    shutil.rmtree(copy, ignore_errors=True)
    for path, text in texts.items():
        if path not in held_out:
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            (copy / path).write_text(text, encoding="utf-8")
    return cases


def _cases(package: str, path: str, texts: dict[str, str], cut: Cut) -> Iterator[RepositoryCase]:
    text = texts[path]
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    helpers = dict(_helpers(tree, package, path, texts))
    lines = text.split("\n")
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for statement in ast.walk(function):
            if not isinstance(statement, ast.Assign | ast.Return | ast.Expr):
                continue
            line = lines[statement.lineno - 1]
            if statement.lineno != statement.end_lineno or not _MIN_LINE <= len(line.strip()) <= _MAX_LINE:
                continue
            if line[: statement.col_offset].strip() or len(line) != (statement.end_col_offset or 0):
                continue
            called = [
                node.func
                for node in ast.walk(statement)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in helpers
            ]
            # Columns of the parser are bytes.
            if called and line.isascii():
                column = called[0].col_offset if cut == "call" else statement.col_offset
                before = "\n".join([*lines[: statement.lineno - 1], line[:column]])
                after = "\n" + "\n".join(lines[statement.lineno :])
                yield RepositoryCase(
                    package,
                    path,
                    before[-_PREFIX_CHARS:],
                    after[:_SUFFIX_CHARS],
                    line[column:],
                    called[0].id,
                    helpers[called[0].id],
                )


def _helpers(tree: ast.Module, package: str, path: str, texts: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Give the functions that a file imports by name from other files of its package, with these files."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            parts = [*path.split("/")[: -node.level], *(node.module or "").split(".")]
        elif (node.module or "").split(".")[0] == package:
            parts = (node.module or "").split(".")[1:]
        else:
            continue
        module = "/".join(part for part in parts if part)
        target = next((name for name in (f"{module}.py", f"{module}/__init__.py") if name in texts), None)
        for alias in node.names:
            if target and alias.asname is None and f"\ndef {alias.name}(" in f"\n{texts[target]}":
                yield alias.name, target
