"""Ordinary code to build engines for: whatever such code needs is ready before the first request.

Python: files of the running interpreter's own library, chosen by name so that benchmarks can keep clear of them.
Other languages: the samples beside this module.
"""

from __future__ import annotations

import hashlib
import sysconfig
from pathlib import Path

NUM_PYTHON_FILES = 24
_SAMPLES = Path(__file__).parent / "samples"


def is_warm_name(name: str) -> bool:
    """Say whether a library file of this name is kept for building engines."""
    return hashlib.blake2b(name.encode(), digest_size=1).digest()[0] % 4 == 0


def warm_texts(language: str) -> list[bytes]:
    """Give the texts that a language's engine is built for; may be empty."""
    texts = [path.read_bytes() for path in sorted(_SAMPLES.glob(f"{language}*.txt"))]
    if language == "python":
        folder = Path(sysconfig.get_path("stdlib"))
        files = sorted(
            p for p in folder.glob("*.py") if is_warm_name(p.name) and 2000 < p.stat().st_size < 30_000
        )
        texts += [path.read_bytes() for path in files[:NUM_PYTHON_FILES]]
    return texts
