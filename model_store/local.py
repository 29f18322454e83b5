"""A model the user already has: a folder of safetensors to copy, or a GGUF file to convert."""

import hashlib
import shutil
from pathlib import Path

from model_store.digests import BLOCK_BYTES
from model_store.manifest import MANIFEST_NAME, ModelManifest
from model_store.progress import Advance, Reporter
from model_store.verify import verify_model


def copy_model(source: Path, target: Path, reporter: Reporter) -> dict[str, str]:
    """Copy a verified folder's files into the existing folder `target`; return the SHA-256 of each.

    Raises   UnsafeModelError or IntegrityError if the folder may not be loaded.
    """
    manifest: ModelManifest = verify_model(source)
    with reporter.bar(f"copy {source}", manifest.num_bytes) as advance:
        return {
            name: _copy(source / name, target / name, advance)
            for name in manifest.files
            if name != MANIFEST_NAME
        }


def _copy(source: Path, target: Path, advance: Advance) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(BLOCK_BYTES):
            digest.update(block)
            writer.write(block)
            advance(len(block))
    shutil.copymode(source, target)
    return digest.hexdigest()
