"""The native core as it is built and installed: its contract, what it exports, what a wheel holds."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from grammar import _native

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ROOT / "grammar/csrc"
CONTRACT = ast.parse((ROOT / "grammar/_native.pyi").read_text(encoding="utf-8"))
SANITIZED = "CODEFUSION_SANITIZED" in os.environ


def need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def described(body: list[ast.stmt]) -> set[str]:
    return {node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def public(names: list[str]) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def test_the_contract_describes_what_the_module_has() -> None:
    assert described(CONTRACT.body) == public(dir(_native))


@pytest.mark.parametrize("name", [node.name for node in CONTRACT.body if isinstance(node, ast.ClassDef)])
def test_the_contract_describes_what_a_class_has(name: str) -> None:
    (node,) = [node for node in CONTRACT.body if isinstance(node, ast.ClassDef) and node.name == name]
    found = getattr(_native, name)
    inherited = {base.id for base in node.bases if isinstance(base, ast.Name)}
    if inherited:
        assert {base.__name__ for base in found.__bases__} == inherited
    else:
        assert public([*described(node.body)]) == public(dir(found))
        properties = {
            member.name
            for member in node.body
            if isinstance(member, ast.FunctionDef) and member.decorator_list
        }
        assert properties == {name for name in public(dir(found)) if not callable(getattr(found, name))}


def test_the_module_lies_in_the_environment_and_not_in_the_tree() -> None:
    # One in the tree would be found first, and go stale there.
    assert list((ROOT / "grammar").rglob("*.so")) == []
    assert Path(str(_native.__file__)).is_file()


@pytest.mark.skipif(SANITIZED, reason="a sanitized module exports the sanitizer's symbols")
def test_the_module_exports_nothing_of_ours_but_its_entry() -> None:
    listed = subprocess.run(
        [need("nm"), "--dynamic", "--defined-only", "--demangle", str(_native.__file__)],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    names = [line.split(None, 2)[2] for line in listed]
    assert "PyInit__native" in names
    assert [name for name in names if "codefusion" in name] == []


def test_the_module_runs_on_any_processor_of_its_kind() -> None:
    files = [ROOT / "CMakeLists.txt", ROOT / "pyproject.toml", *SOURCES.rglob("*")]
    assert [path for path in files if path.is_file() and "march=" in path.read_text(encoding="utf-8")] == []


@pytest.mark.slow
def test_a_header_can_be_read_by_itself() -> None:
    compiler = need("g++")
    for header in sorted(SOURCES.glob("*.h")):
        command = [compiler, "-std=c++17", "-fsyntax-only", "-x", "c++", str(header)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{header.name}:\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(SANITIZED, reason="the wheel is the same")
def test_a_wheel_holds_the_module_and_no_sources(tmp_path: Path) -> None:
    # In the build folder of the installation, so that nothing has to be compiled again.
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        tmp_path,
        ROOT,
    ]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("codefusion-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.startswith("grammar/_native.cpython-")]
    assert {"grammar/__init__.py", "grammar/_native.pyi", "service/__init__.py"} <= set(names)
    assert [name for name in names if name.startswith("grammar/samples/")]
    assert [
        name for name in names if "csrc" in name or name.startswith(("tests/", "build/", "shared/"))
    ] == []
