"""The scripts that run inside, each put together with the codec that it shares: inside, nothing of ours is importable."""

from __future__ import annotations

import functools
from pathlib import Path

_INSIDE = Path(__file__).parent / "inside"


@functools.cache
def candidate_script() -> bytes:
    """Give the driver of a candidate."""
    return _joined("candidate.py")


@functools.cache
def tester_script() -> bytes:
    """Give the driver of tests."""
    return _joined("tester.py")


def _joined(name: str) -> bytes:
    return (_INSIDE / "codec.py").read_bytes() + b"\n\n" + (_INSIDE / name).read_bytes()
