"""A task of Python in parts: what it says in words, the signature, the examples that it shows."""

from __future__ import annotations

import ast
import re
from typing import Any

from evaluation.problems import Form, Problem

_EXAMPLES = re.compile(r">>>|^assert |\b(?:for )?examples?\b", re.IGNORECASE | re.MULTILINE)


def in_words(problem: Problem) -> str:
    """Give what the task says in words: no signature, nothing from its first example on. "" where there are none."""
    words = problem.prompt
    if problem.form is Form.FUNCTION:
        function = _function(problem)
        words = (ast.get_docstring(function) or "") if function else ""
    return _EXAMPLES.split(words)[0].strip(' \n"')


def signature(problem: Problem) -> str | None:
    """Give the code that the prompt shows before the docstring, of a task that is the head of a function."""
    function = _function(problem) if problem.form is Form.FUNCTION else None
    if function is None or ast.get_docstring(function) is None:
        return None
    return "\n".join(problem.prompt.split("\n")[: function.body[0].lineno - 1]).strip()


def fields_of(problem: Problem, examples: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Give the fields of /generate that say the same as the prompt; none for a task that says nothing in words."""
    words, head = in_words(problem), signature(problem)
    if problem.language != "python" or not words:
        return {}
    shown = [{"input": given, "output": wanted} for given, wanted in examples]
    return {
        "prompt": words,
        **({"signature": head} if head else {}),
        **({"examples": shown} if shown else {}),
    }


def _function(problem: Problem) -> ast.FunctionDef | None:
    functions = (node for node in ast.parse(problem.prompt).body if isinstance(node, ast.FunctionDef))
    return next((node for node in functions if node.name == problem.entry_point), None)
