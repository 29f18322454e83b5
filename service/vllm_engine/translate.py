"""vLLM's errors in the service's words."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.exceptions import GracefulHTTPError, VLLMClientError, VLLMNotFoundError
from vllm.v1.engine.exceptions import EngineDeadError as VllmEngineDeadError

from service.errors import (
    BadRequestError,
    EngineDeadError,
    InternalError,
    NotFoundError,
    ServerBusyError,
    ServiceError,
)

ENGINE_DEAD = "The engine stopped working. The process restarts; try again."


def to_service_error(error: Exception) -> ServiceError:
    """Give the service's error for one of vLLM's.

    vLLM's messages about the request are kept, since they say what was expected; anything else is an internal
    error without details.
    """
    match error:
        case ServiceError():
            return error
        case VllmEngineDeadError():
            return EngineDeadError(ENGINE_DEAD, retry_after=10)
        case VLLMNotFoundError():
            return NotFoundError(str(error))
        case VLLMClientError():
            # `str` of a validation error repeats the rejected value, which may be the prompt.
            message = str(error.args[0]) if error.args else "The request is invalid."
            return _bad_request(message, getattr(error, "parameter", None))
        case GracefulHTTPError():
            return ServerBusyError(error.message, retry_after=5)
        case ValidationError():
            return _from_validation(error)
        case ValueError() | TypeError() | OverflowError():
            # vLLM still raises bare ones for bad requests (its own handlers answer 400 for them).
            return BadRequestError(str(error)[:500])
        case _:
            return InternalError("The engine failed on this request.")


def _from_validation(error: ValidationError) -> BadRequestError:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    param = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    return BadRequestError(first["msg"], param=param or None)


def from_error_response(response: ErrorResponse) -> ServiceError:
    """Give the service's error for an answer of vLLM's OpenAI handlers."""
    return _from_fields(response.error.code, response.error.message, response.error.param)


def from_error_payload(payload: str) -> ServiceError | None:
    """Give the error that a stream's event carries, or None when the event is none."""
    if not payload.startswith('{"error"'):
        return None
    detail: dict[str, Any] = json.loads(payload)["error"]
    return _from_fields(int(detail.get("code") or 500), str(detail.get("message", "")), detail.get("param"))


def _from_fields(status: int, message: str, param: str | None) -> ServiceError:
    if "EngineCore" in message or "EngineDeadError" in message:
        return EngineDeadError(ENGINE_DEAD, retry_after=10)
    if status == NotFoundError.status:
        return NotFoundError(message, param=param, code="model_not_found")
    if status == ServerBusyError.status:
        return ServerBusyError(message, retry_after=5)
    if 400 <= status < 500:
        return _bad_request(message, param)
    return InternalError("The engine failed on this request.")


def _bad_request(message: str, param: str | None) -> BadRequestError:
    """Give OpenAI's code for a prompt that does not fit; vLLM calls the field `input_tokens`, which no client sent."""
    if param == "input_tokens" or "maximum context length" in message:
        return BadRequestError(message, code="context_length_exceeded")
    return BadRequestError(message, param=param)
