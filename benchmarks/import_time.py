"""What an import costs, module by module, as `python -X importtime` tells it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.errors import ProcessFailedError

_LINE = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \| (\s*)(\S+)$")
_TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class ImportTime:
    """One module: its own time, and with everything it imported first, in seconds."""

    module: str
    own: float
    cumulative: float


def measure_import(module: str, environment: Mapping[str, str]) -> list[ImportTime]:
    """Import a module in a fresh process; give every module it brought, in the order they finished.

    environment  variables to set on top of ours
    Raises       ProcessFailedError
    """
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_SECONDS,
        env={**os.environ, **environment},
    )
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
        raise ProcessFailedError(f"`import {module}`", done.returncode, errors[-5:])
    return read_import_times(done.stderr)


def read_import_times(text: str) -> list[ImportTime]:
    """Read the lines of -X importtime; others are skipped."""
    found = (_LINE.match(line) for line in text.splitlines())
    return [ImportTime(line[4], int(line[1]) / 1e6, int(line[2]) / 1e6) for line in found if line]


def costliest(times: Sequence[ImportTime], count: int) -> list[ImportTime]:
    """Give the modules with the most time of their own: cumulative times count the same second many times."""
    return sorted(times, key=lambda item: item.own, reverse=True)[:count]


def by_package(times: Sequence[ImportTime]) -> list[tuple[str, int, float]]:
    """Give each top-level package with its number of modules and their own seconds, costliest first."""
    counts: Counter[str] = Counter()
    seconds: defaultdict[str, float] = defaultdict(float)
    for item in times:
        package = item.module.split(".", 1)[0]
        counts[package] += 1
        seconds[package] += item.own
    return sorted(((name, counts[name], own) for name, own in seconds.items()), key=lambda item: -item[2])
