"""Whether a model folder may be loaded: nothing in it runs code, and it is what its manifest says.

Refused: pickles (by name and by first bytes), configurations that name remote code, other architectures than
Qwen2, symbolic links, files the manifest does not know, malformed safetensors, missing parts.
"""

from pathlib import Path
from typing import cast

from model_store.digests import sha256_of_file
from model_store.errors import IntegrityError, UnsafeModelError
from model_store.json_files import read_json
from model_store.manifest import (
    MANIFEST_NAME,
    FileRecord,
    ModelManifest,
    files_below,
    now,
    read_manifest,
    record_files,
)
from model_store.safetensors_file import SafetensorsFormatError, read_tensors

ALLOWED_ARCHITECTURES = ("Qwen2ForCausalLM",)
PICKLED_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npy", ".npz"})
# Pickle protocols 2 to 5, zip (torch.save), NumPy, and HDF5 files, whatever their name says.
PICKLED_MAGIC = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04", b"\x93NUMPY", b"\x89HDF")
WEIGHTS_INDEX = "model.safetensors.index.json"


def verify_model(path: Path, deep: bool = False) -> ModelManifest:  # noqa: FBT001, FBT002 - the public signature
    """Check a model folder and return what it holds.

    deep     hash every file. Otherwise a file is hashed only if its modification time is not the one in the
             manifest (a copied cache, for example), so that a start stays short.
    Without a manifest the same refusals hold, but the content is pinned by nothing: `is_pinned` is False.
    Raises   UnsafeModelError, IntegrityError.
    """
    if not path.is_dir():
        raise UnsafeModelError(path, "it is not a folder")
    names = files_below(path)
    _refuse_links_and_pickles(path, names)
    manifest = read_manifest(path)
    if manifest is None:
        manifest = _unpinned(path, names, hashed=deep)
    else:
        _check_against_manifest(path, names, manifest, deep=deep)
    _check_configuration(path, names)
    _check_weights(path, names)
    return manifest


def _refuse_links_and_pickles(folder: Path, names: list[str]) -> None:
    for name in names:
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise UnsafeModelError(folder, f"{name} is a link or special file (copy it with `cp -rL` first)")
        if path.suffix.lower() in PICKLED_SUFFIXES or _starts_like_a_pickle(path):
            raise UnsafeModelError(
                folder, f"{name} may hold pickled code; only safetensors weights are loaded"
            )


def _starts_like_a_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        # A safetensors file starts with its header's length, any bytes at all; its own check is stricter.
        return file.read(8).startswith(PICKLED_MAGIC) and path.suffix != ".safetensors"


def _unpinned(folder: Path, names: list[str], *, hashed: bool) -> ModelManifest:
    digests = {name: sha256_of_file(folder / name) if hashed else None for name in names}
    files = record_files(folder, digests)
    return ModelManifest(id=None, source="local", revision=None, licence=None, made_at=now(), files=files)


def _check_against_manifest(folder: Path, names: list[str], manifest: ModelManifest, *, deep: bool) -> None:
    if strangers := set(names) - manifest.files.keys() - {MANIFEST_NAME}:
        raise UnsafeModelError(folder, f"not in its manifest: {', '.join(sorted(strangers))}")
    if missing := manifest.files.keys() - set(names):
        raise UnsafeModelError(folder, f"missing: {', '.join(sorted(missing))}")
    for name, record in manifest.files.items():
        _check_file(folder / name, record, deep=deep)


def _check_file(path: Path, record: FileRecord, *, deep: bool) -> None:
    status = path.stat()
    if status.st_size != record.size:
        raise IntegrityError(str(path), f"{record.size} bytes", f"{status.st_size}")
    if not deep and status.st_mtime_ns == record.mtime_ns:
        return
    if (found := sha256_of_file(path)) != record.sha256:
        raise IntegrityError(str(path), f"sha256 {record.sha256}", found)


def _check_configuration(folder: Path, names: list[str]) -> None:
    for name in names:
        if name.endswith("config.json") and "auto_map" in read_json(folder, name):
            raise UnsafeModelError(folder, f"{name} has an auto_map: it would load code from the folder")
    config = read_json(folder, "config.json")
    architectures = cast("list[str]", config.get("architectures") or [])
    if not architectures or any(name not in ALLOWED_ARCHITECTURES for name in architectures):
        allowed = ", ".join(ALLOWED_ARCHITECTURES)
        raise UnsafeModelError(folder, f"its architecture is {architectures}; allowed: {allowed}")
    if "tokenizer.json" not in names:
        # transformers would make a tokenizer of one token out of nothing, without an error.
        raise UnsafeModelError(folder, "it has no tokenizer.json")


def _check_weights(folder: Path, names: list[str]) -> None:
    shards = [name for name in names if name.endswith(".safetensors")]
    if not shards:
        raise UnsafeModelError(folder, "it has no .safetensors weights")
    try:
        stored = {name: set(read_tensors(folder / name)) for name in shards}
    except SafetensorsFormatError as error:
        raise UnsafeModelError(folder, str(error)) from error
    if WEIGHTS_INDEX in names:
        _check_index(folder, stored)


def _check_index(folder: Path, stored: dict[str, set[str]]) -> None:
    weight_map = cast("dict[str, str]", read_json(folder, WEIGHTS_INDEX).get("weight_map") or {})
    lost = sorted(name for name, shard in weight_map.items() if name not in stored.get(shard, ()))
    if lost or not weight_map:
        raise UnsafeModelError(
            folder, f"{len(lost)} tensors of {WEIGHTS_INDEX} are in no shard, first: {lost[:1]}"
        )
