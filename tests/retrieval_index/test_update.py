from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from retrieval_index.embedding import EmbeddedBy
from retrieval_index.errors import (
    EmbedderError,
    IndexBusyError,
    IndexDamagedError,
    IndexMissingError,
    IndexVersionError,
    QueryError,
    RepositoryError,
)
from retrieval_index.search import Ranking, SearchIndex
from retrieval_index.store import (
    BUILDING,
    DATABASE,
    FORMAT,
    open_read_only,
    read_manifest,
    verified_folder,
    writing,
)
from retrieval_index.update import update_index
from retrieval_index.walk import read_text
from tests.retrieval_index.conftest import FILES, WordsHashed, write


def content(home: Path, name: str = "default") -> list[tuple[object, ...]]:
    """Everything an index knows, whatever the order it was learnt in."""
    connection = open_read_only(verified_folder(home, read_manifest(home, name)) / DATABASE)
    chunks = connection.execute(
        "SELECT path, language, first_line, last_line, kind, symbol, text, imports, sha256, words, embedded, vector "
        "FROM chunks LEFT JOIN vectors USING (embedded)"
    ).fetchall()
    files = connection.execute("SELECT path, sha256, skipped FROM files").fetchall()
    (vectors,) = connection.execute("SELECT count(*) FROM vectors").fetchone()
    assert vectors in (0, len({chunk[-2] for chunk in chunks}))
    connection.close()
    return sorted(chunks) + sorted(files, key=repr)


def touch(path: Path) -> None:
    """Let a file look changed, however coarse the clock of the file system is."""
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))


def test_an_index_is_built_and_then_only_looked_at(repository: Path, home: Path) -> None:
    report = update_index(repository, home, "default")
    assert (report.num_new, report.num_chunks) == (4, 11)
    before = read_manifest(home, "default")
    again = update_index(repository, home, "default")
    assert again.is_unchanged
    assert again.num_unchanged == 4
    assert read_manifest(home, "default") == before


