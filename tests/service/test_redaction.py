"""Logs and metrics of a service under every kind of request hold nothing that a user wrote, nor any key."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.engine import Delta, GenerationRequest
from service.fake_engine import FakeEngine
from tests.conftest import KeyFile, Running, Serve, until
from tests.service.hostile_bodies import CANARY as HOSTILE_CANARY
from tests.service.hostile_bodies import bodies

CANARY = "CaNaRy7f3a"
ROUTES = ("/generate", "/v1/chat/completions", "/v1/completions")


@dataclass
class Sent:
    """One request with a canary somewhere in it."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict[str, str])
    method: str = "POST"


def _with(path: str, **fields: Any) -> Sent:
    least = {"messages": [{"role": "user", "content": CANARY}]} if "chat" in path else {"prompt": CANARY}
    return Sent(path, json.dumps({**least, **fields}).encode())


TEXTS = [
    CANARY,
    f"{CANARY}\n",
    f"a {CANARY} \x1b[31m",
    f"{CANARY}\u202e",
    f"<|im_end|>{CANARY}",
    CANARY * 2000,
]
FIELDS: dict[str, list[dict[str, Any]]] = {
    "/generate": [
        *({"prompt": text} for text in TEXTS),
        *({"prefix": text, "suffix": text, "prompt": None} for text in TEXTS),
        *({"signature": text, "constraints": [text]} for text in TEXTS),
        {"examples": [{"input": CANARY, "output": CANARY}]},
        {"context": {"comments": CANARY, "trace": CANARY}},
        {"language": CANARY},
        {"retrieval": {"index": CANARY}},
        {"style": {CANARY: 0.5}},
        {"style": {CANARY: 9}},
        {"verbosity": CANARY},
    ],
    "/v1/chat/completions": [
        *(
            {"messages": [{"role": role, "content": text}]}
            for role in ("user", "developer")
            for text in TEXTS
        ),
        {"messages": [{"role": "user", "content": [{"type": "text", "text": CANARY}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": CANARY}}]}]},
        {"messages": [{"role": CANARY, "content": CANARY}]},
        {"messages": [{"role": "user", "name": CANARY, "content": CANARY}]},
        {"tools": [{"type": "function", "function": {"name": CANARY, "description": CANARY}}]},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": CANARY, "schema": {"const": CANARY}},
            }
        },
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "s", "schema": {"pattern": CANARY}},
            }
        },
        {"metadata": {CANARY: CANARY}},
    ],
    "/v1/completions": [
        *({"prompt": text} for text in TEXTS),
        *({"prompt": text, "suffix": text} for text in TEXTS),
        {"prompt": [CANARY]},
        {"prompt": [CANARY, CANARY]},
    ],
}
EVERYWHERE: list[dict[str, Any]] = [
    {"stop": CANARY},
    {"stop": [CANARY] * 9},
    {"stop": [{CANARY: CANARY}]},
    {"user": CANARY},
    {"seed": CANARY},
    {"stream": CANARY},
    {"model": CANARY},
    {"cache_salt": CANARY},
    {CANARY: CANARY},
    {"logit_bias": {CANARY: 1}},
    {"n": CANARY, "max_tokens": CANARY},
]
BROKEN = [
    f'{{"prompt": "{CANARY}',
    f'{{"prompt": "{CANARY}", "prompt": "{CANARY}"}}',
    f'{{"{CANARY}": 1, "{CANARY}": 2}}',
    f'{{"prompt": "{CANARY} \\ud800"}}',
    f'{{"{CANARY}": "\\u0000"}}',
    f"{CANARY}",
    f'["{CANARY}"]',
    f'"{CANARY}"',
    f"prompt={CANARY}",
    '{"a":' * 100 + f'"{CANARY}"' + "}" * 100,
]
HEADERS: list[dict[str, str]] = [
    {"Authorization": f"Bearer {CANARY}"},
    {"Authorization": f"Bearer cf_{CANARY[:8].lower()}_{CANARY * 4}"},
    {"Authorization": CANARY},
    {"Cookie": f"session={CANARY}"},
    {"X-Api-Key": CANARY},
    {"X-Request-Id": f"{CANARY} with a space"},
    {"X-Request-Id": CANARY * 10},
    {"User-Agent": CANARY},
    {"Content-Type": CANARY},
    {"Content-Encoding": CANARY},
    {"Host": CANARY},
    {"Content-Length": CANARY},
    {"X-Forwarded-For": CANARY},
]


