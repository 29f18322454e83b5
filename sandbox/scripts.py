"""The scripts that run inside, each put together with what it imports: nothing of ours is importable there.

The drivers of functions are compiled here, once, where the interpreter inside has the version of ours: compiling them
there took 1 and 2 ms of every run.
"""

from __future__ import annotations

import functools
import importlib.util
import marshal
import sys
from pathlib import Path

from sandbox.languages import Toolchain

_INSIDE = Path(__file__).parent / "inside"
_OURS = "from sandbox.inside."


# Every release of a minor version reads the same compiled form; before its flags and times, which are not used here.
_PYC_HEADER = importlib.util.MAGIC_NUMBER + bytes(12)


def candidate_driver(python: Toolchain) -> tuple[str, bytes]:
    """Give the driver of a candidate: name and content of its file."""
    return _driver("candidate", python.version)


def tester_driver(python: Toolchain) -> tuple[str, bytes]:
    """Give the driver of tests: name and content of its file."""
    return _driver("tester", python.version)


@functools.cache
def _driver(name: str, version: str) -> tuple[str, bytes]:
    source = _joined(name)
    ours = f"Python {sys.version_info.major}.{sys.version_info.minor}."
    if sys.version_info.releaselevel != "final" or not version.startswith(ours) or version.endswith("+"):
        return "driver.py", source
    code = compile(source, "driver.py", "exec", dont_inherit=True, optimize=0)
    return "driver.pyc", _PYC_HEADER + marshal.dumps(code)


@functools.cache
def nonce_script() -> bytes:
    """Give the harness of a program that is tested in its own process."""
    return _joined("nonce_harness")


def _joined(name: str) -> bytes:
    lines = (_INSIDE / f"{name}.py").read_text().splitlines()
    parts = [line.removeprefix(_OURS).split()[0] for line in lines if line.startswith(_OURS)]
    texts = [(_INSIDE / f"{part}.py").read_text() for part in parts]
    return "\n".join([*texts, *(line for line in lines if not line.startswith(_OURS)), ""]).encode()
