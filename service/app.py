"""create_app: the parts in order, the routes, and the life of the engine behind them.

listening ──► engine starts (probes answer, requests get 503) ──► ready ──► drain ──► engine ends
                    └── cannot start ──► dead: the process ends with code 1
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, NoReturn

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from typing_extensions import override

from service.edge import guard
from service.engine import Engine
from service.errors import (
    BadRequestError,
    ConfigurationError,
    EngineDeadError,
    InternalError,
    MethodNotAllowedError,
    NotFoundError,
)
from service.keys import FailedLogins, KeyRing, require
from service.lifecycle import Lifecycle
from service.metrics import Metrics, RequestMetrics
from service.routes import generate, health, openai
from service.routes import indexes as index_routes
from service.routes import styles as style_routes
from service.services import Services, build_services
from service.settings import Settings
from service.styles import LoadedStyles
from service.validation import to_bad_request

log = structlog.get_logger(__name__)

_HEALTH_SECONDS = 0.25
_DESCRIPTION = (
    "An inference service that makes a code model write code. Errors have OpenAI's shape on every route."
)


def create_app(
    settings: Settings,
    engine: Engine,
    *,
    seats: int,
    lifecycle: Lifecycle | None = None,
    styles: LoadedStyles | None = None,
) -> FastAPI:
    """Build the application around an engine that has not been started.

    seats   sequences that may be in the engine at once (see `admission.seats_for`)
    styles  what the engine's model can be steered by; None: nothing
    """
    lifecycle = lifecycle or Lifecycle()
    metrics = Metrics()
    parts = build_services(settings, engine, lifecycle, metrics, seats, styles or LoadedStyles())
    app = _App(
        title="CodeFusion",
        description=_DESCRIPTION,
        version="0.1.0",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # A redirect would name the Host that the client sent.
        redirect_slashes=False,
        lifespan=_lifespan,
        middleware=guard(settings, lifecycle, RequestMetrics.layer(metrics)),
        exception_handlers={RequestValidationError: _refuse_body, HTTPException: _refuse_route},
    )
    app.state.services = parts
    keys_file = settings.access.keys_file
    app.state.keys = KeyRing.load(keys_file) if keys_file else KeyRing.open()
    app.state.logins = FailedLogins(settings.access.failed_logins_per_minute)
    _add_routes(app, settings)
    return app


class _App(FastAPI):
    @override
    def openapi(self) -> dict[str, Any]:
        """Give the OpenAPI document without FastAPI's own 422: every body that breaks a rule gets 400."""
        document = super().openapi()
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        return document


def _add_routes(app: FastAPI, settings: Settings) -> None:
    app.include_router(generate.router)
    app.include_router(openai.router)
    app.include_router(style_routes.router)
    app.include_router(index_routes.router)
    app.include_router(health.router)
    app.include_router(health.metrics_router(public=settings.access.metrics_public))
    if settings.server.docs:
        dependencies = [Depends(require("infer"))]

        @app.get("/openapi.json", include_in_schema=False, dependencies=dependencies)
        async def openapi() -> Response:
            return JSONResponse(app.openapi())


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    parts: Services = app.state.services
    tasks = [
        asyncio.create_task(_keep_engine(parts), name="engine-life"),
        asyncio.create_task(parts.examples.open(), name="sandbox-proof"),
        asyncio.create_task(parts.retriever.open(), name="indexes"),
        asyncio.create_task(parts.metrics.watch_event_loop(), name="event-loop-lag"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task, end in zip(tasks, await asyncio.gather(*tasks, return_exceptions=True), strict=True):
            if isinstance(end, Exception):  # whatever it was, the others are still to be closed
                log.error("task_failed", task=task.get_name(), exc_info=end)
        await parts.examples.aclose()
        await parts.retriever.aclose()
        await parts.engine.shutdown()
        await parts.admission.aclose()


async def _keep_engine(parts: Services) -> None:
    """Start the engine, open the doors, and close them the moment it dies."""
    try:
        await parts.engine.start(parts.metrics)
    except ConfigurationError as error:
        log.error("engine_start_failed", reason=str(error))
        parts.lifecycle.mark_dead("the engine did not start")
        return
    except Exception as error:
        log.error("engine_start_failed", exc_info=error)
        parts.lifecycle.mark_dead("the engine did not start")
        return
    parts.lifecycle.mark_ready()
    log.info("ready", model=parts.engine.model.name)
    try:
        while True:
            await parts.engine.check_health()
            await asyncio.sleep(_HEALTH_SECONDS)
    except EngineDeadError as error:
        log.error("engine_dead", open_requests=parts.lifecycle.open_requests)
        parts.lifecycle.mark_dead(str(error))


async def _refuse_body(request: Request, failure: Exception) -> NoReturn:
    assert isinstance(failure, RequestValidationError)
    raise to_bad_request(failure, getattr(request.state, "json", None)) from failure


async def _refuse_route(request: Request, failure: Exception) -> NoReturn:
    assert isinstance(failure, HTTPException)
    where = f"{request.method[:16]} {request.scope['path'][:200]}"
    match failure.status_code:
        case HTTPStatus.NOT_FOUND:
            raise NotFoundError(f"There is no route {where}.")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = (failure.headers or {}).get("Allow", "another method")
            raise MethodNotAllowedError(f"There is no route {where}; expected {allowed}.", allow=allowed)
        case HTTPStatus.BAD_REQUEST:
            raise BadRequestError("The request body could not be read.")
        case _:
            raise InternalError("The request failed for a reason of ours.")
