from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.extraction import code_of, fenced_code, longest_parsing_span, parses, program_of, sanitized
from evaluation.problems import AssertCode, Form, Problem
from evaluation.suites.polyglot import multipl_e
from evaluation.suites.python_functions import human_eval
from tests.evaluation.rows import human_eval_row

PROBLEM = human_eval(human_eval_row())
SOLUTION = "import math\n\ndef helper(x):\n    return x\n\ndef add(a, b):\n    return helper(a) + b"


@pytest.mark.parametrize(
    "before", ["", "Sure! Here it is:\n", "```python\n", "Text, with (brackets\n\n```py\n"]
)
@pytest.mark.parametrize("after", ["", "\n```", "\n```\nIt adds. That's it!", "\n\nprint(add(1, 2))\n"])
def test_what_stands_around_a_solution_does_not_matter(before: str, after: str) -> None:
    assert program_of(PROBLEM, before + SOLUTION + after) == sanitized(SOLUTION, "add")


def test_only_what_the_entry_point_reaches_is_kept() -> None:
    code = f"{SOLUTION}\n\ndef unused():\n    return 1\n\nLIMIT = 3\n\nadd(1, 2)\n"
    assert (
        sanitized(code, "add")
        == "import math\ndef helper(x):\n    return x\ndef add(a, b):\n    return helper(a) + b"
    )


def test_the_first_of_two_definitions_counts_and_one_without_return_does_not() -> None:
    code = "def add(a, b):\n    pass\n\ndef add(a, b):\n    return 1\n\ndef add(a, b):\n    return 2\n"
    assert sanitized(code, "add") == "def add(a, b):\n    return 1"


def test_decorated_definitions_are_kept() -> None:
    code = "from functools import cache\n\n@cache\ndef add(a, b):\n    return a + b\n"
    assert "@cache" in sanitized(code, "add")


def test_sanitizing_twice_changes_nothing() -> None:
    once = sanitized(SOLUTION, "add")
    assert sanitized(once, "add") == once


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["x = 1", "(", "def f():", "    return 2", "", "```", "if x:", "'''"]), max_size=8
    )
)
def test_the_span_is_the_one_a_search_of_all_spans_finds(lines: list[str]) -> None:
    best, most = "\n".join(lines[:1]), 0
    for i in range(len(lines)):
        for j in range(i + 1, len(lines)):
            span = "\n".join(lines[i : j + 1])
            filled = sum(bool(line.strip()) for line in lines[i : j + 1])
            if filled > most and parses(span):
                best, most = span, filled
    # Blank lines at the ends are no difference.
    assert longest_parsing_span("\n".join(lines)).strip("\n") == best.strip("\n")


@pytest.mark.parametrize(
    "hostile", ["(" * 100_000, "\x00", "[" * 3000 + "]" * 3000, "\ud800", "", "\n" * 5000]
)
def test_hostile_answers_give_some_program(hostile: str) -> None:
    assert isinstance(program_of(PROBLEM, hostile), str)


def test_the_first_block_is_taken_even_when_it_was_cut() -> None:
    assert fenced_code("Text\n```python\nx = 1\n```\n```\ny\n```") == "x = 1\n"
    assert fenced_code("```\nx = 1") == "x = 1"
    assert fenced_code("x = 1") == "x = 1"


def test_a_one_line_gap_takes_one_line() -> None:
    problem = Problem("infill-single", "x", "python", Form.INFILL, "a\n", AssertCode(""), suffix="c\n")
    assert program_of(problem, "b\nd\n") == "a\nb\nc\n"
    several = dataclasses.replace(problem, suite="infill-multi")
    assert program_of(several, "b\nd\n") == "a\nb\nd\nc\n"


def test_braces_that_the_tests_bring_are_taken_off() -> None:
    prompt = "#include<vector>\nlong f(long x) {\n"
    problem = multipl_e("cpp")({"name": "f", "prompt": prompt, "tests": "}\nint main() {\n}\n"})
    whole = program_of(problem, "```cpp\n#include<vector>\nlong f(long x) {\n  return x;\n}\n```")
    body = program_of(problem, "```cpp\n  return x;\n```")
    assert whole.replace("\n", "") == body.replace("\n", "") == "#include<vector>long f(long x) {  return x;"


def test_tests_go_on_within_the_class_of_a_java_answer() -> None:
    prompt = (
        "import java.util.*;\nimport org.javatuples.*;\nclass Problem {\n    public static long f(long x) {\n"
    )
    tests = "    }\n    public static void main(String[] a) {\n    }\n}\n"
    problem = multipl_e("java")({"name": "f", "prompt": prompt, "tests": tests})
    class_ = f"{prompt}        return x;\n    }}\n}}\n"
    for answer in (f"```java\n{class_}```", "```java\n        return x;\n```"):
        whole = program_of(problem, answer) + tests
        assert "javatuples" not in whole
        depth = 0
        for c in whole:
            depth += (c == "{") - (c == "}")
            assert depth >= 0
        assert depth == 0
        assert whole.index("class Problem {") < whole.index("return x;") < whole.index("main(")
    assert "javatuples" in program_of(
        problem, f"```java\n{class_.replace('long f', 'Pair<Long, Long> f')}```"
    )


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        # The prompt of RAW opens the fence, the answer closes it.
        ("x = 1\n```", "x = 1\n"),
        ("x = 1\n```\n", "x = 1\n"),
        ("x = 1", "x = 1"),
        ("```", ""),
        ("Text\n```python\nx = 1\n```", "x = 1\n"),
        ("Text\n```\nx = 1\n```", "x = 1\n"),
        ("```python\nx = (", "x = ("),
    ],
)
def test_the_fence_that_ends_an_answer_is_no_code(answer: str, code: str) -> None:
    assert code_of(PROBLEM, answer) == (code,)


def test_a_fence_within_a_string_ends_no_code() -> None:
    answer = (
        'def add(a, b):\n    """Call it so:\n    ```\n    add(1, 2)\n    ```\n    """\n    return a + b\n'
    )
    assert code_of(PROBLEM, answer) == (answer,)


def test_other_languages_may_go_on_from_the_head() -> None:
    problem = dataclasses.replace(
        PROBLEM, language="java", prompt="class Solution {\n    int f() {\n", entry_point="f"
    )
    assert code_of(problem, "return 1; } }") == ("return 1; } }", f"{problem.prompt}return 1; }} }}")
