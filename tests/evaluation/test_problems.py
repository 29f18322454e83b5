from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from evaluation.errors import DataMissingError, ProblemFileError, UnknownSuiteError
from evaluation.problems import AssertCode, Calls, Form, Stdin
from evaluation.suites import SUITES, load_suite
from evaluation.suites.competition import apps, codecontests_any, printed_examples
from evaluation.suites.infilling import infilling
from evaluation.suites.python_functions import called_name, human_eval, human_eval_plus, mbpp
from tests.evaluation.rows import human_eval_row, write_rows


def test_a_malformed_row_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    no_test = human_eval_row("Own/1")
    del no_test["test"]
    rows = [
        human_eval_row(),
        "{not json",
        no_test,
        "[1]",
        human_eval_row("Own/4", prompt=7),
        human_eval_row("Own/5"),
    ]
    loaded = load_suite("mine", None, write_rows(tmp_path / "own.jsonl", rows))
    assert [problem.task_id for problem in loaded.problems] == ["Own/0", "Own/5"]
    assert [bad.row for bad in loaded.bad_rows] == [2, 3, 4, 5]
    assert "'test' is missing" in str(loaded.bad_rows[1])
    assert str(loaded.bad_rows[1]).startswith("own.jsonl, row 3")


def test_a_repeated_id_counts_once(tmp_path: Path) -> None:
    loaded = load_suite(
        "mine", None, write_rows(tmp_path / "own.jsonl", [human_eval_row(), human_eval_row()])
    )
    assert (len(loaded.problems), len(loaded.bad_rows)) == (1, 1)


@pytest.mark.parametrize("rows", [["{"], []])
def test_a_file_without_a_usable_row_is_an_error(tmp_path: Path, rows: list[str]) -> None:
    with pytest.raises(ProblemFileError, match="none can be used"):
        load_suite("mine", None, write_rows(tmp_path / "own.jsonl", rows))


def test_a_file_that_is_no_gzip_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl.gz"
    path.write_bytes(b"plain")
    with pytest.raises(ProblemFileError):
        load_suite("mine", None, path)


def test_an_unknown_suite_names_those_that_are_close() -> None:
    with pytest.raises(UnknownSuiteError, match="Did you mean humaneval"):
        load_suite("humanevals", None)


def test_missing_data_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"HumanEval\.jsonl\.gz"):
        load_suite("humaneval", tmp_path)
    with pytest.raises(DataMissingError, match="--data"):
        load_suite("humaneval", None)


@pytest.mark.parametrize("separator", ["\u2028", "\x0c", "\x85", "\r"])
def test_rows_end_at_line_feeds_only(tmp_path: Path, separator: str) -> None:
    row = human_eval_row(prompt=f'def add(a, b):\n    """a{separator}b"""\n')
    path = tmp_path / "own.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps(row, ensure_ascii=False) + "\n").encode()))
    assert separator in load_suite("mine", None, path).problems[0].prompt


def test_human_eval_knows_its_examples_and_reference() -> None:
    problem = human_eval(human_eval_row())
    assert problem.examples == (("add(1, 2)", "3"),)
    assert problem.reference == human_eval_row()["prompt"] + "    return a + b\n"
    assert isinstance(problem.checks, AssertCode)
    assert problem.checks.code.endswith("check(add)\n")
    assert problem.checks.setup == ""


def test_helpers_of_the_prompt_belong_to_the_tests() -> None:
    prompt = "import math\n\ndef poly(x):\n    return x\n\ndef add(a, b):\n    '''Add.'''\n"
    problem = human_eval(human_eval_row(prompt=prompt))
    assert isinstance(problem.checks, AssertCode)
    assert "def poly" in problem.checks.setup
    assert "import math" in problem.checks.setup
    assert "def add" not in problem.checks.setup


