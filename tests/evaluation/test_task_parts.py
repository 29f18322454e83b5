"""A task in parts: its words, its signature, its examples."""

from __future__ import annotations

import pytest

from evaluation.arms import find_arm
from evaluation.problems import AssertCode, Form, Problem
from evaluation.prompts import request_for
from evaluation.task_parts import fields_of, in_words, signature

HEAD = '''from typing import List

def is_sorted(xs: List[int]) -> bool:
    """ Are the numbers in order?
    >>> is_sorted([1])
    True
    """
'''
TEXT = '"""\nTell whether the numbers are in order.\nassert is_sorted([1])\n"""\n'


def problem(form: Form, prompt: str) -> Problem:
    examples = (("is_sorted([1])", "True"),)
    return Problem("s", "s/1", "python", form, prompt, AssertCode("pass"), "is_sorted", examples=examples)


def test_a_task_says_in_words_what_stands_before_its_examples() -> None:
    assert in_words(problem(Form.FUNCTION, HEAD)) == "Are the numbers in order?"
    assert in_words(problem(Form.INSTRUCTION, TEXT)) == "Tell whether the numbers are in order."


def test_the_signature_is_the_code_before_the_docstring() -> None:
    wanted = "from typing import List\n\ndef is_sorted(xs: List[int]) -> bool:"
    assert signature(problem(Form.FUNCTION, HEAD)) == wanted
    assert signature(problem(Form.INSTRUCTION, TEXT)) is None


def test_a_task_without_words_is_not_taken_apart() -> None:
    assert fields_of(problem(Form.FUNCTION, "def is_sorted(xs):\n    pass\n"), ()) == {}


@pytest.mark.parametrize("arm", ["parts", "staged"])
def test_parts_lie_in_fields_of_their_own(arm: str) -> None:
    body = request_for(problem(Form.FUNCTION, HEAD), find_arm(arm), 0.0, 1).body
    assert body["prompt"] == "Are the numbers in order?"
    assert body["signature"].endswith("-> bool:")
    assert body["examples"] == [{"input": "is_sorted([1])", "output": "True"}]
    assert body.get("prompting") == (arm if arm == "staged" else None)
