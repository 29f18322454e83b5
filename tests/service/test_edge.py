"""Each layer of the edge, in front of a small application; in process, so without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import Depends, FastAPI, Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Scope
from structlog.testing import capture_logs

from service.edge import guard
from service.errors import ServiceError
from service.head_guard import trusted_hosts
from service.key_file import new_key, write_keys
from service.keys import FailedLogins, KeyRing, Principal, require
from service.lifecycle import Lifecycle
from service.settings import AccessSettings, LimitSettings, ServerSettings, Settings

JSON = {"content-type": "application/json"}


class Site:
    """An application behind the edge, and a client for it."""

    def __init__(self, *, keys: KeyRing | None = None, **server: Any) -> None:
        self.settings = Settings(
            server=ServerSettings(body_timeout_seconds=0.2, **server),
            limits=LimitSettings(max_body_bytes=1024, max_json_depth=4, max_prompt_chars=100),
        )
        self.lifecycle = Lifecycle()
        self.lifecycle.mark_ready()
        self.app = FastAPI(middleware=guard(self.settings, self.lifecycle))
        self.app.state.keys = keys or KeyRing.open()
        self.app.state.logins = FailedLogins(3)
        self.app.post("/echo")(echo)
        self.app.get("/secret")(secret)
        self.app.get("/boom")(boom)
        self.app.get("/half")(half)
        self.app.get("/healthz")(lambda: {"state": "alive"})

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **options)


async def echo(request: Request) -> dict[str, Any]:
    request.state.response_headers = {"x-ratelimit-limit-requests": "7"}
    return {"parsed": request.state.json, "body": await request.json(), "id": request.state.request_id}


async def secret(principal: Principal = Depends(require("infer"))) -> dict[str, str]:  # noqa: B008
    return {"tenant": principal.tenant}


async def boom() -> None:
    raise ValueError("the prompt was: CANARY")


async def half() -> StreamingResponse:
    async def chunks() -> AsyncGenerator[bytes]:
        yield b"data: 1\n\n"
        raise ValueError("CANARY")

    return StreamingResponse(chunks())


def error_of(response: httpx.Response) -> dict[str, Any]:
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    return body["error"]


async def test_the_parsed_body_and_the_replayed_body_are_the_same() -> None:
    response = await Site().ask("POST", "/echo", json={"a": [1, "ä"]})
    assert response.json()["parsed"] == response.json()["body"] == {"a": [1, "ä"]}


@pytest.mark.parametrize("offered", ["abc-1.Z_9", "x" * 64])
async def test_a_plain_request_id_is_kept(offered: str) -> None:
    response = await Site().ask("POST", "/echo", json={}, headers={"x-request-id": offered})
    assert response.headers["x-request-id"] == response.json()["id"] == offered


@pytest.mark.parametrize("offered", ["", "x" * 65, "a b", "a\tb", "ä", "a/b", 'a"b'])
async def test_any_other_request_id_is_replaced(offered: str) -> None:
    response = await Site().ask("POST", "/echo", json={}, headers={"x-request-id": offered.encode()})
    made = response.headers["x-request-id"]
    assert made.startswith("req-")
    assert len(made) == 28
    assert response.json()["id"] == made


async def test_answers_carry_the_security_headers_and_those_of_the_route_and_no_cors() -> None:
    site = Site()
    for response in (
        await site.ask("POST", "/echo", json={}, headers={"origin": "https://evil.example"}),
        await site.ask("POST", "/echo", content=b"["),
        await site.ask("GET", "/boom"),
    ):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert not [name for name in response.headers if name.startswith("access-control")]
    assert (await site.ask("POST", "/echo", json={})).headers["x-ratelimit-limit-requests"] == "7"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=UTF-8", 200),
        ('application/json;charset="utf-8"', 200),
        ("application/json; charset=utf8", 200),
        ("application/json; charset=latin-1", 400),
        ("application/json; charset=utf-16", 400),
        ("application/json; boundary=x", 400),
        ("application/jsonp", 400),
        ("text/plain", 400),
        ("multipart/form-data; boundary=x", 400),
        ("application/x-www-form-urlencoded", 400),
        ("", 400),
    ],
)
async def test_only_json_in_utf_8_is_read(content_type: str, status: int) -> None:
    response = await Site().ask("POST", "/echo", content=b"{}", headers={"content-type": content_type})
    assert response.status_code == status
    if status == 400:
        assert error_of(response)["type"] == "invalid_request_error"


async def test_a_body_without_content_type_is_refused() -> None:
    assert (await Site().ask("POST", "/echo", content=b"{}")).status_code == 400


@pytest.mark.parametrize("encoding", ["gzip", "identity", "br, gzip", ""])
async def test_encoded_bodies_are_refused(encoding: str) -> None:
    headers = {**JSON, "content-encoding": encoding}
    response = await Site().ask("POST", "/echo", content=b"{}", headers=headers)
    assert response.status_code == 400
    assert "Content-Encoding" in error_of(response)["message"]


@pytest.mark.parametrize(("size", "status"), [(1024, 200), (1025, 413), (50_000, 413)])
async def test_the_body_bound_holds_with_and_without_a_length(size: int, status: int) -> None:
    body = b"[" + b" " * (size - 2) + b"]"

    async def chunks() -> AsyncGenerator[bytes]:
        for i in range(0, size, 100):
            yield body[i : i + 100]

    assert (await Site().ask("POST", "/echo", content=body, headers=JSON)).status_code == status
    assert (await Site().ask("POST", "/echo", content=chunks(), headers=JSON)).status_code == status


@pytest.mark.parametrize("length", ["-1", "1e3", "٣", "", "0x10", "1" * 5000])
async def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    headers = {**JSON, "content-length": length.encode()}
    response = await Site().ask("POST", "/echo", content=b"{}", headers=headers)
    assert response.status_code in (400, 413)


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"a":1,"a":2}', b"[[[[[]]]]]", b"NaN", b'"\\ud800"', b'"\\u0000"', b"\xff"]
)
async def test_what_strict_json_refuses_is_answered_400(body: bytes) -> None:
    response = await Site().ask("POST", "/echo", content=body, headers=JSON)
    assert response.status_code == 400
    assert error_of(response)["type"] == "invalid_request_error"


@pytest.mark.parametrize(("chars", "status"), [(99, 200), (100, 400)])
async def test_the_text_of_a_request_is_bounded(chars: int, status: int) -> None:
    half_of_it = "ä" * (chars // 2)
    body = {"a": [half_of_it, {"b": "ä" * (chars - len(half_of_it) - 1)}]}
    assert (await Site().ask("POST", "/echo", json=body)).status_code == status


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD", "OPTIONS"])
async def test_methods_without_a_body_refuse_one(method: str) -> None:
    assert (await Site().ask(method, "/healthz", content=b"{}", headers=JSON)).status_code == 400


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("api.example.org", 200),
        ("API.Example.org:8000", 200),
        ("api.example.org.", 200),
        ("a.b.sub.example.com", 200),
        ("sub.example.com", 400),
        ("evilsub.example.com", 400),
        ("evil.example", 400),
        ("[::1]:80", 200),
        ("", 400),
        ("a b", 400),
        ("api.example.org/healthz", 400),
        ("api.example.org:port", 400),
        ("user@api.example.org", 400),
        ("api.example.org?x=.sub.example.com", 400),
        ("a..sub.example.com", 400),
        ("[::1", 400),
    ],
)
async def test_only_trusted_hosts_are_served(host: str, status: int) -> None:
    site = Site(trusted_hosts=("api.example.org", "*.sub.example.com", "[::1]"))
    response = await site.ask("GET", "/secret", headers={"host": host})
    assert response.status_code == status


async def test_probes_answer_under_any_well_formed_host() -> None:
    site = Site(trusted_hosts=("api.example.org",))
    assert (await site.ask("GET", "/healthz", headers={"host": "10.0.0.7:8000"})).status_code == 200
    assert (await site.ask("GET", "/healthz", headers={"host": "a b"})).status_code == 400


def test_without_keys_any_host_means_loopback_names() -> None:
    assert trusted_hosts(Settings()) == ("localhost", "127.0.0.1", "[::1]", "127.0.0.1")
    named = Settings(server=ServerSettings(trusted_hosts=("dev.example", "*")))
    assert trusted_hosts(named)[-1] == "dev.example"
    assert trusted_hosts(Settings(access=AccessSettings(keys_file=Path("keys.json")))) == ("*",)


@pytest.mark.parametrize("name", ["content-type", "host", "authorization", "content-length"])
async def test_headers_that_must_be_single_are(name: str) -> None:
    headers = [
        ("content-type", "application/json"),
        ("host", "localhost"),
        ("authorization", "x"),
        (name, "2"),
    ]
    response = await Site().ask("POST", "/echo", content=b"{}", headers=[*headers, (name, "2")])
    assert response.status_code == 400


@pytest.mark.parametrize(("extra", "status"), [(90, 200), (101, 400)])
async def test_the_number_of_headers_is_bounded(extra: int, status: int) -> None:
    headers = [("x-a", "1")] * extra
    assert (await Site().ask("GET", "/healthz", headers=headers)).status_code == status


async def test_an_unknown_exception_is_500_with_the_id_alone() -> None:
    with capture_logs() as logs:
        response = await Site().ask("GET", "/boom", headers={"x-request-id": "my-id"})
    assert response.status_code == 500
    assert "my-id" in error_of(response)["message"]
    assert "CANARY" not in response.text
    assert [entry for entry in logs if entry["event"] == "unhandled exception"]


async def test_a_failure_in_mid_answer_adds_nothing() -> None:
    messages = await exchange(Site().app, {"path": "/half"}, [])
    assert [message["type"] for message in messages] == ["http.response.start", "http.response.body"]
    assert messages[-1]["more_body"]


@pytest.mark.parametrize(
    ("state", "code"), [("starting", "starting"), ("draining", "draining"), ("dead", "engine_dead")]
)
async def test_requests_are_refused_unless_ready_but_probes_pass(state: str, code: str) -> None:
    site = Site()
    site.lifecycle = Lifecycle()
    site.app = FastAPI(middleware=guard(site.settings, site.lifecycle))
    site.app.state.keys = KeyRing.open()
    site.app.get("/healthz")(lambda: {"state": "alive"})
    if state == "draining":
        site.lifecycle.begin_drain()
    if state == "dead":
        site.lifecycle.mark_dead("test")
    response = await site.ask("POST", "/echo", json={})
    assert (response.status_code, error_of(response)["code"]) == (503, code)
    assert int(response.headers["retry-after"]) >= 1
    assert (await site.ask("GET", "/healthz")).status_code == 200
    assert ("connection" in response.headers) == (state != "starting")


async def test_open_requests_are_counted_until_the_last_byte() -> None:
    site = Site()
    counts: list[int] = []
    site.app.get("/count")(lambda: counts.append(site.lifecycle.open_requests))
    site.app.get("/readyz")(lambda: counts.append(site.lifecycle.open_requests))
    await site.ask("GET", "/count")
    await site.ask("GET", "/readyz")
    await site.ask("GET", "/boom")
    assert counts == [1, 0]
    assert site.lifecycle.open_requests == 0
    assert await site.lifecycle.wait_idle(0)


async def test_strangers_are_refused_before_their_body_is_read(tmp_path: Path) -> None:
    record, key = new_key("acme", frozenset({"infer"}))
    write_keys(tmp_path / "keys.json", (record,))
    site = Site(keys=KeyRing.load(tmp_path / "keys.json"))
    read: list[str] = []

    async def receive() -> Message:
        read.append("read")
        return {"type": "http.request", "body": b"{}", "more_body": False}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await site.app(scope_of({"method": "POST", "path": "/echo"}), receive, send)
    assert sent[0]["status"] == 401
    assert not read
    response = await site.ask("POST", "/echo", json={}, headers={"authorization": f"Bearer {key}"})
    assert response.status_code == 200
    for expected in (401, 401, 429):
        response = await site.ask("GET", "/secret", headers={"authorization": "Bearer x"})
        # The route's errors are answered by the edge too, whether the application handles them or not.
        assert response.status_code == expected


async def test_the_access_line_tells_sizes_and_hides_the_rest() -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        await Site().ask("POST", "/echo?q=CANARY", json={"p": "CANARY"}, headers={"x-a": "CANARY"})
        await Site().ask("GET", "/healthz")
    line, probe = (entry for entry in logs if entry["event"] == "request")
    assert (line["method"], line["path"], line["status"], line["bytes_in"]) == ("POST", "/echo", 200, 14)
    assert line["bytes_out"] > 0
    assert line["duration_ms"] >= 0
    assert line["request_id"].startswith("req-")
    assert line["client_left"] is False
    assert len(line["tenant"]) == 12
    assert "CANARY" not in json.dumps(logs)
    assert probe["log_level"] == "debug"


async def test_disconnect_reaches_the_route_after_its_body_was_replayed() -> None:
    seen: list[str] = []

    async def watch(request: Request) -> None:
        seen.append((await request.body()).decode())
        seen.append((await request.receive())["type"])

    site = Site()
    site.app.post("/watch")(watch)
    with capture_logs() as logs:
        await exchange(site.app, {"method": "POST", "path": "/watch"}, [b"[1", b"]"])
    assert seen == ["[1]", "http.disconnect"]
    assert logs[-1]["client_left"] is True


async def test_a_client_that_leaves_within_its_body_gets_no_answer() -> None:
    assert await exchange(Site().app, {"method": "POST", "path": "/echo"}, [b"[1"], ends=False) == []


async def test_a_request_cut_by_the_server_is_told_so() -> None:
    site = Site()

    async def sleep() -> None:
        await asyncio.sleep(10)

    site.app.get("/nap")(sleep)
    messages: list[Message] = []
    task = asyncio.create_task(exchange(site.app, {"path": "/nap"}, [], into=messages))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert messages[0]["status"] == 503
    assert site.lifecycle.open_requests == 0


def test_every_error_of_the_edge_has_a_status_other_than_422() -> None:
    pending: list[type[ServiceError]] = [ServiceError]
    while pending:
        kind = pending.pop()
        assert kind.status != 422
        pending.extend(kind.__subclasses__())


def scope_of(changes: dict[str, Any]) -> Scope:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "state": {},
        **changes,
        "raw_path": changes["path"].encode(),
    }


async def exchange(
    app: FastAPI,
    changes: dict[str, Any],
    chunks: list[bytes],
    *,
    ends: bool = True,
    into: list[Message] | None = None,
) -> list[Message]:
    """Run one request on the bare interface: the body in chunks, then a disconnect."""
    more = [True] * (len(chunks) - 1) + [not ends]
    events: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": is_more}
        for chunk, is_more in zip(chunks, more, strict=False)
    ]
    sent = [] if into is None else into

    async def receive() -> Message:
        return events.pop(0) if events else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope_of(changes), receive, send)
    return sent
