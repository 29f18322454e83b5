from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from retrieval_index.errors import (
    IndexBusyError,
    IndexDamagedError,
    IndexMissingError,
    IndexVersionError,
    RepositoryError,
)
from retrieval_index.search import SearchIndex
from retrieval_index.store import open_read_only, read_manifest, verified_database, writing
from retrieval_index.update import update_index
from retrieval_index.walk import read_text
from tests.retrieval_index.conftest import FILES, write


def content(home: Path, name: str = "default") -> list[tuple[object, ...]]:
    """Everything an index knows, whatever the order it was learnt in."""
    connection = open_read_only(verified_database(home, read_manifest(home, name)))
    chunks = connection.execute(
        "SELECT chunks.path, language, first_line, last_line, kind, chunks.symbol, text, imports, sha256, "
        "words.symbol, words.path, body FROM chunks JOIN words ON words.rowid = chunks.id"
    ).fetchall()
    files = connection.execute("SELECT path, sha256, skipped FROM files").fetchall()
    (words,) = connection.execute("SELECT count(*) FROM words").fetchone()
    assert words == len(chunks)
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


def test_an_index_that_was_updated_is_one_built_afresh(repository: Path, home: Path) -> None:
    rng = random.Random(3)
    update_index(repository, home, "default")
    for step in range(12):
        name = rng.choice([*FILES, "new_a.py", "new_b.go", ".gitignore"])
        place = repository / name
        if place.exists() and rng.random() < 0.3 and len(list(repository.rglob("*.*"))) > 3:
            place.unlink()
        else:
            text = {".gitignore": "new_*\n"}.get(name, f"def f{step}(): pass\n{FILES.get(name, '')}")
            write(repository, {name: text})
            touch(place)
        report = update_index(repository, home, "default")
        update_index(repository, home, "fresh", afresh=True)
        assert content(home) == content(home, "fresh")
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
    work = home / "default" / "building.sqlite"
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
    assert len(list((home / "default").glob("index-*.sqlite"))) == 1


def test_a_second_writer_is_refused(repository: Path, home: Path) -> None:
    with writing(home / "default"), pytest.raises(IndexBusyError):
        update_index(repository, home, "default")


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "manifest", "version"])
def test_a_damaged_index_is_refused_and_can_be_built_again(repository: Path, home: Path, damage: str) -> None:
    update_index(repository, home, "default")
    manifest = home / "default" / "manifest.json"
    database = next((home / "default").glob("index-*.sqlite"))
    data = bytearray(database.read_bytes())
    if damage == "cut":
        database.write_bytes(data[:-100])
    elif damage == "changed":
        data[len(data) // 2] ^= 1
        database.write_bytes(data)
    elif damage == "gone":
        database.unlink()
    elif damage == "manifest":
        manifest.write_text(manifest.read_text()[:40])
    else:
        manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 99'))
    error = IndexVersionError if damage == "version" else IndexDamagedError
    with pytest.raises(error, match="Build the index again"):
        SearchIndex.open(home, "default")
    with pytest.raises(error, match="Build the index again"):
        update_index(repository, home, "default")
    update_index(repository, home, "default", afresh=True)
    assert SearchIndex.open(home, "default").search("balance")


def test_damaged_work_is_thrown_away(repository: Path, home: Path) -> None:
    (home / "default").mkdir(parents=True)
    (home / "default" / "building.sqlite").write_bytes(b"no database" * 500)
    (home / "default" / "building.sqlite-journal").write_bytes(b"x")
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
