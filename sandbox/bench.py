"""What isolation costs: runs of a trivial Python program, bare and in each design, interleaved."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable

from sandbox.calls_task import Calls
from sandbox.languages import find_toolchain
from sandbox.runner import run, run_calls, run_stdin
from sandbox.selftest import Isolation
from sandbox.verdict import Verdict

_PROGRAM = "def f(x):\n    return x + 1\n"
_TESTS = "assert f(1) == 2\n"


def measure(isolation: Isolation, repeats: int) -> dict[str, list[float]]:
    """Give the milliseconds of each run by its kind; "bare" is the same interpreter without a sandbox."""
    _, python = find_toolchain("python")
    bare = (*python.run[:-1], "-c", f"{_PROGRAM}{_TESTS}")
    kinds: dict[str, Callable[[], Verdict | Calls | object]] = {
        "bare": lambda: subprocess.run(bare, check=True, capture_output=True),  # noqa: S603
        "stdin, one sandbox": lambda: run_stdin(
            "print(input())", "python", [("a", "a")], isolation=isolation
        ),
        "calls, one sandbox": lambda: run_calls(_PROGRAM, "f", [[1]], isolation=isolation),
        "two processes": lambda: run(_PROGRAM, _TESTS, isolation=isolation),
        "nonce and control": lambda: run(_PROGRAM, _TESTS, isolation=isolation, design="nonce"),
    }
    took: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(repeats):
        for name, action in kinds.items():
            begun = time.perf_counter()
            action()
            took[name].append(1000 * (time.perf_counter() - begun))
    return took


def describe(took: dict[str, list[float]]) -> list[str]:
    """Give a table: median, fastest, and what the median is above that of the bare interpreter."""
    bare = statistics.median(took["bare"])
    lines = [f"{'':22}{'median ms':>10}{'fastest':>10}{'overhead':>10}"]
    for name, values in took.items():
        median = statistics.median(values)
        lines.append(f"{name:22}{median:10.1f}{min(values):10.1f}{median - bare:10.1f}")
    return lines
