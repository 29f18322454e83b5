"""How well code is found by what a benchmark's task says, among functions of other things.

    python -m benchmarks.exemplars --data ../shared/data --output runs/exemplars
    python -m benchmarks.retrieval_problems --suite humaneval --data ../shared/data --corpus runs/exemplars

The reference solutions, without docstrings and comments, are hidden among the corpus, which has nothing that the tasks
ask for; each is looked for by its task's own words. The index is thrown away: solutions never enter one that answers
of a model are judged with.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.retrieval import Asked, ask_all
from evaluation.errors import EvaluationError
from evaluation.problems import Problem
from evaluation.suites import load_suite
from evaluation.task_parts import in_words
from retrieval_index.embedder import DEFAULT, load_embedder
from retrieval_index.embedding import EmbeddedBy
from retrieval_index.errors import RetrievalError
from retrieval_index.search import SearchIndex
from retrieval_index.update import update_index


def main(arguments: list[str] | None = None) -> int:
    """Hide, index, ask; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval_problems", description=__doc__)
    parser.add_argument("--suite", required=True, choices=("humaneval", "mbpp"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of other functions")
    parser.add_argument(
        "--embedder", default=DEFAULT, help="as of `python -m retrieval_index` (default: minilm)"
    )
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as place:
            _measure(options, Path(place))
    except (BenchmarkError, EvaluationError, RetrievalError) as error:
        print(f"python -m benchmarks.retrieval_problems: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(options: argparse.Namespace, place: Path) -> None:
    if not options.corpus.is_dir():
        raise BenchmarkError(
            f"expected a folder: {options.corpus}; make one by `python -m benchmarks.exemplars`"
        )
    shutil.copytree(options.corpus, place / "code")
    asked = hide_solutions(load_suite(options.suite, options.data).problems, place / "code")
    embedder = load_embedder(options.embedder)
    by = EmbeddedBy(options.embedder, embedder) if embedder else None
    made = update_index(place / "code", place / "home", "default", embedded_by=by)
    print(f"{len(asked)} solutions among {made.num_chunks:,} chunks")
    index = SearchIndex.open(place / "home", "default", embedder)
    ask_all(index, asked, ("docstring",), with_vectors=by is not None)


def hide_solutions(problems: Iterable[Problem], folder: Path) -> list[Asked]:
    """Write each reference solution into a file of its own below the folder; give what is asked for them."""
    asked: list[Asked] = []
    for number, problem in enumerate(problems):
        if problem.reference is None or problem.entry_point is None:
            continue
        path = f"solutions/{number:04d}.py"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(bare(problem.reference) + "\n", encoding="utf-8")
        words = in_words(problem)
        if words:
            asked.append(Asked(path, problem.entry_point, 1, words, ""))
    return asked


def bare(code: str) -> str:
    """Give a program without its docstrings and comments, laid out anew."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


if __name__ == "__main__":
    sys.exit(main())
