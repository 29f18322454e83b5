"""What a model folder may not hold, with and without a manifest."""

import json
import os
import struct
from pathlib import Path

import pytest

from model_store.digests import sha256_of_file
from model_store.errors import IntegrityError, UnsafeModelError
from model_store.manifest import ModelManifest, files_below, now, record_files, write_manifest
from model_store.safetensors_file import TensorSpec, write_safetensors
from model_store.shape import check_shape
from model_store.verify import verify_model
from tests.model_store.conftest import make_entry


def seal(folder: Path) -> None:
    digests = {name: sha256_of_file(folder / name) for name in files_below(folder)}
    files = record_files(folder, digests)
    write_manifest(
        folder,
        ModelManifest(id="tiny", source="test", revision=None, licence=None, made_at=now(), files=files),
    )


def edit_config(folder: Path, name: str = "config.json", **changes: object) -> None:
    path = folder / name
    config = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(config | changes))


@pytest.mark.parametrize("deep", [False, True])
def test_a_sealed_folder_passes(tiny_folder: Path, deep: bool) -> None:
    seal(tiny_folder)
    manifest = verify_model(tiny_folder, deep=deep)
    assert manifest.is_pinned
    assert set(manifest.files) == {"config.json", "tokenizer.json", "model.safetensors"}


def test_a_folder_without_manifest_passes_but_is_not_pinned(tiny_folder: Path) -> None:
    assert not verify_model(tiny_folder).is_pinned


@pytest.mark.parametrize("name", ["pytorch_model.bin", "a.pt", "a.pth", "a.pkl", "a.CKPT", "sub/a.npy"])
@pytest.mark.parametrize("is_sealed", [False, True])
def test_pickled_suffixes_are_refused(tiny_folder: Path, name: str, is_sealed: bool) -> None:
    (tiny_folder / name).parent.mkdir(exist_ok=True)
    (tiny_folder / name).write_bytes(b"anything")
    if is_sealed:
        seal(tiny_folder)
    with pytest.raises(UnsafeModelError, match="pickled"):
        verify_model(tiny_folder)


@pytest.mark.parametrize("magic", [b"\x80\x02}q\x00.", b"\x80\x05\x95", b"PK\x03\x04", b"\x93NUMPY\x01"])
def test_pickles_under_another_name_are_refused(tiny_folder: Path, magic: bytes) -> None:
    (tiny_folder / "weights.dat").write_bytes(magic + b"\x00" * 16)
    with pytest.raises(UnsafeModelError, match="pickled"):
        verify_model(tiny_folder)


@pytest.mark.parametrize("magic", [b"\x80\x02}q\x00.", b"PK\x03\x04"])
def test_a_pickle_named_safetensors_is_refused(tiny_folder: Path, magic: bytes) -> None:
    (tiny_folder / "model.safetensors").write_bytes(magic + b"\x00" * 64)
    with pytest.raises(UnsafeModelError, match="safetensors header"):
        verify_model(tiny_folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "generation_config.json"])
def test_remote_code_is_refused(tiny_folder: Path, name: str) -> None:
    edit_config(tiny_folder, name, auto_map={"AutoModel": "evil.Model"})
    with pytest.raises(UnsafeModelError, match="auto_map"):
        verify_model(tiny_folder)


