from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluation.cli import main
from evaluation.errors import FetchError
from evaluation.fetching import fetch_suite
from evaluation.suites import SUITES, find_suite, load_suite
from evaluation.suites.upstream import UPSTREAM, Upstream
from tests.evaluation.rows import human_eval_row, write_rows

DATA = Path(os.environ.get("CODEFUSION_DATA", Path(__file__).parents[3] / "shared" / "data"))
# Of these the data folder holds a part of the rows only.
PARTIAL = {"humaneval+", "mbpp", "infill-random", "humaneval-x-js", "multipl-e-js", "multipl-e-ts"}


@pytest.fixture
def published(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which its files are served."""
    folder = tmp_path / "published"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def publish(
    monkeypatch: pytest.MonkeyPatch,
    published: tuple[Path, str],
    suite: str,
    file: str,
    sha256: str | None = "",
) -> str:
    """Let a suite be published as this file of the folder; give its hash."""
    folder, url = published
    found = hashlib.sha256((folder / file).read_bytes()).hexdigest() if (folder / file).exists() else "0" * 64
    pinned = found if sha256 == "" else sha256
    monkeypatch.setitem(UPSTREAM, suite, Upstream(f"{url}/{file}", pinned, "MIT"))
    return found


def test_a_fetched_suite_can_be_read(
    published: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", [human_eval_row("HumanEval/0")])
    (published[0] / "HumanEval.jsonl.gz").write_bytes(gzip.compress(rows.read_bytes()))
    publish(monkeypatch, published, "humaneval", "HumanEval.jsonl.gz")
    data = tmp_path / "data"
    assert main(["fetch", "humaneval", "--data", str(data)]) == 0
    assert [p.task_id for p in load_suite("humaneval", data).problems] == ["HumanEval/0"]
    # Again: nothing is asked for.
    (published[0] / "HumanEval.jsonl.gz").unlink()
    assert main(["fetch", "humaneval", "--data", str(data)]) == 0
    assert "is there" in capsys.readouterr().out


def test_what_is_published_plain_is_packed_as_the_data_folder_has_it(
    published: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (published[0] / "selected150.jsonl").write_bytes(b"{}\n")
    publish(monkeypatch, published, "apps", "selected150.jsonl")
    fetched = fetch_suite(find_suite("apps"), tmp_path, show=False)
    assert gzip.decompress(fetched.path.read_bytes()) == b"{}\n"
    assert fetch_suite(find_suite("apps"), tmp_path, show=False).was_there


def test_other_bytes_than_pinned_are_not_kept(
    published: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (published[0] / "HumanEval.jsonl.gz").write_bytes(b"not what was pinned")
    came = publish(monkeypatch, published, "humaneval", "HumanEval.jsonl.gz", sha256="0" * 64)
    with pytest.raises(FetchError, match=f"expected SHA-256 {'0' * 64}; got {came}"):
        fetch_suite(find_suite("humaneval"), tmp_path / "data", show=False)
    assert not list((tmp_path / "data").rglob("*"))


def test_another_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / find_suite("humaneval").file
    place.write_bytes(b"mine")
    with pytest.raises(FetchError, match="was left alone"):
        fetch_suite(find_suite("humaneval"), tmp_path, show=False)
    assert place.read_bytes() == b"mine"


def test_a_suite_that_does_not_come_keeps_no_other_from_coming(
    published: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (published[0] / "there").write_bytes(b"x")
    publish(monkeypatch, published, "humaneval", "missing")
    publish(monkeypatch, published, "mbpp+", "there", sha256=None)
    publish(monkeypatch, published, "infill-single", "there")
    words = ["humaneval", "mbpp+", "codecontests", "infill-single"]
    assert main(["fetch", *words, "--data", str(tmp_path / "data")]) == 1
    out, err = capsys.readouterr()
    assert "infill-single: fetched" in out
    assert "humaneval: " in err
    assert "answered 404" in err
    assert "hash is not known here" in err
    assert "published nowhere" in err


def test_nobody_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(UPSTREAM, "humaneval", Upstream("http://127.0.0.1:9/x", "0" * 64, "MIT"))
    with pytest.raises(FetchError, match="cannot be reached"):
        fetch_suite(find_suite("humaneval"), tmp_path, show=False)


def test_more_than_the_bound_is_not_read(
    published: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (published[0] / "HumanEval.jsonl.gz").write_bytes(b"x" * 3000)
    publish(monkeypatch, published, "humaneval", "HumanEval.jsonl.gz")
    monkeypatch.setattr("evaluation.fetching.MAX_BYTES", 2000)
    with pytest.raises(FetchError, match="at most 2,000 bytes"):
        fetch_suite(find_suite("humaneval"), tmp_path, show=False)


def test_an_unwritable_folder_is_said(
    published: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (published[0] / "x").write_bytes(b"x")
    publish(monkeypatch, published, "infill-single", "x")
    (tmp_path / "data").write_bytes(b"a file, no folder")
    with pytest.raises(FetchError, match="cannot be written"):
        fetch_suite(find_suite("infill-single"), tmp_path / "data", show=False)


def test_every_suite_says_where_it_is_from() -> None:
    assert set(UPSTREAM) == set(SUITES) - {"codecontests"}


@pytest.mark.skipif(not DATA.is_dir(), reason="the benchmarks are not here")
@pytest.mark.parametrize("name", sorted(set(UPSTREAM) - PARTIAL))
def test_the_pins_are_those_of_the_data(name: str) -> None:
    suite, upstream = find_suite(name), UPSTREAM[name]
    if upstream.sha256 is None or not (DATA / suite.file).exists():
        pytest.skip("not pinned, or not here")
    assert fetch_suite(suite, DATA, show=False).was_there
