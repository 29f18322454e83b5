"""Probes and metrics. The probes ask the engine's state, never its processes: they answer at full load too."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from service.errors import EngineDeadError, ErrorBody
from service.keys import require
from service.routes.documented import ERRORS
from service.schemas.common import HealthReport
from service.services import services

router = APIRouter(tags=["operations"])
_UNAVAILABLE: dict[int | str, dict[str, Any]] = {
    503: {"model": ErrorBody, "description": "Not now; the message says why."}
}


@router.get("/healthz", responses=_UNAVAILABLE, summary="Is the process alive")
async def healthz(request: Request) -> HealthReport:
    """Answer 200 as long as a restart would not help: also while starting and draining."""
    lifecycle = services(request).lifecycle
    if lifecycle.state == "dead":
        raise EngineDeadError("The engine stopped working; the process is about to exit.", retry_after=10)
    return HealthReport(status="ok")


@router.get("/readyz", responses=_UNAVAILABLE, summary="Does the service take requests")
async def readyz(request: Request) -> HealthReport:
    """Answer 200 once the engine is up, until the process drains or the engine dies."""
    services(request).lifecycle.require_ready()
    return HealthReport(status="ok")


def metrics_router(*, public: bool) -> APIRouter:
    """Make the route for Prometheus; without `public` it asks for a key with the scope `metrics`."""
    scoped = APIRouter(tags=["operations"])
    dependencies = [] if public else [Depends(require("metrics"))]
    refusals = {} if public else {status: ERRORS[status] for status in (401, 403, 429)}

    @scoped.get(
        "/metrics",
        dependencies=dependencies,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
            **{status: {"model": ErrorBody, "description": text} for status, text in refusals.items()},
        },
        summary="Counters for Prometheus",
        response_class=Response,
    )
    async def metrics(request: Request) -> Response:
        """Give codefusion_* and vllm:* in Prometheus's text format."""
        parts = services(request)
        parts.metrics.sample(
            open_requests=parts.lifecycle.open_requests,
            seats=parts.admission.seats_taken,
            waiting=parts.admission.num_waiting,
            ready=parts.lifecycle.ready,
            storage_failures=parts.admission.storage_failures,
            failed_logins=request.app.state.logins.total,
        )
        return Response(parts.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return scoped
