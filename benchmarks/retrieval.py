"""How well code is found: functions of a repository, each looked for by its own docstring, which the index lacks.

    python -m benchmarks.retrieval --repository ../some/repository --foreign ../another

The repository is copied without the docstrings of the functions that are asked for, one of a file at most, and indexed.
A query counts as answered at the rank of the first chunk of that function. `signature` asks with the line of its `def`.
By words (BM25), by vectors, by both (their ranks made one), and by both with variety (maximal marginal relevance).

`--foreign` asks also with docstrings of another repository, to which nothing here is an answer: how relevant the best
chunk then seems, against how relevant right ones are, says from where on a chunk is worth its place in a prompt.
"""

from __future__ import annotations

import argparse
import ast
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.errors import BenchmarkError
from benchmarks.progress import steps
from retrieval_index.embedder import DEFAULT, load_embedder
from retrieval_index.embedding import EmbeddedBy
from retrieval_index.errors import RetrievalError
from retrieval_index.search import CODE, PROSE, Hit, Ranking, SearchIndex
from retrieval_index.update import update_index
from retrieval_index.walk import read_text, walk

_MIN_WORDS, _MIN_STATEMENTS = 6, 3
_MAX_RANK = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """A function, and what is asked for it. Lines are those of the file without the docstring."""

    path: str
    name: str
    line: int
    docstring: str
    signature: str


@dataclass
class Found:
    """Ranks of what was found (0: not among the first ten), and milliseconds of each search."""

    ranks: list[int]
    milliseconds: list[float]

    def recall(self, at: int) -> float:
        """Give the share that was found among the first."""
        return sum(0 < rank <= at for rank in self.ranks) / len(self.ranks)

    @property
    def mean_reciprocal_rank(self) -> float:
        """Give the mean of 1 / rank, 0 where it was not found."""
        return statistics.fmean(1 / rank if rank else 0.0 for rank in self.ranks)


def main(arguments: list[str] | None = None) -> int:
    """Copy, index, ask; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--functions", type=int, default=300, help="asked for (default: 300)")
    parser.add_argument("--foreign", type=Path, help="a repository of other things")
    parser.add_argument(
        "--embedder", default=DEFAULT, help="as of `python -m retrieval_index` (default: minilm)"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as place:
            _measure(options, Path(place))
    except (BenchmarkError, RetrievalError) as error:
        print(f"python -m benchmarks.retrieval: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(options: argparse.Namespace, place: Path) -> None:
    asked = copy_without_docstrings(options.repository, place / "copy", options.functions, options.seed)
    if not asked:
        raise BenchmarkError(f"{options.repository}: expected Python functions with docstrings; found none")
    embedder = load_embedder(options.embedder)
    by = EmbeddedBy(options.embedder, embedder) if embedder else None
    home = place / "home"
    words = update_index(place / "copy", home, "default")
    print(
        f"{words.num_chunks:,} chunks of {words.num_new:,} files: {words.num_chunks / words.seconds:,.0f} chunks/s"
    )
    if by is not None:
        vectors = update_index(place / "copy", home, "default", embedded_by=by)
        print(f"embedded: {vectors.num_embedded / vectors.seconds:,.0f} chunks/s")
    one = next((place / "copy").rglob("*.py"))
    one.write_text(f"{one.read_text(encoding='utf-8')}\n\ndef one_more():\n    pass\n", encoding="utf-8")
    print(f"one file changed: {update_index(place / 'copy', home, 'default', embedded_by=by).seconds:.2f} s")
    started = time.perf_counter()
    index = SearchIndex.open(home, "default", embedder)
    print(f"{index.manifest.num_bytes / 1e6:.0f} MB, opened in {time.perf_counter() - started:.2f} s")
    ask_all(index, asked, with_vectors=by is not None)
    if options.foreign is not None:
        foreign = copy_without_docstrings(options.foreign, place / "foreign", options.functions, options.seed)
        _compare_foreign(index, asked, foreign)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to search."""

    name: str
    ranking: Ranking


_WIDTH = 110  # whole, into a file as well
_WAYS = (
    # Ranks alone: as many chunks of a file as fit best.
    Way("words", Ranking("words", per_file=_MAX_RANK, variety=0)),
    Way("vectors", Ranking("vectors", per_file=_MAX_RANK, variety=0)),
    Way("both", Ranking(per_file=_MAX_RANK, variety=0)),
    Way("both, words / 4", Ranking(words_weight=PROSE.words_weight, per_file=_MAX_RANK, variety=0)),
    Way("both, words x 4", Ranking(words_weight=CODE.words_weight, per_file=_MAX_RANK, variety=0)),
    # As requests are answered: few of a file, and different from each other.
    Way("words / 4, as served", PROSE),
    Way("words x 4, as served", CODE),
)


