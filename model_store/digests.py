"""Hashes of files, read in blocks so that memory stays small."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

BLOCK_BYTES = 1 << 20


def blocks_of(file: IO[bytes], num_bytes: int) -> Iterator[bytes]:
    """Yield up to `num_bytes` from the file's position on, a block at a time; fewer if the file ends."""
    while num_bytes > 0 and (block := file.read(min(num_bytes, BLOCK_BYTES))):
        num_bytes -= len(block)
        yield block


def sha256_of_file(path: Path, advance: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file in hex; `advance` hears of every block read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            if advance is not None:
                advance(len(block))
    return digest.hexdigest()


def git_blob_id_of_file(path: Path) -> str:
    """Name git gives to the file's content: SHA-1 over a short header and the bytes.

    A hub lists this, not a SHA-256, for the small files it keeps in git itself.
    """
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
