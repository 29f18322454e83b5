"""Nearest vectors, against all of them looked at; ranks made one; what the real embedder is for."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval_index.embedder import DEFAULT, Embedder, load_embedder
from retrieval_index.embedding import EmbeddedBy
from retrieval_index.errors import EmbedderError, IndexDamagedError
from retrieval_index.ranking import fused, varied
from retrieval_index.search import CODE, Ranking, SearchIndex
from retrieval_index.update import update_index
from retrieval_index.vectors import VectorIndex, build_vectors
from tests.retrieval_index.conftest import WordsHashed, write


def unit_rows(count: int, dimension: int = 32, seed: int = 1) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(20, dimension))
    rows = centres[rng.integers(0, 20, count)] + 0.5 * rng.normal(size=(count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("flat_chunks", "kind"), [(10_000, "flat"), (100, "hnsw")])
def test_the_nearest_are_found_with_their_cosines(tmp_path: Path, flat_chunks: int, kind: str) -> None:
    rows, ids = unit_rows(2000), np.arange(2000, dtype=np.int64) * 7 + 3
    made, recall = build_vectors(ids, rows, tmp_path / "v", flat_chunks=flat_chunks)
    assert made == kind
    assert recall == 1.0 if kind == "flat" else 0.9 < recall <= 1.0
    index = VectorIndex(tmp_path / "v", 32)
    found_right = 0
    for query in unit_rows(50, seed=2):
        cosines = rows @ query
        found = index.search(query, 10)
        best = [int(ids[row]) for row in np.argsort(-cosines)[:10]]
        found_right += len(set(best) & {number for number, _ in found})
        for number, cosine in found:
            assert cosine == pytest.approx(cosines[(number - 3) // 7], abs=2e-3)  # half precision
        assert [cosine for _, cosine in found] == sorted((c for _, c in found), reverse=True)
    assert found_right >= (495 if kind == "flat" else 450)
    assert np.allclose(index.rows([3, 10]), rows[:2], atol=1e-3)


def test_bounds_of_the_vectors(tmp_path: Path) -> None:
    build_vectors(np.empty(0, np.int64), np.empty((0, 8), np.float32), tmp_path / "v")
    index = VectorIndex(tmp_path / "v", 8)
    assert index.search(np.zeros(8, np.float32), 5) == []
    assert index.rows([]).shape == (0, 8)
    with pytest.raises(IndexDamagedError, match="expected vectors of 9 numbers; got 8"):
        VectorIndex(tmp_path / "v", 9)


@given(st.lists(st.permutations(list(range(6))), min_size=1, max_size=3))
def test_fusing_equal_rankings_changes_nothing_and_first_everywhere_stays_first(
    rankings: list[list[int]],
) -> None:
    assert list(fused([rankings[0]] * 3)) == rankings[0]
    first = [[9, *ranking] for ranking in rankings]
    assert next(iter(fused(first))) == 9
    scores = list(fused(rankings).values())
    assert scores == sorted(scores, reverse=True)


@given(
    st.dictionaries(st.integers(0, 20), st.floats(0.01, 1), min_size=1), st.integers(1, 5), st.integers(1, 3)
)
def test_choosing_keeps_its_bounds_and_without_variety_the_order(
    scores: dict[int, float], k: int, per_group: int
) -> None:
    groups, same = {n: n % 4 for n in scores}, {n: n % 7 for n in scores}

    def choose(variety: float) -> list[int]:
        return varied(
            scores, lambda a, b: float(a % 2 == b % 2), k,
            variety=variety, groups=groups, per_group=per_group, same=same,
        )  # fmt: skip

    for variety in (0.0, 0.3, 1.0):
        chosen = choose(variety)
        assert len(chosen) == len(set(chosen)) <= k
        assert len({same[n] for n in chosen}) == len(chosen)
        assert all(len(list(g)) <= per_group for _, g in itertools.groupby(sorted(groups[n] for n in chosen)))
    values = [scores[n] for n in choose(0.0)]
    assert values == sorted(values, reverse=True)


def test_words_and_vectors_are_found_together(repository: Path, home: Path, embedded_by: EmbeddedBy) -> None:
    update_index(repository, home, "default", embedded_by=embedded_by)
    index = SearchIndex.open(home, "default", embedded_by.embedder)
    for ranking in (Ranking("words"), Ranking("vectors"), Ranking(), CODE):
        hits = index.search("seconds to wait before a retry", 3, ranking=ranking)
        assert "parse_retry_after" in [hit.chunk.symbol for hit in hits]
        assert (hits[0].similarity is None) is (ranking.mode == "words")
    for hit in index.search("balance tree", 10):
        vectors = embedded_by.embedder.embed(["balance tree", f"{hit.chunk.symbol}\n{hit.chunk.text}"])
        if hit.chunk.symbol:
            assert hit.similarity == pytest.approx(float(vectors[0] @ vectors[1]), abs=2e-3)
    assert index.search("", 3) == []


def test_a_large_index_is_a_graph_and_says_how_well_it_finds(tmp_path: Path, home: Path) -> None:
    files = {
        f"m{n}.py": "".join(f"def f{n}_{i}():\n    return {i}\n\n" for i in range(20)) for n in range(20)
    }
    by = EmbeddedBy("hashed", WordsHashed(), flat_chunks=100)
    update_index(write(tmp_path / "r", files), home, "default", embedded_by=by)
    index = SearchIndex.open(home, "default", by.embedder)
    assert index.manifest.vector_kind == "hnsw"
    assert 0 < index.manifest.vector_recall <= 1
    assert index.search("f7_3", 1)[0].chunk.symbol == "f7_3"


# ── the real embedder ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    embedder = load_embedder(DEFAULT)
    assert embedder is not None
    return embedder


def test_the_packaged_embedder_knows_meanings(minilm: Embedder, repository: Path, home: Path) -> None:
    rows = minilm.embed(
        ["delete a file", "def remove(path): os.unlink(path)", "def mean(xs): return sum(xs) / len(xs)"]
    )
    assert rows.shape == (3, minilm.dimension) == (3, 384)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-2)
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.1
    update_index(repository, home, "default", embedded_by=EmbeddedBy(DEFAULT, minilm))
    index = SearchIndex.open(home, "default", minilm)
    # No word of it is in the code.
    assert index.search("lowest element", 1)[0].chunk.symbol == "Tree.find_smallest"
    again = load_embedder(DEFAULT)
    assert again is not None
    assert again.id == minilm.id


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nothing-there", "expected none, minilm, hub:OWNER/NAME@COMMIT"),
        ("hub:owner/name@main", "40 hex digits"),
        ("", "expected none"),
    ],
)
def test_an_embedder_that_is_none_is_said(spec: str, message: str) -> None:
    with pytest.raises(EmbedderError, match=message):
        load_embedder(spec)


def test_weights_that_are_not_the_pinned_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval_index.embedder._PACKAGE_SHA256", "0" * 64)
    with pytest.raises(EmbedderError, match="expected SHA-256 0000"):
        load_embedder(DEFAULT)


def test_a_folder_with_other_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    embedder = load_embedder(str(tmp_path))
    assert embedder is not None
    with pytest.raises(EmbedderError, match="cannot be loaded"):
        embedder.embed(["x"])
    assert load_embedder("none") is None


def test_an_update_that_finds_nothing_changed_loads_no_model(repository: Path, home: Path) -> None:
    code = (
        "import sys; from retrieval_index.cli import main; assert main(sys.argv[1:]) == 0; "
        "print(*{'torch', 'sentence_transformers'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, "--home", str(home), "update", str(repository)]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)
    )
    assert "(11 embedded)" in first
    assert "sentence_transformers" in first
    assert "4 unchanged" in second
    assert "torch" not in second
