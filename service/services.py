"""What a running service is made of; routes find it at `request.app.state.services`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from service.admission import Admission
from service.engine import Engine
from service.example_runner import ExampleRunner
from service.lifecycle import Lifecycle
from service.metrics import Metrics
from service.openai_pipeline import OpenAIPipeline
from service.pipeline import GeneratePipeline
from service.retrieval import Retriever
from service.salt import CacheSalts
from service.settings import Settings
from service.styles import LoadedStyles, StylePlanner
from service.syntax import SyntaxPlanner


@dataclass(frozen=True, slots=True)
class Services:
    """The parts, built once by `create_app` and shared by all requests."""

    settings: Settings
    engine: Engine
    lifecycle: Lifecycle
    metrics: Metrics
    admission: Admission
    examples: ExampleRunner
    generate: GeneratePipeline
    openai: OpenAIPipeline
    planner: SyntaxPlanner
    styles: LoadedStyles
    retriever: Retriever


def build_services(
    settings: Settings,
    engine: Engine,
    lifecycle: Lifecycle,
    metrics: Metrics,
    seats: int,
    styles: LoadedStyles,
) -> Services:
    """Wire the parts up. `seats` counts sequences that may be in the engine at once."""
    admission = Admission(settings, seats)
    salts = CacheSalts(settings.access.cache_secret)
    planner = SyntaxPlanner()
    examples = ExampleRunner(settings.sandbox, metrics)
    style_planner = StylePlanner(styles.collection)
    retriever = Retriever(settings.retrieval, metrics.retrieval)
    return Services(
        settings,
        engine,
        lifecycle,
        metrics,
        admission,
        examples,
        GeneratePipeline(engine, admission, salts, settings, examples, planner, style_planner, retriever),
        OpenAIPipeline(engine, admission, salts, settings, planner, style_planner, retriever),
        planner,
        styles,
        retriever,
    )


def services(request: Request) -> Services:
    """Give the parts of the service that answers this request."""
    return cast("Services", request.app.state.services)
