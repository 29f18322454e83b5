"""HumanEval, HumanEval+, MBPP (sanitized), MBPP+: Python functions, judged by asserts or by calls.

The Plus suites are read from EvalPlus' `OriginFmt` files: there the inputs and results are Python literals (JSON
has no tuples), so that each call can be made in one process and judged in another.
"""

from __future__ import annotations

import ast
import re
from typing import Final

from evaluation.problems import AssertCode, Calls, Form, Problem, Row, text_of

_INPUTS = re.compile(r"^[ \t]*inputs = (.*)$", re.MULTILINE)
_RESULTS = re.compile(r"^[ \t]*results = (.*)$", re.MULTILINE)
_ATOL = re.compile(r", ([0-9.e-]+)\)\s*\Z")
_DOCTEST = re.compile(r"^[ \t]*>>> ?(.+)\n[ \t]*(?!>>>)(\S.*)$", re.MULTILINE)
_ASSERT_EQUAL: Final = (ast.Eq,)


def human_eval(row: Row) -> Problem:
    """Read a row of HumanEval, or of a file of one's own in the same format."""
    prompt, entry_point = text_of(row, "prompt"), text_of(row, "entry_point")
    solution = row.get("canonical_solution")
    return Problem(
        suite="humaneval",
        task_id=text_of(row, "task_id"),
        language="python",
        form=Form.FUNCTION,
        prompt=prompt,
        checks=AssertCode(
            f"{text_of(row, 'test')}\n\ncheck({_identifier(entry_point)})\n",
            setup=helpers_of(prompt, entry_point),
        ),
        entry_point=entry_point,
        reference=prompt + solution if isinstance(solution, str) else None,
        examples=doctest_examples(prompt),
    )


def human_eval_plus(row: Row) -> Problem:
    """Read a row of HumanEvalPlus-OriginFmt."""
    prompt, entry_point = text_of(row, "prompt"), _identifier(text_of(row, "entry_point"))
    return Problem(
        suite="humaneval+",
        task_id=text_of(row, "task_id"),
        language="python",
        form=Form.FUNCTION,
        prompt=prompt,
        checks=_calls(text_of(row, "test")),
        entry_point=entry_point,
        reference=prompt + text_of(row, "canonical_solution"),
        examples=doctest_examples(prompt),
    )


def mbpp(row: Row) -> Problem:
    """Read a row of sanitized-mbpp.json; the first assert stands in the prompt, as in EvalPlus."""
    tests = [str(test) for test in row["test_list"]]
    imports = [str(line) for line in row.get("test_imports", [])]
    return Problem(
        suite="mbpp",
        task_id=f"Mbpp/{int(row['task_id'])}",
        language="python",
        form=Form.INSTRUCTION,
        prompt=f'"""\n{text_of(row, "prompt").strip()}\n{tests[0].strip()}\n"""\n',
        checks=AssertCode("\n".join(tests) + "\n", setup="\n".join(imports)),
        entry_point=called_name(tests[0], text_of(row, "code")),
        reference=text_of(row, "code").replace("\r\n", "\n"),
        examples=assert_examples(tests[:1]),
    )


def mbpp_plus(row: Row) -> Problem:
    """Read a row of MbppPlus-OriginFmt."""
    tests = [str(test) for test in row["test_list"]]
    return Problem(
        suite="mbpp+",
        task_id=f"Mbpp/{int(row['task_id'])}",
        language="python",
        form=Form.INSTRUCTION,
        prompt=f'"""\n{text_of(row, "prompt").strip()}\n{tests[0].strip()}\n"""\n',
        checks=_calls(text_of(row, "test")),
        entry_point=called_name(tests[0], text_of(row, "code")),
        reference=text_of(row, "code").replace("\r\n", "\n"),
        examples=assert_examples(tests[:1]),
    )


def called_name(test: str, code: str) -> str:
    """Give the function of `code` that an assert calls; raise ValueError when it calls none."""
    defined = {node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(ast.parse(test.strip())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in defined:
            return node.func.id
    raise ValueError(f"expected an assert that calls one of {sorted(defined)}; got {test[:80]!r}")


def helpers_of(prompt: str, entry_point: str) -> str:
    """Give the functions and imports of a prompt other than the one to be written: its tests may call them."""
    try:
        tree = ast.parse(prompt)
    except SyntaxError:
        return ""
    kept = [
        node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name == entry_point)
    ]
    if not any(isinstance(node, ast.FunctionDef) for node in kept):
        return ""
    return ast.unparse(ast.Module(kept, [])) + "\n\n"


def doctest_examples(prompt: str) -> tuple[tuple[str, str], ...]:
    """Give the `>>> call` lines of a docstring with the line below each."""
    return tuple((call.strip(), result.strip()) for call, result in _DOCTEST.findall(prompt))


def assert_examples(tests: list[str]) -> tuple[tuple[str, str], ...]:
    """Give the two sides of each `assert call == value`."""
    pairs: list[tuple[str, str]] = []
    for test in tests:
        statement = ast.parse(test.strip()).body[0]
        if isinstance(statement, ast.Assert) and isinstance(statement.test, ast.Compare):
            compare = statement.test
            if len(compare.ops) == 1 and isinstance(compare.ops[0], _ASSERT_EQUAL):
                pairs.append((ast.unparse(compare.left), ast.unparse(compare.comparators[0])))
    return tuple(pairs)


def _calls(test: str) -> Calls:
    inputs, results = _INPUTS.search(test), _RESULTS.search(test)
    if inputs is None:
        raise ValueError("expected a line `inputs = [...]` in the test")
    atol = _ATOL.search(test.strip())
    return Calls(inputs[1], results[1] if results else None, float(atol[1]) if atol else 0.0)


def _identifier(name: str) -> str:
    if not name.isidentifier():
        raise ValueError(f"entry_point: expected a name; got {name[:80]!r}")
    return name
