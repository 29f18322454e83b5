"""What the engine runs with, resolved once from the service's own plan and pinned for both arms."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from benchmarks.errors import BenchmarkError, ModelMissingError, UnequalArmsError
from benchmarks.service_process import UNLIMITED, LogLine, settings_arguments
from model_store import ModelStoreError, find_model
from service.engine_plan import EnginePlan, plan
from service.errors import ConfigurationError
from service.hardware import Hardware
from service.model_shape import ModelShape
from service.settings import Settings, load_settings

_CLIENT_KEY = "CODEFUSION_API_KEY"
# Its log is how a service tells what it runs with.
_READABLE_LOG = {"log.format": "json", "log.level": "info"}
# Chosen from the memory that happens to be free: pinned, or the arms could differ.
_MEMORY_CHOICES = {"engine.kv_cache_bytes": "kv_cache_bytes", "engine.max_model_len": "max_model_len"}


@dataclass(frozen=True, slots=True)
class EngineSetup:
    """One engine configuration.

    service_arguments  arguments of `python -m service` that lead to it
    engine_args        keyword arguments of vLLM's AsyncEngineArgs; empty for the fake engine
    environment        to be set before vLLM is imported
    choices            the plan's choices by name, to compare with what the service logs
    """

    settings: Settings
    service_arguments: tuple[str, ...]
    engine_args: dict[str, Any]
    environment: dict[str, str]
    choices: dict[str, Any]

    @property
    def is_fake(self) -> bool:
        """Whether there is no model: a rehearsal."""
        return self.settings.engine.backend == "fake"

    def check_logged(self, lines: Sequence[LogLine]) -> None:
        """Raise UnequalArmsError unless the service logged exactly these choices."""
        logged = _logged_choices(lines)
        wrong = [
            f"{name}: bare {json.dumps(value)}, service {json.dumps(logged.get(name))}"
            for name, value in self.choices.items()
            if logged.get(name) != value
        ]
        if wrong:
            raise UnequalArmsError("The two arms do not run the same engine:\n  " + "\n  ".join(wrong))


def read_settings(config: Path | None, overrides: dict[str, str]) -> Settings:
    """Read the service's settings as the service itself will. Raises BenchmarkError."""
    environment = {name: value for name, value in os.environ.items() if name != _CLIENT_KEY}
    try:
        return load_settings(config, dict(overrides), environment)
    except ConfigurationError as error:
        raise BenchmarkError(str(error)) from error


def resolve(
    config: Path | None, overrides: dict[str, str], hardware: Hardware, *, least_seqs: int = 1
) -> EngineSetup:
    """Resolve the engine from settings and hardware.

    least_seqs  sequences that must fit into one batch, unless the user set engine.max_num_seqs
    Raises      BenchmarkError, ModelMissingError
    """
    chosen = {**UNLIMITED, **overrides, **_READABLE_LOG}
    settings = read_settings(config, chosen)
    if settings.engine.backend == "fake":
        return _setup(settings, config, chosen, None, None)
    model = _find(settings)
    first = _plan(settings, model, hardware)
    if settings.engine.max_num_seqs is None and first.max_num_seqs.value < least_seqs:
        chosen["engine.max_num_seqs"] = str(least_seqs)
        first = _plan(read_settings(config, chosen), model, hardware)
    values = {name: choice.value for name, choice in first.choices()}
    if first.device.value == "cpu":
        chosen |= {setting: str(values[name]) for setting, name in _MEMORY_CHOICES.items()}
    pinned = read_settings(config, chosen)
    return _setup(pinned, config, chosen, _plan(pinned, model, hardware), model)


def _setup(
    settings: Settings,
    config: Path | None,
    chosen: dict[str, str],
    resolved: EnginePlan | None,
    model: Path | None,
) -> EngineSetup:
    arguments = (["--config", str(config)] if config else []) + settings_arguments(chosen)
    if resolved is None or model is None:
        return EngineSetup(settings, tuple(arguments), {}, {}, {})
    return EngineSetup(
        settings,
        tuple(arguments),
        resolved.engine_args(model),
        resolved.environment,
        {name: choice.value for name, choice in resolved.choices()},
    )


def _find(settings: Settings) -> Path:
    try:
        folder = find_model(settings.model.id, settings.model.cache_dir)
    except ModelStoreError as error:
        raise BenchmarkError(str(error)) from error
    if folder is None:
        raise ModelMissingError(settings.model.id)
    return folder


def _plan(settings: Settings, model: Path, hardware: Hardware) -> EnginePlan:
    try:
        return plan(settings, ModelShape.from_folder(model), hardware)
    except ConfigurationError as error:
        raise BenchmarkError(str(error)) from error


def _logged_choices(lines: Sequence[LogLine]) -> dict[str, Any]:
    choices: dict[str, Any] = {}
    for line in lines:
        if '"engine_choice"' not in line.text:
            continue
        try:
            event = cast("dict[str, Any]", json.loads(line.text))
        except json.JSONDecodeError:
            continue
        choices[str(event.get("choice"))] = event.get("value")
    return choices