def test_human_eval_plus_keeps_python_literals() -> None:
    test = (
        "def check(c):\n    inputs = [[(1, 2)], [{3}]]\n    results = [3, 3.0]\n"
        "    for i, (inp, exp) in x:\n        assertion(c(*inp), exp, 1e-06)\n"
    )
    checks = human_eval_plus(human_eval_row(test=test)).checks
    assert checks == Calls("[[(1, 2)], [{3}]]", "[3, 3.0]", 1e-06)


def test_mbpp_shows_its_first_assert_only() -> None:
    row = {
        "task_id": 7,
        "prompt": "Write sum.",
        "code": "def sum(a, b):\r\n  return a + b",
        "test_imports": ["import math"],
        "test_list": ["assert sum(10, 15) == 25", "assert sum(1, 1) == 2"],
    }
    problem = mbpp(row)
    assert problem.prompt == '"""\nWrite sum.\nassert sum(10, 15) == 25\n"""\n'
    assert problem.entry_point == "sum"
    assert problem.examples == (("sum(10, 15)", "25"),)


def test_the_called_function_is_the_one_the_solution_defines() -> None:
    assert called_name("assert set(f([1])) == set(g(2))", "def f(x): ...") == "f"
    with pytest.raises(ValueError, match="calls one of"):
        called_name("assert len(x) == 1", "def f(x): ...")


def test_infilling_keeps_both_sides_as_they_are() -> None:
    row = human_eval_row(prompt="a = 1\n", suffix="c = 3\n", canonical_solution="b = 2\n")
    problem = infilling("infill-single")(row)
    assert problem.form is Form.INFILL
    assert problem.reference == "a = 1\nb = 2\nc = 3\n"


def test_codecontests_pairs_inputs_with_outputs() -> None:
    row = {"problem_id": "1_a", "description": "d", "tests": {"input": ["1", "2"], "output": ["a", "b"]}}
    assert codecontests_any(row).checks == Stdin((("1", "a"), ("2", "b")))
    with pytest.raises(ValueError, match="argument"):
        codecontests_any({**row, "tests": {"input": ["1"], "output": []}})


@pytest.mark.parametrize(
    ("description", "examples"),
    [
        ("Add.\n\nInput\n\nTwo numbers.\n\nOutput\n\nOne.\n", ()),
        (
            (
                "Input\n\nOne.\n\nOutput\n\nOne.\n\nExamples\n\nInput\n\n4 4\n2 3\n\n\nOutput\n\n0\n\n\nInput\n\n5\n"
                "\nOutput\n\n\nYES\nNO\n\nNote\n\nInput\n\nis 4.\n"
            ),
            (("4 4\n2 3\n", "0\n"), ("5\n", "YES\nNO\n")),
        ),
        ("Example\n\nInput\n\n1\n\nOutput\n\n2", (("1\n", "2\n"),)),
    ],
)
def test_codecontests_examples_are_those_printed_below_their_heading(
    description: str, examples: tuple[tuple[str, str], ...]
) -> None:
    assert printed_examples(description) == examples


def test_apps_reads_one_argument_a_line() -> None:
    row = {
        "name": "1",
        "description": "d",
        "starter_code": "\ndef f(word, n):\n\t",
        "test_list": [{"input": "abba\n2", "output": [["x"]]}, {"input": "12\n3", "output": [1, 2]}],
    }
    # The first column has a word, so `12` in it is a word too.
    assert apps(row).checks == Calls("[['abba', 2], ['12', 3]]", "[['x'], [1, 2]]")


def test_apps_may_leave_the_last_arguments_to_their_defaults() -> None:
    cases = [{"input": "13", "output": [1]}, {"input": "13\n8\nx", "output": [2]}]
    row = {"name": "1", "description": "d", "starter_code": "def f(n, k=0, c=''):", "test_list": cases}
    assert apps(row).checks == Calls("[[13], [13, 8, 'x']]", "[1, 2]")


def test_every_suite_has_a_name_a_shell_takes_as_it_is() -> None:
    assert all(name.replace("-", "").replace("+", "").isalnum() for name in SUITES)
