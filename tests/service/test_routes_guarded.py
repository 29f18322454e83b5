"""No route is open by accident: every one but the probes asks for a key, and for the right scope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from service.app import create_app
from service.fake_engine import FakeEngine
from service.key_file import Scope
from service.keys import require
from tests.conftest import KeyFile, Running, Serve, settings_with

PROBES = {"/healthz", "/readyz"}
SCOPES: dict[tuple[str, str], Scope] = {
    ("POST", "/generate"): "infer",
    ("POST", "/v1/chat/completions"): "infer",
    ("POST", "/v1/completions"): "infer",
    ("GET", "/v1/models"): "infer",
    ("GET", "/v1/models/{model_id:path}"): "infer",
    ("GET", "/v1/styles"): "infer",
    ("GET", "/v1/indexes"): "infer",
    ("POST", "/v1/indexes/{name}/reload"): "admin",
    ("GET", "/openapi.json"): "infer",
    ("GET", "/metrics"): "metrics",
}
# What a right key gets where there is nothing to be done.
NOTHING_THERE = {"/v1/indexes/{name}/reload": 404}
OTHERS: dict[Scope, tuple[Scope, Scope]] = {
    "infer": ("admin", "metrics"),
    "metrics": ("infer", "admin"),
    "admin": ("infer", "metrics"),
}
BODIES: dict[str, dict[str, Any]] = {
    "/generate": {"prompt": "x"},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "x"}]},
    "/v1/completions": {"prompt": "x"},
    "/v1/indexes/{name}/reload": {},
}


def app_with(**overrides: Any) -> FastAPI:
    return create_app(settings_with(**overrides), FakeEngine(), seats=1)


def scopes_of(dependant: Dependant) -> set[str]:
    own = {scope} if (scope := getattr(dependant.call, "required_scope", None)) else set[str]()
    return own.union(*map(scopes_of, dependant.dependencies))


def guarded(app: FastAPI) -> dict[tuple[str, str], str | None]:
    """Give the scope of every route; None where there is none. Fails on what it cannot look into."""

    def walk(routes: list[BaseRoute]) -> Iterator[tuple[tuple[str, str], str | None]]:
        for route in routes:
            inner = getattr(route, "routes", None)
            if inner is not None:
                yield from walk(inner)
                continue
            assert isinstance(route, Route), f"{route!r} is no plain route"
            scopes = scopes_of(route.dependant) if isinstance(route, APIRoute) else set[str]()
            for method in (route.methods or {"GET"}) - {"HEAD"}:
                yield (method, route.path), ",".join(sorted(scopes)) or None

    return dict(walk(list(app.routes)))


def test_every_route_but_the_probes_asks_for_its_scope() -> None:
    assert guarded(app_with()) == {**SCOPES, **{("GET", path): None for path in PROBES}}


def test_an_open_route_would_be_found() -> None:
    app = app_with()
    app.get("/leak")(lambda: "secret")
    app.get("/kept", dependencies=[Depends(require("admin"))])(lambda: "secret")
    found = guarded(app)
    assert found["GET", "/leak"] is None
    assert found["GET", "/kept"] == "admin"


def test_metrics_are_open_only_by_a_setting_and_the_document_can_be_left_out() -> None:
    assert guarded(app_with(access__metrics_public=True))["GET", "/metrics"] is None
    assert ("GET", "/openapi.json") not in guarded(app_with(server__docs=False))


async def ask(service: Running, method: str, path: str, headers: dict[str, str]) -> int:
    template = path
    path = path.replace("{model_id:path}", "fake").replace("{name}", "none")
    body = BODIES.get(template) if method == "POST" else None
    answer = await service.client.request(method, path, json=body, headers=headers)
    if answer.status_code in (401, 403):
        error = answer.json()["error"]
        assert error["type"] == {401: "authentication_error", 403: "permission_error"}[answer.status_code]
        assert ("www-authenticate" in answer.headers) is (answer.status_code == 401)
    return answer.status_code


@pytest.mark.parametrize(("method", "path"), SCOPES, ids=lambda value: value)
async def test_a_route_opens_to_a_key_with_its_scope_alone(
    in_process: Serve, key_file: KeyFile, method: str, path: str
) -> None:
    scope = SCOPES[method, path]
    right, everything = key_file.add("acme", scope), key_file.add("acme")
    wrong = key_file.add("acme", *OTHERS[scope])
    bearer = right["Authorization"]
    async with in_process(access__keys_file=key_file.path) as service:
        assert await ask(service, method, path, right) == NOTHING_THERE.get(path, 200)
        assert await ask(service, method, path, everything) == NOTHING_THERE.get(path, 200)
        assert await ask(service, method, path, wrong) == 403
        for value in ("", "Bearer", "Bearer x", bearer[:-1], bearer + "x", f"Basic {bearer[7:]}", bearer[7:]):
            assert await ask(service, method, path, {"Authorization": value}) == 401
        assert await ask(service, method, path, {}) == 401
        assert await ask(service, method, path, {"X-Api-Key": bearer[7:]}) == 401
    assert all(request.request_id for request in service.engine.requests)


@pytest.mark.parametrize("path", sorted(PROBES))
async def test_probes_are_open(in_process: Serve, key_file: KeyFile, path: str) -> None:
    async with in_process(access__keys_file=key_file.path) as service:
        assert (await service.client.get(path)).status_code == 200


async def test_without_keys_everyone_on_this_machine_may_call(in_process: Serve) -> None:
    async with in_process() as service:
        for method, path in SCOPES:
            assert await ask(service, method, path, {}) == NOTHING_THERE.get(path, 200)


@pytest.mark.parametrize(
    "path",
    [
        "/docs",
        "/redoc",
        "/tokenize",
        "/detokenize",
        "/invocations",
        "/pause",
        "/sleep",
        "/collective_rpc",
        "/update_weights",
        "/server_info",
        "/load",
        "/version",
        "/v1/load_lora_adapter",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/messages",
        "/generate/",
        "/v1/completions/render",
        "//generate",
        "/GENERATE",
    ],
)
async def test_nothing_else_is_served(in_process: Serve, path: str) -> None:
    async with in_process() as service:
        for method in ("GET", "POST"):
            answer = await service.client.request(
                method, f"http://127.0.0.1{path}", json={} if method == "POST" else None
            )
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "not_found"
            assert path in answer.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path"), SCOPES, ids=lambda value: value)
async def test_another_method_is_405_and_says_which(in_process: Serve, method: str, path: str) -> None:
    async with in_process() as service:
        answer = await service.client.request("DELETE", path.replace("{model_id:path}", "fake"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == method


def test_the_document_names_every_route_and_no_422() -> None:
    document = app_with().openapi()
    documented = {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    hidden = {("GET", "/openapi.json")}
    assert {
        (method, path.replace("{model_id:path}", "{model_id}")) for method, path in guarded(app_with())
    } - hidden == set(documented)
    for (_, path), operation in documented.items():
        assert "422" not in operation["responses"]
        assert ("security" in operation) is (path not in PROBES)
        assert path in PROBES or {"401", "403"} <= set(operation["responses"])
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])
