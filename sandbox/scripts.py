"""The scripts that run inside, each put together with the codec: nothing of ours is importable there."""

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
    driver = (_INSIDE / name).read_text()
    lines = [line for line in driver.splitlines() if not line.startswith("from sandbox.inside.codec import")]
    return "\n".join([(_INSIDE / "codec.py").read_text(), *lines, ""]).encode()
