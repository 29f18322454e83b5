"""scripts/environment.py: what it says when something is missing, before anything is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts/environment.py"


def program(folder: Path, name: str) -> None:
    path = folder / name
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)


def run(path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script up to its first installing step."""
    start = (
        "import runpy, sys; from unittest import mock\n"
        "sys.argv = [sys.argv[1], '--device', 'cpu']\n"
        "with mock.patch('subprocess.run', side_effect=SystemExit('would install')):\n"
        "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    environment = {"PATH": str(path), **variables}
    return subprocess.run(
        [sys.executable, "-c", start, str(SCRIPT)],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_a_missing_compiler_is_named_with_the_way_to_get_one(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 1
    assert "Expected a C++ compiler (c++, g++ or clang++). On Debian: apt-get install g++" in done.stdout
    assert "would install" not in done.stderr


@pytest.mark.parametrize("name", ["c++", "g++", "clang++"])
def test_any_compiler_that_cmake_finds_will_do(tmp_path: Path, name: str) -> None:
    program(tmp_path, name)
    assert "would install" in run(tmp_path).stderr


def test_a_chosen_compiler_has_to_exist(tmp_path: Path) -> None:
    program(tmp_path, "g++")
    done = run(tmp_path, CXX="my-compiler -m64")
    assert done.returncode == 1
    assert "CXX=my-compiler -m64 cannot be found" in done.stdout
    program(tmp_path, "my-compiler")
    assert "would install" in run(tmp_path, CXX="my-compiler -m64").stderr
