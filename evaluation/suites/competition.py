"""CodeContests (a fixed selection) and APPS (MapCoder's 150).

CodeContests. Upstream's test split comes without tests here, so the selection is from the train split: models may
have seen these problems, and the numbers are comparable with each other only, not with published ones. Which rows:
`codecontests_selection.json`, 100 ids, made by `python -m evaluation select-codecontests` (rule: `selection.py`).

APPS. Rows with starter code are called, the others read stdin. 22 rows repeat a name: the first of each is kept, the
others are counted as bad. This file lost the quotes of APPS' JSON: an argument stands on a line of its own, and is a
string where some case of the problem has no Python literal there. So `1` for a string of digits alone is misread.
"""

from __future__ import annotations

import ast
import functools
import json
import re
from importlib import resources
from typing import Any

from evaluation.problems import Calls, Form, Problem, Row, Stdin, text_of

_EXAMPLES = re.compile(r"^Examples?$", re.MULTILINE)
_NOTE = re.compile(r"^Note$", re.MULTILINE)
SELECTION_FILE = "codecontests_selection.json"


@functools.cache
def selected_ids() -> frozenset[str]:
    """Give the ids of the fixed selection; empty when none was made yet."""
    file = resources.files("evaluation.suites").joinpath(SELECTION_FILE)
    if not file.is_file():
        return frozenset()
    return frozenset(json.loads(file.read_text(encoding="utf-8"))["ids"])


def codecontests(row: Row) -> Problem | None:
    """Read a row of the selection; None for a row outside it."""
    return codecontests_any(row) if text_of(row, "problem_id") in selected_ids() else None


def codecontests_any(row: Row) -> Problem:
    """Read any row of the CodeContests file."""
    tests = row["tests"]
    return Problem(
        suite="codecontests",
        task_id=text_of(row, "problem_id"),
        language="python",
        form=Form.PROGRAM,
        prompt=text_of(row, "description"),
        checks=Stdin(tuple(zip(map(str, tests["input"]), map(str, tests["output"]), strict=True))),
        reference=row.get("solution_python3"),
        examples=printed_examples(text_of(row, "description")),
    )


def printed_examples(description: str) -> tuple[tuple[str, str], ...]:
    """Give the (input, output) pairs that a description prints below its line `Example` or `Examples`."""
    head = _EXAMPLES.search(description)
    if head is None:
        return ()
    shown = _NOTE.split(description[head.end() :])[0]
    pairs = [part.split("\nOutput\n") for part in f"\n{shown}".split("\nInput\n")[1:]]
    return tuple((pair[0].strip() + "\n", pair[1].strip() + "\n") for pair in pairs if len(pair) == 2)


def apps(row: Row) -> Problem:
    """Read a row of apps_selected150."""
    starter = row.get("starter_code") or ""
    cases = [(str(case["input"]), case["output"]) for case in row["test_list"]]
    samples = tuple((str(case["input"]), _shown(case["output"])) for case in row.get("sample_io") or [])
    description = text_of(row, "description")
    if not starter.strip():
        return Problem(
            suite="apps",
            task_id=f"APPS/{text_of(row, 'name')}",
            language="python",
            form=Form.PROGRAM,
            prompt=description,
            checks=Stdin(tuple((text, _shown(output)) for text, output in cases)),
            examples=samples,
        )
    name = _starter_name(starter)
    shown = row.get("sample_io") or []
    arguments = _arguments(
        [text.split("\n") for text in [*(text for text, _ in cases), *(text for text, _ in samples)]]
    )
    inputs, sample_inputs = arguments[: len(cases)], arguments[len(cases) :]
    results = [_only(output) for _, output in cases]
    return Problem(
        suite="apps",
        task_id=f"APPS/{text_of(row, 'name')}",
        language="python",
        form=Form.INSTRUCTION,
        prompt=f"{description.rstrip()}\n\nStart from this code:\n{starter.rstrip()}\n",
        checks=Calls(repr(inputs), repr(results)),
        entry_point=name,
        examples=tuple(
            (f"{name}({', '.join(map(repr, values))})", repr(_only(case["output"])))
            for values, case in zip(sample_inputs, shown, strict=True)
        ),
    )


def _arguments(cases: list[list[str]]) -> list[list[Any]]:
    """Read arguments; a position that is no literal in one case is text in all. Cases may leave the last ones out."""
    width = max(map(len, cases), default=0)
    columns = [[case[place] for case in cases if place < len(case)] for place in range(width)]
    are_text = [any(_literal(text) is None for text in column) for column in columns]
    return [
        [text if is_text else _literal(text) for text, is_text in zip(case, are_text, strict=False)]
        for case in cases
    ]


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def _only(output: Any) -> Any:
    return output[0] if isinstance(output, list) and len(output) == 1 else output  # pyright: ignore[reportUnknownVariableType]


def _shown(output: Any) -> str:
    return "\n".join(map(str, output)) if isinstance(output, list) else str(output)


def _starter_name(starter: str) -> str:
    # A head without a body, perhaps inside `class Solution:`.
    for line in starter.splitlines():
        if line.strip().startswith("def "):
            return line.strip()[4:].split("(")[0].strip()
    raise ValueError("starter_code: expected a function head")