def test_only_what_changed_is_read_again(
    repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update_index(repository, home, "default")
    read: list[str] = []
    real = read_text

    def noted(path: Path) -> tuple[str | None, str | None]:
        read.append(path.name)
        return real(path)

    monkeypatch.setattr("retrieval_index.update.read_text", noted)
    (repository / "pkg/tree.py").write_text("def only():\n    pass\n")
    touch(repository / "pkg/tree.py")
    touch(repository / "tree.go")  # the same content
    (repository / "Main.java").unlink()
    report = update_index(repository, home, "default")
    assert sorted(read) == ["tree.go", "tree.py"]
    assert (report.num_new, report.num_changed, report.num_removed, report.num_unchanged) == (0, 2, 1, 1)


@pytest.mark.parametrize("with_vectors", [False, True])
def test_an_index_that_was_updated_is_one_built_afresh(
    repository: Path, home: Path, embedded_by: EmbeddedBy, with_vectors: bool
) -> None:
    rng = random.Random(3)
    by = embedded_by if with_vectors else None
    embedder = embedded_by.embedder if with_vectors else None
    update_index(repository, home, "default", embedded_by=by)
    for step in range(12):
        name = rng.choice([*FILES, "new_a.py", "new_b.go", ".gitignore"])
        place = repository / name
        if place.exists() and rng.random() < 0.3 and len(list(repository.rglob("*.*"))) > 3:
            place.unlink()
        else:
            text = {".gitignore": "new_*\n"}.get(name, f"def f{step}(): pass\n{FILES.get(name, '')}")
            write(repository, {name: text})
            touch(place)
        report = update_index(repository, home, "default", embedded_by=by)
        update_index(repository, home, "fresh", embedded_by=by, afresh=True)
        assert content(home) == content(home, "fresh")
        # Of chunks that fit equally well the one with the lower number is ranked first, and numbers may differ.
        found = [
            {
                (hit.chunk.path, hit.chunk.symbol, round(hit.score, 3))
                for hit in index.search("insert tree value", 50)
            }
            for index in (SearchIndex.open(home, name, embedder) for name in ("default", "fresh"))
        ]
        assert found[0] == found[1]
        manifests = read_manifest(home, "default"), read_manifest(home, "fresh")
        assert manifests[0].num_chunks == manifests[1].num_chunks == report.num_chunks
        assert report.is_unchanged or manifests[0].skipped == manifests[1].skipped


BUILDER = """
import sys, time
from pathlib import Path
import retrieval_index.update as update
update._BATCH = 1
real = update._read
update._read = lambda *a: (time.sleep(0.02), real(*a))[1]
update.update_index(Path(sys.argv[1]), Path(sys.argv[2]), "default")
"""


@pytest.mark.parametrize("wait", [0.0, 0.1, 0.3])
def test_a_killed_update_leaves_the_old_index_whole_and_goes_on(
    repository: Path, home: Path, wait: float
) -> None:
    update_index(repository, home, "default")
    before = content(home)
    write(repository, {f"more/m{n}.py": f"def more{n}():\n    return {n}\n" for n in range(60)})
    builder = subprocess.Popen([sys.executable, "-c", BUILDER, repository, home])
    work = home / "default" / BUILDING / DATABASE
    while not work.exists() and builder.poll() is None:
        time.sleep(0.005)
    time.sleep(wait)
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    assert content(home) == before
    # What was read is kept: the next update reads the rest.
    report = update_index(repository, home, "default")
    assert report.num_new <= 60
    if wait:
        assert report.num_new < 60
    update_index(repository, home, "fresh", afresh=True)
    assert content(home) == content(home, "fresh")
    assert not work.exists()


def test_a_reader_keeps_what_it_opened(repository: Path, home: Path) -> None:
    update_index(repository, home, "default")
    reader = SearchIndex.open(home, "default")
    (repository / "pkg/tree.py").unlink()
    update_index(repository, home, "default")
    assert [hit.chunk.symbol for hit in reader.search("balance")] == ["balance"]
    assert SearchIndex.open(home, "default").search("balance") == []
    assert len(list((home / "default").glob("index-*"))) == 1


def test_a_second_writer_is_refused(repository: Path, home: Path) -> None:
    with writing(home / "default"), pytest.raises(IndexBusyError):
        update_index(repository, home, "default")


_FILES = [DATABASE, "vectors.faiss", "words/data.csc.index.npy", "words/chunks.npy", "words/vocab.index.json"]


@pytest.mark.parametrize("name", [*_FILES, "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_index_is_refused_and_can_be_built_again(
    repository: Path, home: Path, embedded_by: EmbeddedBy, name: str, damage: str
) -> None:
    update_index(repository, home, "default", embedded_by=embedded_by)
    place = next(home.rglob(name))
    data = bytearray(place.read_bytes())
    if damage == "cut":
        place.write_bytes(data[:-3])
    elif damage == "changed":
        data[len(data) // 2 :] = b"!" * (len(data) - len(data) // 2)
        place.write_bytes(data)
    else:
        place.unlink()
    error = IndexMissingError if (name, damage) == ("manifest.json", "gone") else IndexDamagedError
    with pytest.raises(error):
        SearchIndex.open(home, "default", embedded_by.embedder)
    if error is IndexDamagedError:
        with pytest.raises(error, match="Build the index again"):
            update_index(repository, home, "default", embedded_by=embedded_by)
    update_index(repository, home, "default", embedded_by=embedded_by, afresh=True)
    assert SearchIndex.open(home, "default", embedded_by.embedder).search("balance")


def test_another_format_is_refused_and_can_be_built_again(repository: Path, home: Path) -> None:
    update_index(repository, home, "default")
    manifest = home / "default" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', '"format": 99'))
    with pytest.raises(IndexVersionError, match="Build the index again"):
        SearchIndex.open(home, "default")
    with pytest.raises(IndexVersionError, match="Build the index again"):
        update_index(repository, home, "default")
    update_index(repository, home, "default", afresh=True)
    assert SearchIndex.open(home, "default").search("balance")


def test_only_new_chunks_are_embedded(repository: Path, home: Path, embedded_by: EmbeddedBy) -> None:
    embedder = embedded_by.embedder
    assert isinstance(embedder, WordsHashed)
    assert update_index(repository, home, "default", embedded_by=embedded_by).num_embedded == 11
    embedder.embedded.clear()
    tree = repository / "pkg/tree.py"
    write(repository, {"pkg/tree.py": tree.read_text().replace("math.floor(value)", "math.ceil(value)")})
    touch(tree)
    assert update_index(repository, home, "default", embedded_by=embedded_by).num_embedded == 1
    assert "math.ceil" in embedder.embedded[0]
    (repository / "moved.py").write_text(tree.read_text())  # what was embedded in one file is, in another
    tree.unlink()
    assert update_index(repository, home, "default", embedded_by=embedded_by).num_embedded == 0


def test_another_embedder_embeds_anew_and_an_index_is_refused_to_the_wrong_one(
    repository: Path, home: Path, embedded_by: EmbeddedBy
) -> None:
    update_index(repository, home, "default", embedded_by=embedded_by)
    other = WordsHashed(32, salt="other")
    for wrong in (other, None):
        with pytest.raises(EmbedderError, match="expected the embedder hashed/64 that made its vectors; got"):
            SearchIndex.open(home, "default", wrong)
    report = update_index(repository, home, "default", embedded_by=EmbeddedBy("other", other))
    assert (report.is_unchanged, report.num_embedded) == (True, 11)
    assert SearchIndex.open(home, "default", other).search("balance", ranking=Ranking("vectors"))
    update_index(repository, home, "default")  # words alone from now on
    index = SearchIndex.open(home, "default")
    assert index.search("balance")
    with pytest.raises(QueryError, match="has words alone"):
        index.search("balance", ranking=Ranking("vectors"))
    assert not list(home.rglob("vectors.faiss"))


class InterruptedHereError(Exception):
    pass


def test_vectors_that_were_made_are_kept_when_an_update_is_interrupted(
    repository: Path, home: Path, embedded_by: EmbeddedBy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval_index.embedding._AT_ONCE", 3)

    def stop(what: str, done: int, total: int) -> None:
        if what == "chunks" and done == 6:
            raise InterruptedHereError

    with pytest.raises(InterruptedHereError):
        update_index(repository, home, "default", embedded_by=embedded_by, progress=stop)
    report = update_index(repository, home, "default", embedded_by=embedded_by)
    assert (report.num_new, report.num_embedded) == (0, 5)
    update_index(repository, home, "fresh", embedded_by=embedded_by)
    assert content(home) == content(home, "fresh")


def test_damaged_work_is_thrown_away(repository: Path, home: Path) -> None:
    (home / "default" / BUILDING).mkdir(parents=True)
    (home / "default" / BUILDING / DATABASE).write_bytes(b"no database" * 500)
    (home / "default" / BUILDING / f"{DATABASE}-journal").write_bytes(b"x")
    update_index(repository, home, "default")
    assert read_manifest(home, "default").num_chunks == 11


def test_what_cannot_be_indexed_is_said(repository: Path, home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RepositoryError, match="found none"):
        update_index(tmp_path / "empty", home, "default")
    update_index(repository, home, "default")
    other = write(tmp_path / "other", {"a.py": "x = 1\n"})
    with pytest.raises(RepositoryError, match=r"is of .*repository; got .*other"):
        update_index(other, home, "default")
    with pytest.raises(IndexMissingError, match="there is default"):
        SearchIndex.open(home, "other")
    with pytest.raises(IndexMissingError, match="expected a name"):
        update_index(repository, home, "../up")


def test_a_full_disk_is_said_and_leaves_the_index_as_it_was(repository: Path, home: Path) -> None:
    update_index(repository, home, "default")
    before = content(home)
    write(repository, {f"m{n}.py": f"def more{n}():\n    return '{'x' * 400}'\n" for n in range(200)})
    # No file may grow beyond 100 KB: what a full disk does, for this process alone.
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "from retrieval_index.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "--home", str(home), "update", str(repository)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert content(home) == before
    update_index(repository, home, "default")
    assert SearchIndex.open(home, "default").search("more199")


def test_an_unreadable_file_is_counted(repository: Path, home: Path) -> None:
    (repository / "bad.py").write_bytes(b"\xff\xfe\x00")
    report = update_index(repository, home, "default")
    assert report.skipped == {"binary": 1}
    assert update_index(repository, home, "default").skipped == {"binary": 1}
    assert read_manifest(home, "default").skipped == {"binary": 1}
