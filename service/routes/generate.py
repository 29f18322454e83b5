"""`POST /generate`: code in the language and form asked for, with a report of what was done."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from service.errors import ErrorBody
from service.keys import Principal, require
from service.routes import answers
from service.routes.documented import ERRORS, EVENTS
from service.schemas.generate import STREAM_EXAMPLE, GenerateChunk, GenerateRequest, GenerateResponse
from service.services import services

router = APIRouter(tags=["generate"])


@router.post(
    "/generate",
    response_model=GenerateResponse,
    summary="Write code, or fill a gap in code",
    responses={
        200: {
            "description": "The code and the report; with `stream: true`, server-sent events.",
            "content": {"text/event-stream": {**EVENTS, "examples": {"stream": STREAM_EXAMPLE}}},
        },
        **{status: {"model": ErrorBody, "description": text} for status, text in ERRORS.items()},
    },
)
async def generate(
    body: GenerateRequest, request: Request, principal: Annotated[Principal, Depends(require("infer"))]
) -> Response:
    """Give `prompt` for new code, or `prefix` and `suffix` for the code between them.

    An option that this build does not have is refused with 400, never skipped.
    """
    request_id: str = request.state.request_id
    pieces = services(request).generate.run(body, principal, request_id, answers.headers(request))
    if body.stream:
        return answers.stream(request, _events(pieces, request_id))
    return await answers.whole(request, pieces, _report)


def _report(item: str | GenerateResponse) -> Response:
    # The pipeline's last item is always the report.
    report = cast("GenerateResponse", item)
    return Response(report.model_dump_json(), media_type="application/json")


async def _events(
    pieces: AsyncGenerator[str | GenerateResponse, None], request_id: str
) -> AsyncGenerator[str, None]:
    async with aclosing(pieces):
        async for piece in pieces:
            event = GenerateChunk(id=request_id, delta=piece) if isinstance(piece, str) else piece
            yield event.model_dump_json()
