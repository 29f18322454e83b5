"""Where files may not be executed: a container's tmpfs, made here by a mount in a namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import available_languages

ROOT = Path(__file__).parents[2]
_C = '#include <stdio.h>\nint main(void) { puts("7"); return 0; }\n'


def _without_exec(folders: list[Path], words: list[str], tmp: Path) -> subprocess.CompletedProcess[str]:
    """Run our sandbox's command line where these folders are mounted noexec, with `tmp` as the temporary one."""
    unshare = shutil.which("unshare") or pytest.skip("unshare is not installed (Debian: util-linux)")
    mounts = [f"mount -t tmpfs -o noexec,mode=1777 none {folder}" for folder in folders]
    script = " && ".join([*mounts, 'exec "$@"'])
    become = [] if os.getuid() == 0 else ["--map-root-user"]
    able = subprocess.run(
        [unshare, "--mount", *become, "sh", "-c", " && ".join(mounts)], capture_output=True, check=False
    )
    if able.returncode != 0:
        pytest.skip(f"no mounts here: {able.stderr.decode().strip()}")
    return subprocess.run(
        [unshare, "--mount", *become, "sh", "-c", script, "sh", sys.executable, "-m", "sandbox", *words],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder to mount on, which the slots' users may reach (pytest's own is closed to them)."""
    with tempfile.TemporaryDirectory(prefix="codefusion-noexec-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    """Give the words that run a C program on one case; skips without a compiler."""
    if isinstance(found := available_languages()["c"], str):
        pytest.skip(f"c: {found}")
    (tmp_path / "seven.c").write_text(_C)
    (tmp_path / "expected").write_text("7\n")
    words = ["--language", "c", "--expected", str(tmp_path / "expected")]
    return ["run", str(tmp_path / "seven.c"), *words, "--cpu-seconds", "20", "--wall-seconds", "40"]


def test_compiled_programs_run_elsewhere_when_the_temporary_folder_is_noexec(
    scratch: Path, program: list[str]
) -> None:
    done = _without_exec([scratch], program, scratch)
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "passed"), done


def test_without_any_such_folder_compiled_languages_are_missing_and_say_why(
    scratch: Path, program: list[str]
) -> None:
    done = _without_exec([scratch, Path("/var/tmp")], program, scratch)  # noqa: S108 - mounted for the test alone
    assert done.returncode == 2
    assert (
        f"c cannot run here: compiled programs need a folder in which files may be executed; {scratch} and"
        in (done.stderr)
    )
