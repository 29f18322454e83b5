"""From settings to an application that can be served: the model on disk, the plan, the engine, the app."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import structlog
from fastapi import FastAPI

from model_store import ensure_model, find_model, load_catalog, verify_model
from service.admission import seats_for
from service.app import create_app
from service.check import find_problems
from service.check_report import print_check
from service.engine import Engine
from service.engine_plan import EnginePlan, log_plan, plan
from service.errors import ConfigurationError
from service.fake_engine import FakeEngine
from service.hardware import detect
from service.keys import KeyRing, require_keys_or_loopback
from service.lifecycle import Lifecycle
from service.logs import adopt
from service.model_shape import ModelShape
from service.services import Services
from service.settings import Settings
from service.styles import LoadedStyles, load_styles

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BuiltService:
    """What `http_server.serve` needs."""

    app: FastAPI
    lifecycle: Lifecycle
    keys: KeyRing


def build(settings: Settings) -> BuiltService:
    """Build the service; fetch the model first if it is not here. Raises ConfigurationError, ModelStoreError."""
    require_keys_or_loopback(settings)
    engine, max_num_seqs, styles = _engine(settings)
    lifecycle = Lifecycle()
    app = create_app(settings, engine, seats=seats_for(max_num_seqs), lifecycle=lifecycle, styles=styles)
    # Beside the engine's start, which takes longer; a request that comes earlier waits for it.
    services: Services = app.state.services
    threading.Thread(target=services.planner.prepare, name="grammars", daemon=True).start()
    return BuiltService(app, lifecycle, app.state.keys)


def check(settings: Settings, *, as_json: bool) -> int:
    """Print what would run and what is wrong with it; give 0 if it can run, else 1. Fetches and starts nothing."""
    resolved = _plan(settings)
    return print_check(resolved, find_problems(resolved), as_json=as_json)


def _engine(settings: Settings) -> tuple[Engine, int, LoadedStyles]:
    if settings.engine.backend == "fake":
        fake = FakeEngine(name=settings.model.served_name or "fake")
        return fake, fake.max_num_seqs, LoadedStyles()
    model = settings.model
    source = None if model.source == "auto" else model.source
    folder = ensure_model(model.id, cache_dir=model.cache_dir, source=source)
    verify_model(folder)
    resolved = _plan(settings)
    errors: list[str] = []
    for problem in find_problems(resolved):
        if problem.severity == "error":
            errors.append(problem.message)
        else:
            log.warning("configuration", setting=problem.setting, problem=problem.message)
    if errors:
        raise ConfigurationError("this cannot work here:\n  " + "\n  ".join(errors))
    log_plan(resolved)
    return _vllm_engine(settings, resolved, folder), resolved.max_num_seqs.value, resolved.styles


def _vllm_engine(settings: Settings, resolved: EnginePlan, folder: Path) -> Engine:
    # vLLM reads these when it is imported, and its child processes inherit them.
    os.environ.update(resolved.environment)
    from service.vllm_engine import VllmEngine

    adopt("vllm")
    engine = settings.engine
    return VllmEngine(
        resolved.engine_args(folder),
        served_name=settings.model.served_name or settings.model.id,
        tool_parser=settings.model.tool_parser,
        start_timeout_seconds=engine.start_timeout_seconds,
        hang_timeout_seconds=engine.hang_timeout_seconds,
        warmup=engine.warmup,
    )


def _plan(settings: Settings) -> EnginePlan:
    """Plan with the model's folder if it is here, else with what the catalog knows of it."""
    model = settings.model
    folder = find_model(model.id, model.cache_dir)
    if folder is not None:
        shape = ModelShape.from_folder(folder)
    else:
        catalog = load_catalog()
        if model.id not in catalog:
            known = ", ".join(catalog)
            raise ConfigurationError(
                f"model.id: {model.id!r} is no known model and no folder. Known: {known}."
            )
        shape = ModelShape.from_entry(catalog[model.id])
    return plan(settings, shape, detect(), load_styles(settings.steering, shape))
