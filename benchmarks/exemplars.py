"""A corpus of functions to retrieve from, without what a benchmark asks for.

    python -m benchmarks.exemplars --data ../shared/data --output runs/exemplars
    python -m retrieval_index build runs/exemplars --name exemplars

Functions of the standard library and of TheAlgorithms/Python, one file each. Left out: what the data's own flags name
(the same name, the same syntax tree, 13 words in a row), what has the name of a HumanEval or MBPP problem, and what
shares ten words in a row with a prompt or a reference solution of theirs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError
from evaluation.errors import EvaluationError
from evaluation.suites import load_suite

_CORPORA = ("python_stdlib_functions", "thealgorithms_functions")
_SUITES = ("humaneval", "mbpp")
_IN_A_ROW = 10
_WORD = re.compile(r"\w+")


def main(arguments: list[str] | None = None) -> int:
    """Write the corpus; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exemplars", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        kept, dropped = write_exemplars(options.data, options.output)
    except (BenchmarkError, EvaluationError) as error:
        print(f"python -m benchmarks.exemplars: {error}", file=sys.stderr)
        return 1
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))
    print(f"{kept:,} functions in {options.output}; left out: {reasons}")
    return 0


def write_exemplars(data: Path, output: Path) -> tuple[int, Counter[str]]:
    """Write the functions, in place of what is there; give how many, and how many were left out for which reason."""
    names: set[str] = set()
    runs: set[tuple[str, ...]] = set()
    for suite in _SUITES:
        for problem in load_suite(suite, data).problems:
            names.add(problem.entry_point or "")
            runs.update(words_in_a_row(f"{problem.prompt}\n{problem.reference or ''}"))
    shutil.rmtree(output, ignore_errors=True)
    kept, dropped = 0, Counter[str]()
    for corpus in _CORPORA:
        for number, row in enumerate(_rows(data / "corpus" / f"{corpus}.jsonl.gz")):
            if (reason := _contaminated(row, names, runs)) is not None:
                dropped[reason] += 1
                continue
            place = output / corpus / f"{number:04d}_{row['name']}.py"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(row["code"] + "\n", encoding="utf-8")
            kept += 1
    return kept, dropped


def words_in_a_row(text: str) -> Iterator[tuple[str, ...]]:
    """Give each run of ten words of a text, in lower case."""
    words = [word.lower() for word in _WORD.findall(text)]
    for first in range(len(words) - _IN_A_ROW + 1):
        yield tuple(words[first : first + _IN_A_ROW])


def _contaminated(row: dict[str, Any], names: set[str], runs: set[tuple[str, ...]]) -> str | None:
    if row["contam_same_ast"] or row["contam_13gram"] or row["contam_same_name"]:
        return "flagged"
    if row["name"] in names:
        return "of the same name"
    if not runs.isdisjoint(words_in_a_row(row["code"])):
        return f"with {_IN_A_ROW} words in a row"
    return None


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    if not path.is_file():
        raise BenchmarkError(f"expected the file {path}; it is not there")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        # Some strings hold other line separators: only a line feed ends a row.
        yield from map(json.loads, file.read().removesuffix("\n").split("\n"))


if __name__ == "__main__":
    sys.exit(main())
