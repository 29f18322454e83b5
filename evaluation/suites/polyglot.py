"""HumanEval-X and MultiPL-E: HumanEval in other languages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from evaluation.problems import AssertCode, Form, Problem, Row, text_of

HUMANEVAL_X: Final = {
    "python": "python",
    "cpp": "cpp",
    "go": "go",
    "java": "java",
    "js": "javascript",
    "rust": "rust",
}
"""Suffix of the file to our name of the language."""

MULTIPL_E: Final = {
    "cpp": "cpp",
    "cs": "csharp",
    "go": "go",
    "java": "java",
    "js": "javascript",
    "php": "php",
    "rs": "rust",
    "sh": "bash",
    "ts": "typescript",
}

# What the reference solutions of HumanEval-X rely on beyond their own imports (CodeGeeX' evaluation prepends it).
_NAME: Final = {
    "python": re.compile(r"def\s+(\w+)"),
    "go": re.compile(r"func\s+(\w+)"),
    "javascript": re.compile(r"(?:const|let|var|function)\s+(\w+)"),
    "typescript": re.compile(r"function\s+(\w+)"),
    "rust": re.compile(r"fn\s+(\w+)"),
    "php": re.compile(r"function\s+(\w+)"),
    "bash": re.compile(r"(\w+)\(\)"),
    "cpp": re.compile(r"(\w+)\s*\([^()]*\)\s*\{\s*\Z"),
    "java": re.compile(r"(\w+)\s*\([^()]*\)[^{}()]*\{\s*\Z"),
    "csharp": re.compile(r"(\w+)\s*\([^()]*\)\s*\{\s*\Z"),
}


def humaneval_x(key: str) -> Callable[[Row], Problem]:
    """Give the reader of HumanEval-X in one language."""
    language = HUMANEVAL_X[key]

    def read(row: Row) -> Problem:
        prompt, test = text_of(row, "prompt"), text_of(row, "test")
        head = text_of(row, "declaration")
        if language == "rust":
            # Rust's prompt is the comment alone; imports and head stand in the declaration.
            prompt += head
        name = _NAME[language].findall(head)
        if language == "python":
            test += f"\n\ncheck({name[-1]})\n"
        return Problem(
            suite=f"humaneval-x-{key}",
            task_id=text_of(row, "task_id"),
            language=language,
            form=Form.FUNCTION,
            prompt=prompt,
            checks=AssertCode(test, setup=str(row.get("test_setup", ""))),
            entry_point=name[-1] if name else None,
            reference=prompt + text_of(row, "canonical_solution"),
        )

    return read


def multipl_e(key: str) -> Callable[[Row], Problem]:
    """Give the reader of MultiPL-E in one language. It has no reference solutions."""
    language = MULTIPL_E[key]

    def read(row: Row) -> Problem:
        prompt = text_of(row, "prompt")
        name = _NAME[language].findall(prompt)
        return Problem(
            suite=f"multipl-e-{key}",
            task_id=text_of(row, "name"),
            language=language,
            form=Form.FUNCTION,
            prompt=prompt,
            checks=AssertCode(text_of(row, "tests")),
            entry_point=name[-1] if name else None,
        )

    return read
