"""Several arms on the same problems and seeds, by one file.

    suites = ["humaneval"]          # which problems
    temperature = 0.2               # for every arm that names none
    samples = 1
    seeds = 3

    [arms.raw]                      # a built-in arm, as it is
    [arms.mask]                     # another, with fields laid over its request
    base = "generate"
    request = { syntax = "enforce" }

An arm that the service refuses is left out with the service's own words; the others run. Everything that was sampled
before is used again.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from evaluation.arms import Arm, arm_from, find_arm
from evaluation.errors import ConfigError, RequestRefusedError
from evaluation.run_folder import RunFolder
from evaluation.running import RunOptions, run_suite
from evaluation.suites import find_suite

_FIELDS: Final[dict[str, type | tuple[type, ...]]] = {
    "suites": list,
    "arms": dict,
    "temperature": (int, float),
    "samples": int,
    "seeds": int,
    "limit": int,
    "max_tokens": int,
}


@dataclass(frozen=True, slots=True)
class Ablation:
    """What an ablation runs."""

    suites: tuple[str, ...]
    arms: tuple[Arm, ...]
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The folders that were run, and the arms that the service refused, with its words."""

    runs: list[RunFolder]
    refused: dict[str, str]


def read_ablation(path: Path) -> Ablation:
    """Read an ablation's file. Raises ConfigError, UnknownSuiteError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: expected a TOML file; {error}") from error
    for name, value in content.items():
        if name not in _FIELDS:
            raise ConfigError(f"{path}: expected {', '.join(_FIELDS)}; got {name!r}")
        if not isinstance(value, _FIELDS[name]) or isinstance(value, bool):
            raise ConfigError(f"{path}: {name}: got {value!r}")
    suites, arms = content.pop("suites", []), content.pop("arms", {})
    if not suites or not arms:
        raise ConfigError(f"{path}: expected at least one of `suites` and one [arms.NAME]")
    for suite in suites:
        find_suite(suite)
    return Ablation(tuple(suites), tuple(_arm(name, table) for name, table in arms.items()), content)


def run_ablation(
    ablation: Ablation, make: Callable[[str, Arm, dict[str, Any]], RunOptions], say: Callable[[str], None]
) -> Outcome:
    """Run every arm on every suite. Raises what `run_suite` does, but for a refusal, which ends its arm only."""
    runs: list[RunFolder] = []
    refused: dict[str, str] = {}
    for suite in ablation.suites:
        for arm in ablation.arms:
            if arm.name in refused:
                continue
            try:
                runs.append(run_suite(make(suite, arm, ablation.settings)))
            except RequestRefusedError as error:
                refused[arm.name] = str(error)
                say(f"arm {arm.name}: left out; {error}")
    return Outcome(runs, refused)


def _arm(name: str, table: Any) -> Arm:
    if not isinstance(table, dict):
        raise ConfigError(f"arm {name!r}: expected a table [arms.{name}]; got {table!r}")
    return arm_from(name, table) if table else find_arm(name)  # pyright: ignore[reportUnknownArgumentType]