def ask_all(
    index: SearchIndex,
    asked: list[Asked],
    kinds: Sequence[str] = ("docstring", "signature"),
    *,
    with_vectors: bool,
) -> None:
    """Look for every function in each way, and print what was found."""
    table = Table("asked with", "by", "recall@1", "recall@5", "recall@10", "MRR", "ms p50", "ms p99")
    for kind in kinds:
        for way in (way for way in _WAYS if with_vectors or way.ranking.mode == "words"):
            found = ask(index, asked, kind, way)
            times = sorted(found.milliseconds)
            table.add_row(
                kind,
                way.name,
                *(f"{found.recall(at):.1%}" for at in (1, 5, 10)),
                f"{found.mean_reciprocal_rank:.3f}",
                f"{times[len(times) // 2]:.1f}",
                f"{times[len(times) * 99 // 100]:.1f}",
            )
    Console(width=_WIDTH).print(table)


def _compare_foreign(index: SearchIndex, asked: list[Asked], foreign: list[Asked]) -> None:
    """Print, for bounds of the relevance, which share of right and of foreign answers reaches them."""
    right = [relevance for one in asked if (relevance := _relevance(index, one, right=True)) is not None]
    wrong = [_relevance(index, one, right=False) or 0.0 for one in foreign]
    table = Table("relevance at least", "right chunks", "best chunks for foreign questions")
    for bound in (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6):
        shares = (sum(value >= bound for value in values) / max(1, len(values)) for values in (right, wrong))
        table.add_row(f"{bound:.2f}", *(f"{share:.1%}" for share in shares))
    Console(width=_WIDTH).print(table)


def _relevance(index: SearchIndex, asked: Asked, *, right: bool) -> float | None:
    hits = index.search(asked.docstring, _MAX_RANK)
    if right:
        hits = [hit for hit in hits if _answers(hit, asked)]
    return hits[0].relevance if hits else None


def _answers(hit: Hit, asked: Asked) -> bool:
    return hit.chunk.path == asked.path and hit.chunk.symbol.rpartition(".")[2] == asked.name


def copy_without_docstrings(repository: Path, copy: Path, num: int, seed: int) -> list[Asked]:
    """Copy the source files; give the functions whose docstrings were left out."""
    texts = {
        file.path: text for file in walk(repository).files if (text := read_text(repository / file.path)[0])
    }
    candidates = [path for path in texts if path.endswith(".py")]
    random.Random(seed).shuffle(candidates)  # noqa: S311 - repeatable on purpose
    asked: list[Asked] = []
    for path in candidates:
        if len(asked) == num:
            break
        if (function := _documented(texts[path], random.Random(f"{seed}{path}"))) is not None:  # noqa: S311
            texts[path], one = _without_docstring(path, texts[path], function)
            asked.append(one)
    for path, text in texts.items():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_text(text, encoding="utf-8")
    return asked


_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _documented(text: str, rng: random.Random) -> _Function | None:
    try:
        found = list(_functions(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError):
        return None
    return rng.choice(found) if found else None


def _functions(tree: ast.AST) -> Iterator[_Function]:
    for node in ast.walk(tree):
        if isinstance(node, _Function) and len(node.body) > _MIN_STATEMENTS:
            docstring, first = ast.get_docstring(node), node.body[0]
            starts_a_line = first.lineno > node.lineno and node.body[1].lineno > (first.end_lineno or 0)
            if docstring and starts_a_line and len(docstring.split()) >= _MIN_WORDS:
                yield node


def _without_docstring(path: str, text: str, function: _Function) -> tuple[str, Asked]:
    lines = text.split("\n")
    docstring = function.body[0]
    signature = "\n".join(lines[function.lineno - 1 : docstring.lineno - 1]).strip()
    del lines[docstring.lineno - 1 : docstring.end_lineno]
    asked = Asked(path, function.name, function.lineno, ast.get_docstring(function) or "", signature)
    return "\n".join(lines), asked


def ask(index: SearchIndex, asked: list[Asked], kind: str, way: Way) -> Found:
    """Look for every function by one of its fields."""
    found = Found([], [])
    with steps(len(asked)) as bar:
        for one in asked:
            bar.begin(f"{kind}, {way.name}")
            started = time.perf_counter()
            hits = index.search(getattr(one, kind), _MAX_RANK, ranking=way.ranking)
            found.milliseconds.append(1000 * (time.perf_counter() - started))
            found.ranks.append(next((rank for rank, hit in enumerate(hits, 1) if _answers(hit, one)), 0))
            bar.done()
    return found


if __name__ == "__main__":
    sys.exit(main())
