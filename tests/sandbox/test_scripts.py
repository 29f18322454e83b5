"""The drivers that run inside: compiled where the interpreter inside reads what ours compiles."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from sandbox import Isolation, run, run_calls, scripts
from sandbox.languages import Toolchain, find_toolchain

OURS = f"Python {sys.version_info.major}.{sys.version_info.minor}.99"


def python(version: str) -> Toolchain:
    return dataclasses.replace(find_toolchain("python")[1], version=version)


@pytest.mark.parametrize(
    ("version", "is_compiled"),
    [(OURS, True), ("Python 3.1.1", False), (OURS.replace(".99", ".0rc1+"), False), ("unknown", False)],
)
def test_drivers_are_compiled_for_our_own_version_alone(version: str, is_compiled: bool) -> None:
    for name, content in (scripts.candidate_driver(python(version)), scripts.tester_driver(python(version))):
        assert name == ("driver.pyc" if is_compiled else "driver.py")
        assert (b"def main(" in content) is not is_compiled


@pytest.mark.parametrize("version", ["unknown", None])
def test_both_forms_judge_alike(
    best_isolation: Isolation, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    _, found = find_toolchain("python")

    def find(language: str) -> tuple[str, Toolchain]:
        return language, python(version or found.version)

    for module in ("function_task", "calls_task"):
        monkeypatch.setattr(f"sandbox.{module}.find_toolchain", find)
    program = "def f(x):\n    return x + 1\n"
    assert run(program, "assert f(1) == 2\n", isolation=best_isolation).is_passed
    assert not run(program, "assert f(1) == 3\n", isolation=best_isolation).is_passed
    assert run_calls(program, "f", [[1]], isolation=best_isolation).verdict.is_passed