@pytest.mark.parametrize(
    "architectures",
    [["QWenLMHeadModel"], [], None, ["Qwen2ForCausalLM", "Other"], "Qwen2ForCausalLM", [["x"]]],
)
def test_other_architectures_are_refused(tiny_folder: Path, architectures: object) -> None:
    edit_config(tiny_folder, architectures=architectures)
    with pytest.raises(UnsafeModelError, match="architecture"):
        verify_model(tiny_folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_part_is_refused(tiny_folder: Path, name: str) -> None:
    (tiny_folder / name).unlink()
    with pytest.raises(UnsafeModelError):
        verify_model(tiny_folder)


def test_a_file_missing_from_the_folder_is_refused(tiny_folder: Path) -> None:
    (tiny_folder / "vocab.json").write_text("{}")
    seal(tiny_folder)
    (tiny_folder / "vocab.json").unlink()
    with pytest.raises(UnsafeModelError, match=r"missing: vocab\.json"):
        verify_model(tiny_folder)


def test_files_the_manifest_does_not_know_are_refused(tiny_folder: Path) -> None:
    seal(tiny_folder)
    (tiny_folder / "notes.txt").write_text("hello")
    with pytest.raises(UnsafeModelError, match=r"notes\.txt"):
        verify_model(tiny_folder)


@pytest.mark.parametrize("is_folder", [False, True])
def test_symbolic_links_are_refused(tiny_folder: Path, tmp_path: Path, is_folder: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").touch()
    (tiny_folder / "link").symlink_to(tmp_path / ("elsewhere" if is_folder else "elsewhere/file"))
    with pytest.raises(UnsafeModelError, match="link"):
        verify_model(tiny_folder)


def test_a_changed_size_is_found(tiny_folder: Path) -> None:
    seal(tiny_folder)
    edit_config(tiny_folder, extra=1)
    with pytest.raises(IntegrityError, match="bytes"):
        verify_model(tiny_folder)


def test_a_changed_byte_is_found_by_time_or_by_hash(tiny_folder: Path) -> None:
    seal(tiny_folder)
    path = tiny_folder / "model.safetensors"
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="sha256"):
        verify_model(tiny_folder)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    verify_model(tiny_folder)  # the quick check trusts size and time
    with pytest.raises(IntegrityError, match="sha256"):
        verify_model(tiny_folder, deep=True)


def test_a_copied_folder_still_passes(tiny_folder: Path) -> None:
    seal(tiny_folder)
    for path in tiny_folder.iterdir():
        os.utime(path, (1, 1))
    verify_model(tiny_folder)


def test_a_broken_manifest_is_refused(tiny_folder: Path) -> None:
    (tiny_folder / "manifest.json").write_text('{"format": 1}')
    with pytest.raises(UnsafeModelError, match="cannot be read"):
        verify_model(tiny_folder)


@pytest.mark.parametrize(
    "header",
    [
        b'{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
        b'{"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}',
        b'{"w": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}',
        b'{"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}',
        b'{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "v": 3}',
        b"[]",
        b"no json",
    ],
)
def test_malformed_safetensors_are_refused(tiny_folder: Path, header: bytes) -> None:
    path = tiny_folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\x00" * 4)
    with pytest.raises(UnsafeModelError, match="safetensors"):
        verify_model(tiny_folder)


@pytest.mark.parametrize("header_bytes", [2**40, 2**63, 17 << 20])
def test_an_oversized_header_is_refused_unread(tiny_folder: Path, header_bytes: int) -> None:
    with (tiny_folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", header_bytes))
        file.truncate(18 << 20)
    with pytest.raises(UnsafeModelError, match="header"):
        verify_model(tiny_folder)


def test_an_index_must_find_its_tensors(tiny_folder: Path) -> None:
    index = tiny_folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": "model.safetensors"}}))
    verify_model(tiny_folder)
    index.write_text(json.dumps({"weight_map": {"w": "model.safetensors", "v": "model-2.safetensors"}}))
    with pytest.raises(UnsafeModelError, match="in no shard"):
        verify_model(tiny_folder)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeModelError, match="not a folder"):
        verify_model(tmp_path / "nothing")


def test_shape_must_be_that_of_the_id(tiny_folder: Path) -> None:
    check_shape(tiny_folder, make_entry())
    edit_config(tiny_folder, num_hidden_layers=7)
    with pytest.raises(IntegrityError, match="num_hidden_layers"):
        check_shape(tiny_folder, make_entry())


def test_a_tokenizer_of_one_token_is_found(tiny_folder: Path) -> None:
    (tiny_folder / "tokenizer.json").write_text('{"model": {"vocab": {"<|endoftext|>": 0}}}')
    with pytest.raises(IntegrityError, match="tokens"):
        check_shape(tiny_folder, make_entry())


def test_writing_needs_as_many_bytes_as_the_shapes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="8 bytes"):
        write_safetensors(tmp_path / "x.safetensors", [TensorSpec("w", "F32", (2,))], [b"1234"])
