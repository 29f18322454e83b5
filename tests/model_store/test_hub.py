"""The hub route: every byte is checked against the listing of the pinned commit."""

import json
import tomllib
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import pytest

from model_store import hub as hub_route
from model_store.catalog import HubSource, ModelEntry
from model_store.errors import IntegrityError, NoSourceError
from model_store.fetch import Fetcher
from model_store.pin import pin_source
from model_store.progress import Reporter
from model_store.verify import verify_model
from tests.model_store.conftest import REVISION, hub_source, make_entry, sha256
from tests.model_store.hub_server import Hub, serve

FILES = ("config.json", "tokenizer.json", "model*.safetensors")


@pytest.fixture
def hub(tiny_folder: Path) -> Generator[Hub]:
    files = {path.name: path.read_bytes() for path in sorted(tiny_folder.iterdir())}
    with serve(Hub(REVISION, {**files, "README.md": b"not asked for"})) as running:
        yield running


@pytest.fixture
def online(fetcher: Fetcher, hub: Hub) -> Fetcher:
    return replace(fetcher, endpoint=hub.endpoint)


def entry_with(**changes: object) -> ModelEntry:
    return make_entry(hub_source(FILES, **changes))


def test_the_named_files_arrive_with_their_hashes(online: Fetcher, hub: Hub) -> None:
    folder = online.ensure(entry_with())
    manifest = verify_model(folder, deep=True)
    assert (manifest.source, manifest.revision) == ("hub", REVISION)
    assert {path.name for path in folder.iterdir()} == {*manifest.files, "manifest.json"}
    assert set(manifest.files) == {"config.json", "tokenizer.json", "model.safetensors"}
    for name, record in manifest.files.items():
        assert record.sha256 == sha256(hub.files[name])


def test_a_model_that_is_here_is_not_asked_for_again(online: Fetcher, hub: Hub) -> None:
    first = online.ensure(entry_with())
    hub.downloads.clear()
    assert online.ensure(entry_with()) == first
    assert hub.downloads == []


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_corrupted_file_stops_the_fetch_and_is_not_kept(online: Fetcher, hub: Hub, name: str) -> None:
    good = hub.files[name]
    hub.served[name] = bytes([good[0] ^ 1]) + good[1:]
    with pytest.raises(IntegrityError, match=name):
        online.ensure(entry_with())
    assert not online.cache.model_dir("tiny").exists()
    del hub.served[name]
    assert online.ensure(entry_with()).is_dir()


def test_a_known_hash_is_checked_beside_the_listing(online: Fetcher) -> None:
    with pytest.raises(IntegrityError, match="0000"):
        online.ensure(entry_with(sha256={"model.safetensors": "0" * 64}))


def test_a_cut_download_goes_on_where_it_stopped(
    online: Fetcher, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 64)
    hub.cut["model.safetensors"] = 192
    online.ensure(entry_with())
    ranges = [wanted for name, wanted in hub.downloads if name == "model.safetensors"]
    assert ranges == [None, "bytes=192-"]


def test_an_interrupted_fetch_keeps_what_it_has(
    online: Fetcher, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = hub_route.checked_sha256

    def interrupt(path: Path, file: hub_route.HubFile, known: str | None) -> str:
        if file.name == "model.safetensors":
            raise KeyboardInterrupt
        return check(path, file, known)

    monkeypatch.setattr(hub_route, "checked_sha256", interrupt)
    with pytest.raises(KeyboardInterrupt):
        online.ensure(entry_with())
    monkeypatch.setattr(hub_route, "checked_sha256", check)
    hub.downloads.clear()
    online.ensure(entry_with())
    assert [name for name, _ in hub.downloads] == ["tokenizer.json"], "only what had not come is downloaded"


def test_a_missing_file_is_named(online: Fetcher, hub: Hub) -> None:
    del hub.files["tokenizer.json"]
    with pytest.raises(NoSourceError, match=r"no file 'tokenizer\.json'"):
        online.ensure(entry_with())


def test_a_revision_the_hub_lacks_is_named(online: Fetcher) -> None:
    with pytest.raises(NoSourceError, match="f" * 40):
        online.ensure(entry_with(revision="f" * 40))


def test_without_a_pin_the_error_says_how_to_pin(online: Fetcher, hub: Hub) -> None:
    with pytest.raises(NoSourceError, match="model_store pin tiny"):
        online.ensure(entry_with(revision=None))
    assert hub.downloads == []


def test_a_closed_port_fails_at_once(fetcher: Fetcher) -> None:
    with pytest.raises(NoSourceError, match="did not answer"):
        fetcher.ensure(entry_with())


def test_a_hub_that_hangs_is_given_up(online: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_route, "PROBE_TIMEOUT_S", 0.0)
    with pytest.raises(NoSourceError, match="within"):
        online.ensure(entry_with())


def test_offline_mode_is_told(online: Fetcher, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(NoSourceError, match="HF_HUB_OFFLINE"):
        online.ensure(entry_with())
    assert hub.downloads == []


def test_a_pickle_on_the_hub_never_reaches_the_cache(online: Fetcher, hub: Hub) -> None:
    hub.files["pytorch_model.bin"] = b"\x80\x02."
    entry = make_entry(hub_source((*FILES, "*.bin")))
    with pytest.raises(Exception, match="pickled"):
        online.ensure(entry)
    assert not online.cache.model_dir("tiny").exists()


def test_pin_prints_a_source_that_fetches(online: Fetcher, hub: Hub) -> None:
    text = pin_source(entry_with(revision=None), None, Reporter(show=False), hub.endpoint)
    (source,) = tomllib.loads(text)["models"]["tiny"]["sources"]
    pinned = HubSource.model_validate(source)
    assert pinned.revision == REVISION
    assert pinned.sha256 == {name: sha256(hub.files[name]) for name in pinned.sha256}
    assert set(pinned.sha256) == {"config.json", "tokenizer.json", "model.safetensors"}
    assert json.loads((online.ensure(make_entry(pinned)) / "config.json").read_text())
