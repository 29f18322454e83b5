"""The scripts that run inside, each put together with what it imports: nothing of ours is importable there."""

from __future__ import annotations

import functools
from pathlib import Path

_INSIDE = Path(__file__).parent / "inside"
_OURS = "from sandbox.inside."


@functools.cache
def candidate_script() -> bytes:
    """Give the driver of a candidate."""
    return _joined("candidate")


@functools.cache
def tester_script() -> bytes:
    """Give the driver of tests."""
    return _joined("tester")


@functools.cache
def nonce_script() -> bytes:
    """Give the harness of a program that is tested in its own process."""
    return _joined("nonce_harness")


def _joined(name: str) -> bytes:
    lines = (_INSIDE / f"{name}.py").read_text().splitlines()
    parts = [line.removeprefix(_OURS).split()[0] for line in lines if line.startswith(_OURS)]
    texts = [(_INSIDE / f"{part}.py").read_text() for part in parts]
    return "\n".join([*texts, *(line for line in lines if not line.startswith(_OURS)), ""]).encode()
