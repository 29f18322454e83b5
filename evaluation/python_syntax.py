"""Python code to its syntax tree, in one place: CPython 3.11 builds trees wrongly in two threads at once."""

from __future__ import annotations

import ast
import threading
import warnings

# Trees share one depth counter per interpreter; another thread's shows as "AST constructor recursion depth mismatch"
# (a SystemError, python/cpython#106905). Filters of warnings are shared by threads, too.
_ONE_AT_A_TIME = threading.Lock()


def python_expression(text: str) -> ast.Expression:
    """Give the tree of an expression. Raises SyntaxError, ValueError."""
    with _ONE_AT_A_TIME:
        return ast.parse(text, mode="eval")


def python_tree(code: str) -> ast.Module | None:
    """Give the tree; None for code that CPython's parser does not take, or that is nested too deep for it."""
    try:
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
