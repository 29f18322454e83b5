"""The service over HTTP, by the openai client: OpenAI's routes, and /generate on the same connections.

A request ends in one of four ways: an Answer; Busy (try again: the server is full, starting, draining, or not
there); RequestRefusedError (it does not do what was asked); or an Answer with `refused`, when only this prompt was
refused (too long), which is a failed sample and not the end of the run.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self, cast

import openai

from evaluation.errors import RequestRefusedError, ServiceDownError
from evaluation.prompts import Request

_PROMPT_FIELDS: Final = frozenset({"prompt", "prefix", "suffix", "messages"})
_BUSY: Final = frozenset({408, 409, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `seconds` is from sending to the whole answer, queueing at the server included."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    refused: str | None = None
    report: dict[str, Any] | None = None


class BusyError(Exception):
    """No answer now; worth another try after `wait_seconds`.

    is_deadline   the request was worked on until the service's deadline: another try costs as much
    """

    def __init__(self, reason: str, wait_seconds: float | None, *, is_deadline: bool = False) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds
        self.is_deadline = is_deadline


class ServiceClient:
    """One service. The API key comes from CODEFUSION_API_KEY, as in the service's own tools.

    timeout_seconds   long, since the service has a deadline of its own, and says when it has passed
    """

    def __init__(self, base_url: str, timeout_seconds: float = 7200.0) -> None:
        self.base_url = base_url.rstrip("/").removesuffix("/v1")
        key = os.environ.get("CODEFUSION_API_KEY", "")
        # Environment variables for proxies are not honoured: most services asked are on this machine.
        self._openai = openai.AsyncOpenAI(
            base_url=f"{self.base_url}/v1",
            api_key=key or "none",
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False, timeout=timeout_seconds),
        )
        self._model = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._openai.close()

    async def model(self) -> str:
        """Give the name of the model that is served. Raises ServiceDownError, RequestRefusedError."""
        if not self._model:
            try:
                self._model = (await self._openai.models.list()).data[0].id
            except (openai.APIConnectionError, IndexError) as error:
                raise ServiceDownError(
                    f"no service answers at {self.base_url} ({error}). Start one: python -m service"
                ) from error
            except openai.APIStatusError as error:
                raise RequestRefusedError(
                    f"{self.base_url}/v1/models: {_message(error.response)[0]}"
                ) from error
        return self._model

    async def send(self, request: Request) -> Answer:
        """Send one request. Raises BusyError, RequestRefusedError."""
        started = time.perf_counter()
        try:
            text, reason, usage, report = await self._dispatch(request)
        except openai.APIStatusError as error:
            return _refusal(error.response, time.perf_counter() - started, error)
        except openai.APIConnectionError as error:
            raise BusyError(f"{type(error).__name__}: {error}", None) from error
        seconds = time.perf_counter() - started
        return Answer(
            text, reason, usage["prompt_tokens"], usage["completion_tokens"], seconds, report=report
        )

    async def _dispatch(self, request: Request) -> tuple[str, str, dict[str, int], dict[str, Any] | None]:
        body, model = dict(request.body), await self.model()
        if request.path == "/generate":
            # An absolute address: this route lies beside /v1, not below it.
            answer = await self._openai.post(f"{self.base_url}/generate", cast_to=object, body=body)
            report = cast("dict[str, Any]", answer)
            kept = {
                key: report[key]
                for key in ("candidates", "syntax", "retrieved", "retrieval", "steering", "timings_ms")
                if key in report
            }
            return report["code"], report["finish_reason"], report["usage"], kept
        if request.path == "/v1/chat/completions":
            messages = body.pop("messages")
            chat = await self._openai.chat.completions.create(model=model, messages=messages, extra_body=body)
            first = chat.choices[0]
            return first.message.content or "", first.finish_reason, _usage(chat.usage), None
        done = await self._openai.completions.create(model=model, prompt=body.pop("prompt"), extra_body=body)
        return done.choices[0].text, done.choices[0].finish_reason, _usage(done.usage), None


def _usage(usage: Any) -> dict[str, int]:
    if usage is None:
        return {"prompt_tokens": 0, "completion_tokens": 0}
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}


def _refusal(response: Any, seconds: float, cause: Exception) -> Answer:
    status, (message, param) = response.status_code, _message(response)
    if status in _BUSY:
        is_deadline = status == HTTPStatus.GATEWAY_TIMEOUT
        raise BusyError(
            f"HTTP {status}: {message}", _retry_after(response), is_deadline=is_deadline
        ) from cause
    if param in _PROMPT_FIELDS or status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Answer("", "refused", 0, 0, seconds, refused=f"HTTP {status}: {message}")
    raise RequestRefusedError(f"the service refuses the request: HTTP {status}: {message}", param) from cause


def _message(response: Any) -> tuple[str, str | None]:
    try:
        error = cast("dict[str, Any]", response.json()["error"])
        return str(error["message"]), error.get("param")
    except (ValueError, KeyError, TypeError):
        return response.text[:200], None


def _retry_after(response: Any) -> float | None:
    try:
        return float(response.headers.get("Retry-After", ""))
    except ValueError:
        return None
