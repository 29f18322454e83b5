"""The table of suites: name, files, reader, how many rows upstream has."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evaluation.errors import DataMissingError, UnknownSuiteError
from evaluation.problems import Loaded, Problem, Row, load_rows
from evaluation.suites.competition import apps, codecontests
from evaluation.suites.infilling import infilling
from evaluation.suites.polyglot import HUMANEVAL_X, MULTIPL_E, humaneval_x, multipl_e
from evaluation.suites.python_functions import human_eval, human_eval_plus, mbpp, mbpp_plus


@dataclass(frozen=True, slots=True)
class Suite:
    """One benchmark.

    file            below the data folder
    upstream_rows   rows that published figures are over; fewer here means: not the same set
    """

    name: str
    file: str
    read: Callable[[Row], Problem | None]
    upstream_rows: int
    title: str


_FIM = "fim/HumanEval-{}Infilling.jsonl.gz"
# MultiPL-E leaves out what a language cannot express.
_MULTIPL_E_ROWS = {
    "cpp": 161,
    "cs": 158,
    "go": 154,
    "java": 158,
    "js": 161,
    "php": 161,
    "rs": 156,
    "sh": 158,
    "ts": 159,
}

_PYTHON = [
    Suite("humaneval", "HumanEval.jsonl.gz", human_eval, 164, "HumanEval"),
    Suite("humaneval+", "humanevalplus/HumanEvalPlus-OriginFmt.jsonl.gz", human_eval_plus, 164, "HumanEval+ v0.1.10"),
    Suite("mbpp", "mbpp/sanitized-mbpp.json", mbpp, 427, "MBPP sanitized"),
    Suite("mbpp+", "mbppplus/MbppPlus-OriginFmt.jsonl.gz", mbpp_plus, 378, "MBPP+ v0.2.0"),
    *(
        Suite(name, _FIM.format(cut), infilling(name), rows, f"HumanEval infilling, {title}")
        for name, cut, rows, title in [
            ("infill-single", "SingleLine", 1033, "one line"),
            ("infill-multi", "MultiLine", 5815, "lines"),
            ("infill-random", "RandomSpan", 1640, "span"),
        ]
    ),
]  # fmt: skip
_POLYGLOT = [
    *(
        Suite(
            f"humaneval-x-{key}", f"humaneval-x/humaneval_{key}.jsonl.gz", humaneval_x(key), 164, f"HumanEval-X {title}"
        )
        for key, title in HUMANEVAL_X.items()
    ),
    *(
        Suite(
            f"multipl-e-{key}", f"multipl-e/humaneval-{key}.jsonl", multipl_e(key), rows, f"MultiPL-E {MULTIPL_E[key]}"
        )
        for key, rows in _MULTIPL_E_ROWS.items()
    ),
]  # fmt: skip
_TRAIN = "codecontests/codecontests_train_subset390.jsonl.gz"
_COMPETITION = [
    Suite("codecontests", _TRAIN, codecontests, 0, "CodeContests selection"),
    Suite("apps", "apps150/apps_selected150.jsonl.gz", apps, 128, "APPS, MapCoder's selection"),
]

SUITES: dict[str, Suite] = {suite.name: suite for suite in [*_PYTHON, *_POLYGLOT, *_COMPETITION]}


def find_suite(name: str) -> Suite:
    """Give a suite by name. Raises UnknownSuiteError, naming those that are close."""
    if name in SUITES:
        return SUITES[name]
    close = difflib.get_close_matches(name, SUITES, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    raise UnknownSuiteError(f"expected one of {', '.join(SUITES)}; got {name!r}.{hint}")


def load_suite(name: str, data: Path | None, problems_file: Path | None = None) -> Loaded:
    """Load a suite from the data folder, or `problems_file` in HumanEval's format under the name given.

    Raises UnknownSuiteError, DataMissingError, ProblemFileError.
    """
    if problems_file is not None:
        return load_rows(problems_file, lambda row: dataclasses.replace(human_eval(row), suite=name))
    suite = find_suite(name)
    if data is None:
        raise DataMissingError(
            f"expected a folder with {suite.file}; name one with --data or CODEFUSION_DATA, "
            f"or bring it here: python -m evaluation fetch {name}"
        )
    return load_rows(data / suite.file, suite.read)