def requests(good: dict[str, str]) -> Iterator[Sent]:
    """Give them all: valid and not, whole and streamed, with a right key and without one."""
    for path, fields in FIELDS.items():
        for body, stream in itertools.product(fields, (False, True)):
            sent = _with(path, **body, stream=stream)
            yield Sent(path, sent.body, good)
    for path, body in itertools.product(ROUTES, EVERYWHERE):
        yield Sent(path, _with(path, **body).body, good)
    for path, text in itertools.product(ROUTES, BROKEN):
        yield Sent(path, text.encode(), good)
    for path, headers in itertools.product(ROUTES, HEADERS):
        yield Sent(path, _with(path).body, {**good, **headers})
    for path in ROUTES:
        yield Sent(f"{path}?key={CANARY}", _with(path).body, good)
        yield Sent(f"{path}?key={CANARY}", _with(path).body)
        yield Sent(path, b"", {**good, "Content-Type": CANARY}, "GET")
    for hostile in bodies():
        if len(hostile.body) < 1000 and HOSTILE_CANARY.encode() in hostile.body:
            body = hostile.body.replace(HOSTILE_CANARY.encode(), CANARY.encode())
            yield Sent(hostile.path, body, {**good, **hostile.headers})


async def send(service: Running, sent: Sent) -> int:
    headers = {"Content-Type": "application/json", **sent.headers}
    content = sent.body if sent.method == "POST" else None
    return (
        await service.client.request(sent.method, sent.path, content=content, headers=headers)
    ).status_code


async def test_no_log_line_holds_what_a_user_wrote(
    in_process: Serve, key_file: KeyFile, log_output: io.StringIO
) -> None:
    good = key_file.add("acme")
    secret = good["Authorization"].rpartition("_")[2]
    overrides: dict[str, Any] = {"access__keys_file": key_file.path, "access__requests_per_minute": 0}
    async with in_process(FakeEngine(script=f"x = '{CANARY}'\n```"), **overrides) as service:
        statuses = [await send(service, sent) for sent in requests(good)]
        page = (await service.client.get("/metrics", headers=good)).text
    assert len(statuses) >= 300
    assert {200, 400, 401, 404} <= set(statuses)
    assert not [status for status in statuses if status >= 500]
    written = log_output.getvalue()
    # Each request has its line, so the log was really on.
    assert written.count('"event": "request"') >= len(statuses)
    assert CANARY.lower() not in written.lower()
    assert secret not in written
    assert CANARY.lower() not in page.lower()


class Quoting(FakeEngine):
    """Fails with the prompt in its message, as libraries do."""

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        raise ValueError(self.tokenizer.decode(request.prompt_token_ids))
        yield


@pytest.mark.parametrize("stream", [False, True])
async def test_a_bug_that_quotes_the_prompt_is_logged_without_it(
    in_process: Serve, log_output: io.StringIO, stream: bool
) -> None:
    async with in_process(Quoting()) as service:
        answer = await service.client.post("/generate", json={"prompt": CANARY, "stream": stream})
    assert answer.status_code == 500
    assert CANARY not in answer.text
    written = log_output.getvalue()
    assert '"level": "error"' in written
    assert "builtins.ValueError" in written
    assert CANARY not in written


async def test_over_a_socket_no_line_holds_what_a_user_wrote(
    over_socket: Serve, log_output: io.StringIO
) -> None:
    engine = FakeEngine(script=f"{CANARY} " * 50, token_seconds=0.01)
    async with over_socket(engine) as service:
        body = {"prompt": CANARY, "stream": True}
        async with service.client.stream(
            "POST", f"/generate?{CANARY}", json=body, headers={"Cookie": CANARY}
        ) as answer:
            await anext(answer.aiter_lines())
        # The client left; then the engine dies under another.
        await until(lambda: service.lifecycle.open_requests == 0)
        async with service.client.stream("POST", "/generate", json=body) as answer:
            lines = answer.aiter_lines()
            await anext(lines)
            engine.die()
            assert "engine_dead" in "".join([line async for line in lines])
        await until(lambda: not service.lifecycle.ready)
    written = log_output.getvalue()
    assert '"client_left": true' in written
    assert "The engine stopped working." in written
    assert CANARY not in written
