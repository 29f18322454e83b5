from __future__ import annotations

import dataclasses

import pytest

from evaluation.arms import ARMS, arm_from
from evaluation.errors import ConfigError
from evaluation.problems import AssertCode, Form, Problem, Stdin
from evaluation.prompts import request_for
from evaluation.suites.python_functions import human_eval
from tests.evaluation.rows import human_eval_row

PROBLEM = human_eval(human_eval_row(prompt="def add(a, b):\n"))


def test_the_raw_prompt_is_evalplus_chat_prompt() -> None:
    request = request_for(PROBLEM, ARMS["raw"], 0.0, 5)
    assert request.path == "/v1/completions"
    assert request.body["prompt"] == (
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nPlease provide a self-contained Python script that solves the following problem in a "
        "markdown code block:\n```\ndef add(a, b):\n```\n<|im_end|>\n"
        "<|im_start|>assistant\nBelow is a Python script with a self-contained function that solves the problem and "
        "passes corresponding tests:\n```python\n"
    )
    assert (request.body["temperature"], request.body["seed"], request.body["max_tokens"]) == (0.0, 5, 768)
    assert len(request.body["stop"]) == 4


def test_the_reference_and_the_tests_never_enter_a_request() -> None:
    secret = human_eval(human_eval_row(canonical_solution="    return SECRET\n", test="assert SECRET"))
    for arm in ARMS.values():
        assert "SECRET" not in str(request_for(secret, arm, 0.2, 0))


def test_infilling_sends_both_sides() -> None:
    problem = Problem("infill-multi", "x", "python", Form.INFILL, "a\n", AssertCode(""), suffix="c\n")
    body = request_for(problem, ARMS["raw"], 0.0, 0).body
    assert (body["prompt"], body["suffix"]) == ("a\n", "c\n")
    body = request_for(problem, ARMS["generate"], 0.0, 0).body
    assert (body["prefix"], body["suffix"]) == ("a\n", "c\n")


def test_programs_are_asked_to_read_stdin() -> None:
    problem = Problem("codecontests", "x", "python", Form.PROGRAM, "Add two numbers.", Stdin((("1", "1"),)))
    assert "Read the inputs from stdin" in request_for(problem, ARMS["raw"], 0.0, 0).body["prompt"]


def test_selection_by_examples_sends_those_of_the_prompt() -> None:
    shown = human_eval(human_eval_row())
    body = request_for(shown, ARMS["n5-examples"], 0.2, 0).body
    assert body["examples"] == [{"input": "add(1, 2)", "output": "3"}]
    assert (body["candidates"], body["select"], body["temperature"]) == (5, "examples", 0.2)


def test_without_examples_the_likeliest_is_taken() -> None:
    bare = dataclasses.replace(PROBLEM, examples=())
    assert request_for(bare, ARMS["n5-examples"], 0.0, 0).body["select"] == "logprob"


@pytest.mark.parametrize(
    "example",
    [
        ("add([]) == None", '"""'),
        ("add(1", "2"),
        ("1 + 1", "2"),
        ("add(1)", "2 or"),
        ("add(" + "1" * 3000 + ")", "2"),
    ],
)
def test_what_is_no_call_and_value_is_not_sent(example: tuple[str, str]) -> None:
    shown = dataclasses.replace(PROBLEM, examples=(example, ("add(1, 1)", "2")))
    body = request_for(shown, ARMS["n5-examples"], 0.0, 0).body
    assert body["examples"] == [{"input": "add(1, 1)", "output": "2"}]
    only = dataclasses.replace(PROBLEM, examples=(example,))
    assert request_for(only, ARMS["n5-examples"], 0.0, 0).body["select"] == "logprob"


def test_programs_send_what_is_typed_in_and_printed() -> None:
    shown = Problem(
        "codecontests",
        "x",
        "python",
        Form.PROGRAM,
        "Add.",
        Stdin((("1", "1"),)),
        examples=(("1 2\n", "3\n"),),
    )
    body = request_for(shown, ARMS["n5-examples"], 0.0, 0).body
    assert (body["examples"], body["examples_form"]) == ([{"input": "1 2\n", "output": "3\n"}], "stdin")


def test_an_arm_lays_its_fields_over_its_base() -> None:
    arm = arm_from("masked", {"base": "n5-logprob", "request": {"syntax": "enforce", "candidates": 3}})
    body = request_for(PROBLEM, arm, 0.0, 0).body
    assert (body["syntax"], body["candidates"], body["select"]) == ("enforce", 3, "logprob")


@pytest.mark.parametrize(
    "table", [{"base": "nothing"}, {"route": "x"}, {"syntax": "enforce"}, {"request": 3}]
)
def test_an_arm_that_makes_no_sense_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        arm_from("a", table)
