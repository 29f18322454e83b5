"""Ordinary code to build engines for: whatever such code needs is ready before the first request.

Python: files of the running interpreter's own library, chosen by name so that benchmarks can keep clear of them.
All languages: the samples beside this module; those named answers are what Qwen2.5-Coder-0.5B-Instruct wrote through
this service for MBPP's training tasks at temperature 1, under the mask, as they came.
"""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterator
from pathlib import Path

NUM_PYTHON_FILES = 60
_SAMPLES = Path(__file__).parent / "samples"


def is_warm_name(name: str) -> bool:
    """Say whether a library file of this name is kept for building engines."""
    return hashlib.blake2b(name.encode(), digest_size=1).digest()[0] % 4 == 0


def warm_texts(language: str) -> Iterator[bytes]:
    """Give the texts that a language's engine is built for, if there are any."""
    for path in (_SAMPLES / f"{language}.txt", _SAMPLES / f"{language}-answers.txt"):
        if path.exists():
            yield from (text + b"\n" for text in path.read_bytes().split(b"\n=====\n"))
    if language == "python":
        folder = Path(sysconfig.get_path("stdlib"))
        files = sorted(
            path
            for pattern in ("*.py", "[a-z]*/*.py")
            for path in folder.glob(pattern)
            if is_warm_name(path.name)
            and not {"test", "tests", "site-packages"} & {*path.parts}
            and 2000 < path.stat().st_size < 40_000
        )
        yield from (path.read_bytes() for path in files[:NUM_PYTHON_FILES])
