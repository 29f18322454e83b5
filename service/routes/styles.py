"""`GET /v1/styles`: what the loaded model can be steered by."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from adapters import ControlVector
from service.errors import ErrorBody
from service.keys import Principal, require
from service.routes.documented import ERRORS
from service.schemas.styles import CurvePointCard, PromptPointCard, StyleCard, StyleList
from service.services import services
from service.styles import VERBOSITY

router = APIRouter(
    prefix="/v1",
    tags=["styles"],
    responses={status: {"model": ErrorBody, "description": text} for status, text in ERRORS.items()},
)
Caller = Annotated[Principal, Depends(require("infer"))]


@router.get("/styles", summary="List the styles")
async def styles(request: Request, principal: Caller) -> StyleList:
    """Give each control vector that is loaded, with what its knob was measured to do."""
    del principal
    parts = services(request)
    vectors = parts.styles.collection.vectors.values()
    return StyleList(model=parts.engine.model.name, data=[_card(vector) for vector in vectors])


def _card(vector: ControlVector) -> StyleCard:
    header = vector.header
    found = header.calibration
    return StyleCard(
        id=header.name,
        field=VERBOSITY if header.name == VERBOSITY else f"style.{header.name}",
        layers=list(header.layers),
        sha256=vector.digest(),
        unit=found.unit if found else None,
        problems=found.problems if found else None,
        num_problems=found.num_problems if found else None,
        spearman=found.spearman if found else None,
        curve=[CurvePointCard(**point.model_dump()) for point in (found.curve if found else ())],
        prompting=[PromptPointCard(**point.model_dump()) for point in (found.prompting if found else ())],
    )
