from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retrieval_index.cli import main
from retrieval_index.errors import QueryError
from retrieval_index.search import Place, Ranking, SearchIndex
from retrieval_index.update import update_index
from tests.retrieval_index.conftest import write


@pytest.fixture
def index(repository: Path, home: Path) -> SearchIndex:
    update_index(repository, home, "default")
    return SearchIndex.open(home, "default")


def symbols(index: SearchIndex, query: str, **options: object) -> list[str]:
    return [hit.chunk.symbol for hit in index.search(query, **options)]  # pyright: ignore[reportArgumentType]


def test_parts_of_names_and_words_of_docstrings_are_found(index: SearchIndex) -> None:
    assert symbols(index, "how many seconds to wait for a retry")[0] == "parse_retry_after"
    assert symbols(index, "smallest")[0] == "Tree.find_smallest"
    assert symbols(index, "parseRetryAfter(x)")[0] == "parse_retry_after"


def test_coverage_is_the_share_of_the_query_that_is_there(index: SearchIndex) -> None:
    (hit,) = index.search("parse_retry_after")
    assert hit.coverage == 1.0
    # A word that no chunk has is one that is missing: at least as much as any other.
    hits = index.search("retry elephants balance")
    assert hits
    assert all(0.2 < hit.coverage < 0.34 for hit in hits)
    assert index.search("retry elephants balance", min_relevance=0.5) == []


@pytest.mark.parametrize("query", ["", "the of a", "zebra", '"', "a OR b) NEAR *", "\0", "x" * 100_000])
def test_a_query_without_known_words_finds_nothing(index: SearchIndex, query: str) -> None:
    assert index.search(query) == []


def test_bounds_that_make_no_sense_are_refused(index: SearchIndex) -> None:
    for k in (0, -1, 101):
        with pytest.raises(QueryError, match="expected 1 to 100"):
            index.search("tree", k)
    with pytest.raises(QueryError, match="at least 1"):
        index.search("tree", ranking=Ranking(per_file=0))


def test_what_the_request_holds_already_is_left_out(index: SearchIndex) -> None:
    known = "def balance(tree):\n    return tree\n"
    assert "balance" in symbols(index, "balance tree pkg")
    assert "balance" not in symbols(index, "balance tree pkg", place=Place(known=known))


def test_few_chunks_of_one_file_and_no_text_twice(tmp_path: Path, home: Path) -> None:
    same = "def load_config(path):\n    return open(path)\n"
    many = "".join(f"def load_config_{n}(path):\n    return {n}\n\n" for n in range(6))
    update_index(write(tmp_path / "r", {"a.py": same, "b.py": same, "c.py": many}), home, "default")
    index = SearchIndex.open(home, "default")
    found = index.search("load config path", 10, ranking=Ranking(per_file=3))
    assert [hit.chunk.path for hit in found].count("c.py") == 3
    assert [hit.chunk.text for hit in found].count(same.strip()) == 1


def test_the_same_file_and_the_same_name_come_first(tmp_path: Path, home: Path) -> None:
    text = "def close(self):\n    release(self)\n\ndef other_{0}(self):\n    release(self)\n"
    update_index(write(tmp_path / "r", {f"{n}.py": text.format(n) for n in "abc"}), home, "default")
    index = SearchIndex.open(home, "default")
    assert index.search("release", 1, place=Place(path="b.py"))[0].chunk.path == "b.py"
    assert index.search("release", 1, place=Place(symbol="Door.close"))[0].chunk.symbol == "close"


def test_several_threads_may_search_at_once(index: SearchIndex) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(symbols, [index] * 200, ["retry seconds tree"] * 200))
    assert all(result == results[0] for result in results)


def test_the_commands(
    repository: Path, home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ["--home", str(home)]
    assert main([*options, "search", "retry"]) == 2
    assert "no index 'default'" in capsys.readouterr().err
    assert main([*options, "stats"]) == 1
    assert main([*options, "build", str(repository), "--embedder", "none"]) == 0
    assert "4 new, 0 changed, 0 removed, 0 unchanged; 11 chunks" in capsys.readouterr().out
    assert main([*options, "update", str(repository)]) == 0
    assert main([*options, "stats"]) == 0
    assert main([*options, "search", "retry seconds"]) == 0
    out = capsys.readouterr().out
    assert "pkg/http_client.py:1-3" in out
    assert "def parse_retry_after(header):" in out
    assert main([*options, "search", "zebra"]) == 1
    assert main([*options, "build", str(tmp_path / "none")]) == 2
    assert "expected a folder" in capsys.readouterr().err


def test_a_watched_repository_is_read_again_when_it_changes(repository: Path, home: Path) -> None:
    command = [
        sys.executable,
        "-u",
        "-m",
        "retrieval_index",
        "--home",
        str(home),
        "watch",
        str(repository),
        "--every",
        "0.1",
        "--embedder",
        "none",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        try:
            assert "4 new" in watcher.stdout.readline()
            write(repository, {"new.py": "def just_written(): pass\n"})
            assert "1 new, 0 changed, 0 removed, 4 unchanged" in watcher.stdout.readline()
            assert symbols(SearchIndex.open(home, "default"), "just written") == ["just_written"]
        finally:
            watcher.terminate()
            _, errors = watcher.communicate(timeout=20)
    assert "Traceback" not in errors
