"""The styles that vectors are made for: how each end is asked for in words, and what is measured of the code.

The instructions serve twice: as the two sides of the contrast pairs, and as the prompting arm of the calibration.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """One style.

    low, high  what is asked for at -1 and at +1
    low_of     makes the low side of a pair out of the high one; None: the model is asked for it, too
    measure    of one answer's code; the knob must move its mean over the problems monotonically
    unit       of the measure, in words
    """

    name: str
    low: str
    high: str
    measure: Callable[[str], float]
    unit: str
    low_of: Callable[[str], str | None] | None = None


def code_length(code: str) -> float:
    """Give the characters of a program, blank lines and the blanks at line ends left out."""
    return float(sum(len(line.rstrip()) + 1 for line in code.splitlines() if line.strip()))


def documentation_share(code: str) -> float:
    """Give the share of a Python program's characters that stand in comments and docstrings; 0 without any.

    Code that Python cannot read counts its comments only, as far as it can be cut into tokens.
    """
    length = code_length(code)
    if not length:
        return 0.0
    return min(1.0, (_comment_chars(code) + _docstring_chars(code)) / length)


def without_documentation(code: str) -> str | None:
    """Take comments and docstrings out of a Python program; None if it cannot be read, or would not be one then."""
    try:
        tree = ast.parse(code)
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return None
    lines = code.splitlines()
    for token in tokens:
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for first, last in _docstring_lines(tree):
        lines[first - 1 : last] = [""] * (last - first + 1)
    bare = "".join(line + "\n" for line in lines if line.strip())
    try:
        ast.parse(bare)
    except SyntaxError:
        return None
    return bare


def _docstring_lines(tree: ast.AST) -> list[tuple[int, int]]:
    return [(node.lineno, node.end_lineno or node.lineno) for node in _docstrings(tree)]


def _docstrings(tree: ast.AST) -> list[ast.stmt]:
    owners = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [
        node.body[0]
        for node in ast.walk(tree)
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None
    ]


def _comment_chars(code: str) -> int:
    chars = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.COMMENT:
                chars += len(token.string)
    except (tokenize.TokenError, SyntaxError):
        return chars
    return chars


def _docstring_chars(code: str) -> int:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return 0
    return sum(int(code_length(ast.get_source_segment(code, node) or "")) for node in _docstrings(tree))


STYLES = {
    style.name: style
    for style in (
        Style(
            "verbosity",
            low="Write the shortest code you can: as few lines and names as possible, no checks, no comments, "
            "no docstring.",
            high="Write the code out in full detail: many small steps, each in a line of its own with a named "
            "variable, and explicit checks of the input with clear error messages.",
            measure=code_length,
            unit="characters of code",
        ),
        Style(
            "documented",
            low="Write no comments and no docstring: nothing but the bare code.",
            high="Document the code well: a docstring with arguments, result and an example, and a comment above "
            "each step.",
            measure=documentation_share,
            unit="share of the code's characters in comments and docstrings",
            # Asked for none, the 0.5B model still documents: a third of the characters, against 63 % asked for much.
            low_of=without_documentation,
        ),
    )
}
