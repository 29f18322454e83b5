"""One request to the service, with a time for every event of its answer. Never raises for what a server does."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
import uvicorn

from benchmarks.errors import ServiceUnreachableError
from benchmarks.workload import Call

T = TypeVar("T")

OK = "ok"
_NO_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)
# `send` counts its own time, so that a request's whole life has one limit.
_NO_TIMEOUT = httpx.Timeout(None)


@dataclass(slots=True)
class Exchange:
    """What came of one request. Times are time.perf_counter seconds.

    outcome            "ok", "503 starting" (status and code), "timeout", "cut" (no [DONE]), "error CODE" in
                       mid-stream, or "transport NAME"
    events             when each piece of text came; one entry for an answer in one body
    completion_tokens  from the answer's usage, else the number of events
    """

    sent: float
    ended: float = 0.0
    outcome: str = "cut"
    events: list[float] = field(default_factory=list[float])
    prompt_tokens: int = 0
    completion_tokens: int = 0
    text: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the whole answer came."""
        return self.outcome == OK


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvicorn's choice of event loop: the faster one costs the measured service less CPU."""
    loop_factory = uvicorn.Config(lambda: None, log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(work)


@asynccontextmanager
async def connect(base_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    """Open a client without a bound on connections: a pool that fills up would turn open loop into closed."""
    key = os.environ.get("CODEFUSION_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(
        base_url=base_url, headers=headers, limits=_NO_LIMITS, timeout=_NO_TIMEOUT, trust_env=False
    ) as client:
        yield client


async def require_ready(client: httpx.AsyncClient) -> None:
    """Raise ServiceUnreachableError unless the service takes requests."""
    try:
        answer = await client.get("/readyz", timeout=10)
    except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ServiceUnreachableError(
            f"No service answers at {client.base_url}: {error or type(error).__name__}. Start one (`make serve`), "
            "or leave --base-url out to have one started."
        ) from error
    if answer.status_code != HTTPStatus.OK:
        raise ServiceUnreachableError(
            f"The service at {client.base_url} is not ready: {_outcome(answer.status_code, answer.content)}."
        )


async def send(client: httpx.AsyncClient, call: Call, timeout_seconds: float) -> Exchange:
    """Send one request and take its whole answer."""
    exchange = Exchange(sent=time.perf_counter())
    try:
        async with asyncio.timeout(timeout_seconds):
            async with client.stream("POST", call.route, json=call.body) as response:
                if response.status_code != HTTPStatus.OK:
                    exchange.outcome = _outcome(response.status_code, await response.aread())
                elif call.body.get("stream"):
                    await _read_events(response, exchange)
                else:
                    _take(json.loads(await response.aread()), exchange)
                    exchange.outcome = OK
    except TimeoutError:
        exchange.outcome = "timeout"
    except httpx.TransportError as error:
        exchange.outcome = f"transport {type(error).__name__}"
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
        exchange.outcome = "unreadable"
    exchange.ended = time.perf_counter()
    exchange.completion_tokens = exchange.completion_tokens or len(exchange.events)
    return exchange


async def _read_events(response: httpx.Response, exchange: Exchange) -> None:
    async for line in response.aiter_lines():
        if not line.startswith("data: "):
            continue
        payload = line.removeprefix("data: ")
        if payload == "[DONE]":
            exchange.outcome = OK if exchange.outcome == "cut" else exchange.outcome
            return
        _take(json.loads(payload), exchange)


def _take(event: dict[str, Any], exchange: Exchange) -> None:
    if (error := event.get("error")) is not None:
        exchange.outcome = f"error {error.get('code') or error.get('type')}"
        return
    if (usage := event.get("usage")) is not None:
        exchange.prompt_tokens = usage["prompt_tokens"]
        exchange.completion_tokens = usage["completion_tokens"]
    choices: list[dict[str, Any]] = event.get("choices") or []
    text: str = event.get("delta") or "".join(choice.get("text") or "" for choice in choices)
    if text:
        exchange.events.append(time.perf_counter())
        exchange.text += text


def _outcome(status: int, body: bytes) -> str:
    try:
        error = json.loads(body)["error"]
        return f"{status} {error.get('code') or error['type']}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return str(status)
