"""Makes the fixed CodeContests selection. Needed once; its result is in the repository.

Rule, in this order: no row that other rows repeat or that overlaps a benchmark (lists below, from the data's notes); 5
to 100 tests of together at most 200,000 characters; in the order of sha256(problem_id); of these the first whose
Python solution prints exactly what the tests ask (floats within 1e-5), until there are 100. Problems with several right
answers fall out that way, since one solution rarely prints what another did.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from evaluation.problems import Problem, Row, Stdin, load_rows
from evaluation.suites.competition import SELECTION_FILE, codecontests_any

SIZE: Final = 100
_FILE: Final = "codecontests/codecontests_train_subset390.jsonl.gz"
# Train indices of problems that near-equal ones repeat (both sides are left out), and that overlap benchmarks or APPS.
_REPEATED: Final = (
    "133 5134 158 3806 431 848 563 5355 671 7232 788 5164 1897 11475 2026 12540 2351 8388 2411 12093 2415 5747 2462 "
    "4441 2723 13029 2740 3053 3074 4011 3163 12948 3448 12817 3609 8501 4280 10214 4318 6399 4325 6406 4932 7013 "
    "5739 11983 6419 8708 6598 9826 6728 6832 7551 9008 9500 9812 9704 11057 10223 12097 992 454 8768 1262 1837 3399 "
    "3683 7526 7752 10216"
)
_DAMAGED: Final = frozenset({"1534_f1"})


def candidates(data: Path) -> list[Problem]:
    """Give the problems that may be selected, in the order they are tried."""
    left_out = {int(index) for index in _REPEATED.split()}

    def read(row: Row) -> Problem | None:
        problem = codecontests_any(row)
        is_damaged = any(name in problem.task_id for name in _DAMAGED)
        if row["codecontests_train_index"] in left_out or is_damaged or not _has_fitting_tests(problem):
            return None
        return problem

    problems = load_rows(data / _FILE, read).problems
    return sorted(problems, key=lambda problem: hashlib.sha256(problem.task_id.encode()).hexdigest())


async def select(data: Path, passes: Callable[[Problem], Awaitable[bool]]) -> list[str]:
    """Give the ids of the selection. `passes` says whether a problem's own solution does."""
    chosen: list[str] = []
    for problem in candidates(data):
        if len(chosen) < SIZE and problem.reference and await passes(problem):
            chosen.append(problem.task_id)
    return chosen


def write(ids: list[str]) -> Path:
    """Write the selection beside this module."""
    path = Path(__file__).parent / SELECTION_FILE
    content = {"rule": "evaluation/suites/selection.py", "split": "train", "ids": ids}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def _has_fitting_tests(problem: Problem) -> bool:
    assert isinstance(problem.checks, Stdin)
    cases = problem.checks.cases
    return 5 <= len(cases) <= 100 and sum(len(a) + len(b) for a, b in cases) <= 200_000
