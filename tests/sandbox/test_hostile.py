"""Hostile programs are contained, by each method that works on this machine."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from sandbox import Isolation, Limits, run, run_stdin
from tests.sandbox.hostile import HOSTILE

LIMITS = Limits(cpu_seconds=1.5, wall_seconds=3.0, memory_bytes=512 << 20)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    path = tmp_path / "canary"
    path.write_text("secret")
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o777)
    path.chmod(0o666)
    return path


@pytest.fixture
def listener() -> Generator[socket.socket]:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen(1)
        made.setblocking(False)
        yield made


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_program_is_contained(
    name: str, isolation: Isolation, canary: Path, listener: socket.socket
) -> None:
    program, statuses = HOSTILE[name]
    facts = {"{canary}": str(canary), "{port}": str(listener.getsockname()[1]), "{pid}": str(os.getpid())}
    for word, value in facts.items():
        program = program.replace(word, value)
    begun = time.monotonic()
    verdict = run_stdin(program, "python", [("", "contained\n")], LIMITS, isolation=isolation)
    assert "ESCAPED" not in verdict.stdout, verdict
    assert verdict.status in statuses, verdict
    assert time.monotonic() - begun < 30
    assert canary.read_text() == "secret"
    assert list(canary.parent.iterdir()) == [canary]
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_daemon_does_not_outlive_its_run(isolation: Isolation, canary: Path) -> None:
    program = HOSTILE["leave a daemon"][0].replace("{canary}", str(canary))
    assert run_stdin(program, "python", [("", "contained\n")], LIMITS, isolation=isolation).is_passed
    time.sleep(1.2)
    assert canary.read_text() == "secret"


@pytest.mark.parametrize("design", ["two_process", "nonce"])
def test_the_candidate_of_each_design_is_contained(design: str, isolation: Isolation, canary: Path) -> None:
    attempt = f"    try:\n        return open({str(canary)!r}).read()\n    except OSError:\n        return 'refused'\n"
    program = f"def f():\n{attempt}"
    verdict = run(program, "assert f() == 'refused'", isolation=isolation, design=design)  # pyright: ignore[reportArgumentType]
    assert verdict.is_passed, verdict


def test_tests_are_contained_too(isolation: Isolation, canary: Path) -> None:
    tests = f"assert f() == 1\nopen({str(canary)!r}).read()"
    verdict = run("def f(): return 1", tests, isolation=isolation)
    assert verdict.status == "failed"
    assert "Error" in verdict.detail
