"""How long a search takes, by the size of the index: words, vectors, and what comes after them, without the embedder.

    python -m benchmarks.retrieval_speed --repository /usr/lib/python3 --chunks 1000 10000 100000

Vectors are drawn at random: what looking through them costs does not depend on what they say. The embedder, which every
query passes once, is timed by itself. Files are taken in order of their names until there are chunks enough.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from retrieval_index.chunks import chunk_text
from retrieval_index.embedder import DEFAULT, load_embedder
from retrieval_index.embedding import EmbeddedBy
from retrieval_index.errors import RetrievalError
from retrieval_index.search import Ranking, SearchIndex
from retrieval_index.update import update_index
from retrieval_index.walk import read_text, walk

_QUERIES, _DIMENSION = 200, 384


class _Drawn:
    """Unit vectors that depend on the text alone, and on nothing in it."""

    id, dimension = f"drawn/{_DIMENSION}", _DIMENSION

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.stack([
            np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8])).normal(
                size=_DIMENSION
            )
            for text in texts
        ])  # fmt: skip
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def main(arguments: list[str] | None = None) -> int:
    """Index, search, print; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval_speed", description=__doc__)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--chunks", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    options = parser.parse_args(arguments)
    columns = "vectors", "MB on disk", "MB in memory", "open (s)", "one file changed (s)"
    table = Table("chunks", *columns, "search p50 (ms)", "p99", "words p50")
    try:
        for num_chunks in options.chunks:
            table.add_row(*_measure(options.repository, num_chunks))
    except RetrievalError as error:
        print(f"python -m benchmarks.retrieval_speed: {error}", file=sys.stderr)
        return 1
    Console(width=130).print(table)
    embedder = load_embedder(DEFAULT, threads=1)
    assert embedder is not None, "the default is one"
    query = "seconds to wait before a request is sent again, read from the header of its answer"
    times = _times([lambda: embedder.embed([query])] * 50)
    print(f"embedding a query of 16 words: p50 {times[25]:.1f} ms, p99 {times[-1]:.1f} ms")
    return 0


def _measure(repository: Path, num_chunks: int) -> list[str]:
    with tempfile.TemporaryDirectory() as place:
        home, copy = Path(place) / "home", Path(place) / "copy"
        queries = _copy(repository, copy, num_chunks)
        by = EmbeddedBy(_Drawn.id, _Drawn())
        update_index(copy, home, "default", embedded_by=by)
        one = next(copy.rglob("*.py"))
        one.write_text(f"{one.read_text(encoding='utf-8')}\n\ndef one_more():\n    pass\n", encoding="utf-8")
        changed = update_index(copy, home, "default", embedded_by=by).seconds
        before, started = _resident(), time.perf_counter()
        with contextlib.closing(SearchIndex.open(home, "default", by.embedder)) as index:
            opened, drawn = (
                time.perf_counter() - started,
                _times([lambda: by.embedder.embed(queries[:1])] * 50)[25],
            )
            times = _times([lambda query=query: index.search(query) for query in queries])
            words = _times([
                lambda query=query: index.search(query, ranking=Ranking("words")) for query in queries
            ])  # fmt: skip
            manifest = index.manifest
            return [
                f"{manifest.num_chunks:,}", f"{manifest.vector_kind}, recall {manifest.vector_recall:.3f}",
                f"{manifest.num_bytes / 1e6:.0f}", f"{_resident() - before:.0f}", f"{opened:.2f}", f"{changed:.2f}",
                f"{times[len(times) // 2] - drawn:.1f}", f"{times[len(times) * 99 // 100] - drawn:.1f}",
                f"{words[len(words) // 2]:.1f}",
            ]  # fmt: skip


def _copy(repository: Path, copy: Path, num_chunks: int) -> list[str]:
    """Copy files until they have chunks enough; give queries: lines of them."""
    rng, lines, found = random.Random(1), list[str](), 0  # noqa: S311 - repeatable on purpose
    for file in walk(repository).files:
        if found >= num_chunks:
            break
        text = read_text(repository / file.path)[0]
        if text is None:
            continue
        found += len(chunk_text(file.path, file.language, text))
        (copy / file.path).parent.mkdir(parents=True, exist_ok=True)
        (copy / file.path).write_text(text, encoding="utf-8")
        lines += [line.strip() for line in text.split("\n") if len(line.split()) >= 5]
    return rng.sample(lines, min(_QUERIES, len(lines)))


def _times(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Give the milliseconds of processor time of each call, in order of length: other programs do not count."""
    found: list[float] = []
    for call in calls:
        started = time.process_time()
        call()
        found.append(1000 * (time.process_time() - started))
    return sorted(found)


def _resident() -> float:
    return psutil.Process().memory_info().rss / 1e6


if __name__ == "__main__":
    sys.exit(main())
