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


def _suites() -> list[Suite]:
    fim = "fim/HumanEval-{}Infilling.jsonl.gz"
    x_rows = dict.fromkeys(HUMANEVAL_X, 164)
    e_rows = {
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
    return [
        Suite("humaneval", "HumanEval.jsonl.gz", human_eval, 164, "HumanEval"),
        Suite(
            "humaneval+",
            "humanevalplus/HumanEvalPlus-OriginFmt.jsonl.gz",
            human_eval_plus,
            164,
            "HumanEval+ v0.1.10",
        ),
        Suite("mbpp", "mbpp/sanitized-mbpp.json", mbpp, 427, "MBPP sanitized"),
        Suite("mbpp+", "mbppplus/MbppPlus-OriginFmt.jsonl.gz", mbpp_plus, 378, "MBPP+ v0.2.0"),
        Suite(
            "infill-single",
            fim.format("SingleLine"),
            infilling("infill-single"),
            1033,
            "HumanEval infilling, one line",
        ),
        Suite(
            "infill-multi",
            fim.format("MultiLine"),
            infilling("infill-multi"),
            5815,
            "HumanEval infilling, lines",
        ),
        Suite(
            "infill-random",
            fim.format("RandomSpan"),
            infilling("infill-random"),
            1640,
            "HumanEval infilling, span",
        ),
        *(
            Suite(
                f"humaneval-x-{key}",
                f"humaneval-x/humaneval_{key}.jsonl.gz",
                humaneval_x(key),
                rows,
                f"HumanEval-X {HUMANEVAL_X[key]}",
            )
            for key, rows in x_rows.items()
        ),
        *(
            Suite(
                f"multipl-e-{key}",
                f"multipl-e/humaneval-{key}.jsonl",
                multipl_e(key),
                rows,
                f"MultiPL-E {MULTIPL_E[key]}",
            )
            for key, rows in e_rows.items()
        ),
        Suite(
            "codecontests",
            "codecontests/codecontests_train_subset390.jsonl.gz",
            codecontests,
            0,
            "CodeContests selection",
        ),
        Suite("apps", "apps150/apps_selected150.jsonl.gz", apps, 128, "APPS, MapCoder's selection"),
    ]


SUITES: dict[str, Suite] = {suite.name: suite for suite in _suites()}


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
            f"expected a folder with {suite.file}; name one with --data or CODEFUSION_DATA "
            "(../shared/data is used when it is there)"
        )
    return load_rows(data / suite.file, suite.read)
