"""The OpenAI API: `/v1/chat/completions`, `/v1/completions`, `/v1/models`."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from service.engine import ModelInfo
from service.errors import ErrorBody, NotFoundError
from service.keys import Principal, require
from service.routes import answers
from service.routes.documented import ERRORS, EVENTS
from service.schemas.common import ModelCard, ModelList
from service.schemas.openai import ChatCompletionBody, CompletionBody
from service.services import services
from service.validation import quoted

router = APIRouter(
    prefix="/v1",
    tags=["openai"],
    responses={status: {"model": ErrorBody, "description": text} for status, text in ERRORS.items()},
)
Caller = Annotated[Principal, Depends(require("infer"))]
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "As OpenAI's; with `stream: true`, server-sent events.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/event-stream": EVENTS,
        },
    }
}


@router.post("/chat/completions", responses=_ANSWER, summary="Answer a chat")
async def chat_completions(body: ChatCompletionBody, request: Request, principal: Caller) -> Response:
    """OpenAI's chat completion: streaming, n, stop, seed, logprobs, tools, JSON schemas."""
    headers = answers.headers(request)
    items = services(request).openai.chat(body, principal, request.state.request_id, headers)
    return await _answer(request, items, streams=bool(body.stream))


@router.post("/completions", responses=_ANSWER, summary="Continue a text, or fill a gap in it")
async def completions(body: CompletionBody, request: Request, principal: Caller) -> Response:
    """OpenAI's completion; with `suffix`, the model fills the gap between `prompt` and `suffix`."""
    headers = answers.headers(request)
    items = services(request).openai.complete(body, principal, request.state.request_id, headers)
    return await _answer(request, items, streams=bool(body.stream))


@router.get("/models", summary="List the models")
async def models(request: Request, principal: Caller) -> ModelList:
    """Give the one model that is loaded."""
    del principal
    return ModelList(data=[_card(services(request).engine.model)])


@router.get("/models/{model_id:path}", summary="Describe a model")
async def model(model_id: str, request: Request, principal: Caller) -> ModelCard:
    """Give one model, if it is here."""
    del principal
    info = services(request).engine.model
    if model_id != info.name:
        raise NotFoundError(
            f"model: expected {info.name!r}, the one served here; got {quoted(model_id)}.",
            param="model",
            code="model_not_found",
        )
    return _card(info)


def _card(info: ModelInfo) -> ModelCard:
    return ModelCard(id=info.name, created=info.created, max_model_len=info.max_model_len)


async def _answer(
    request: Request, items: AsyncGenerator[dict[str, Any] | str, None], *, streams: bool
) -> Response:
    if streams:
        return answers.stream(request, _texts(items))
    return await answers.whole(request, items, JSONResponse)


async def _texts(items: AsyncGenerator[dict[str, Any] | str, None]) -> AsyncGenerator[str, None]:
    async with aclosing(items):
        async for item in items:
            yield item if isinstance(item, str) else json.dumps(item)
