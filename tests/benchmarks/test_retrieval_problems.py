"""Reference solutions hidden among other functions, and what their tasks say in words."""

from __future__ import annotations

from pathlib import Path

from benchmarks.retrieval import Asked
from benchmarks.retrieval_problems import bare, hide_solutions
from evaluation.problems import AssertCode, Form, Problem

HEAD = '''from typing import List

def is_sorted(xs: List[int]) -> bool:
    """ Are the numbers in order?
    >>> is_sorted([1])
    True
    """
'''


def problem(form: Form, prompt: str, reference: str | None) -> Problem:
    return Problem("s", "s/1", "python", form, prompt, AssertCode("pass"), "is_sorted", reference)


def test_solutions_are_hidden_without_the_words_of_their_tasks(tmp_path: Path) -> None:
    solved = problem(Form.FUNCTION, HEAD, HEAD + "    # In order?\n    return xs == sorted(xs)\n")
    asked = hide_solutions([problem(Form.FUNCTION, HEAD, None), solved], tmp_path)
    assert asked == [Asked("solutions/0001.py", "is_sorted", 1, "Are the numbers in order?", "")]
    (file,) = tmp_path.rglob("*.py")
    assert "order" not in file.read_text()
    assert "return xs == sorted(xs)" in file.read_text()


def test_a_function_of_words_alone_stays_a_function() -> None:
    assert bare('def f():\n    """Nothing."""') == "def f():\n    pass"
