"""A run leaves no process, file, mount or descriptor behind, however it ends."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from sandbox import Isolation, Limits, command, run, run_calls, run_stdin

LIMITS = Limits(cpu_seconds=0.5, wall_seconds=1.0)
FORKING = "import os, time\nfor _ in range(5):\n    if os.fork() == 0:\n        time.sleep(600)\n"
WAYS_TO_END = [
    "def f(x): return x + 1",
    "def f(x): return x",
    "def f(",
    "import os\nos._exit(3)",
    FORKING + "def f(x): return x + 1",
    "open('left', 'w').write('x')\ndef f(x): return x + 1",
]


@pytest.fixture
def own_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder that only this test uses, reachable by every user."""
    for folder in (tmp_path.parent.parent, tmp_path.parent, tmp_path):
        folder.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # Users that no other evaluation on this machine has now.
    monkeypatch.setattr(command, "FIRST_UID", _first_uid())
    return tmp_path


def _first_uid() -> int:
    return 1_000_000 + 10_000 * (os.getpid() % 100_000)


def _processes() -> set[str]:
    """Our children, and whatever belongs to a slot's user."""
    found: set[str] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, is_slots = (
                (folder / "status").read_text(),
                folder.stat().st_uid // 10_000 == _first_uid() // 10_000,
            )
        except OSError:
            continue
        # bwrap leaves its ended child to process 1, which may take its time to reap it.
        is_left_to_init = "State:\tZ" in status and "PPid:\t1\n" in status
        if (is_slots and not is_left_to_init) or f"PPid:\t{os.getpid()}\n" in status:
            found.add(folder.name)
    return found


def _traces(tmp: Path) -> tuple[object, ...]:
    mounts = Path("/proc/self/mountinfo").read_text()
    return _processes(), sorted(tmp.iterdir()), mounts, sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.mark.parametrize("program", WAYS_TO_END)
def test_run_leaves_nothing(program: str, isolation: Isolation, own_tmp: Path) -> None:
    before = _traces(own_tmp)
    run(program, "assert f(1) == 2", limits=LIMITS, isolation=isolation)
    run(program, "assert f(1) == 2", limits=LIMITS, isolation=isolation, design="nonce")
    run_stdin(program, "python", [("", "")], LIMITS, isolation=isolation)
    run_calls(program, "f", [[1]], LIMITS, isolation=isolation)
    assert _traces(own_tmp) == before


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_runs_leave_nothing(best_isolation: Isolation, own_tmp: Path) -> None:
    before = _traces(own_tmp)
    for number in range(1000):
        program = WAYS_TO_END[number % len(WAYS_TO_END)]
        run(program, "assert f(1) == 2", limits=LIMITS, isolation=best_isolation)
    assert _traces(own_tmp) == before
