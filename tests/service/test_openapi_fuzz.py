"""The whole API under generated requests, valid and not: it keeps to its own OpenAPI document and never fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from service.app import create_app
from service.fake_engine import FakeEngine
from tests.conftest import settings_with

pytestmark = pytest.mark.slow
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
VALID, INVALID = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
POSTS = ["/generate", "/v1/chat/completions", "/v1/completions", "/v1/indexes/{name}/reload"]
GETS = ["/v1/models", "/v1/models/{model_id}", "/v1/styles", "/v1/indexes", "/healthz", "/readyz", "/metrics"]
# Routes with a body, each with valid and with invalid requests: 2,040 and a few.
EXAMPLES, FEW_EXAMPLES = 340, 20


@pytest.fixture(scope="module")
def app() -> Iterator[FastAPI]:
    """The service as schemathesis runs it: in a loop of its own, under the name `testserver`."""
    overrides: dict[str, Any] = {
        "server__trusted_hosts": ("testserver",),
        "access__requests_per_minute": 0,
        "access__max_concurrent": 0,
    }
    yield create_app(settings_with(**overrides), FakeEngine(), seats=18)
    shutdown_lifespans()


@pytest.fixture(scope="module")
def schema(app: FastAPI) -> Any:
    # Keys have their own tests; here they would only make every second request a 401.
    config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
    return schemathesis.openapi.from_dict(app.openapi(), config=config)


def test_every_operation_is_tried(schema: Any) -> None:
    documented = {operation.ok().label for operation in schema.get_all_operations()}
    assert documented == {*(f"POST {path}" for path in POSTS), *(f"GET {path}" for path in GETS)}


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        *(("POST", path, mode) for path in POSTS for mode in (VALID, INVALID)),
        *(("GET", path, VALID) for path in GETS),
    ],
    ids=str,
)
def test_generated_requests_get_what_the_document_promises(
    app: FastAPI, schema: Any, method: str, path: str, mode: GenerationMode
) -> None:
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES if method == "POST" else FEW_EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def keeps_to_the_document(case: Case[Any]) -> None:
        statuses[case.call_and_validate(app=app, checks=CHECKS).status_code] += 1

    keeps_to_the_document()
    if method == "POST":
        assert statuses.total() >= EXAMPLES
        # Else the generator would try nothing but the front door. There is no index whose name it could guess.
        done = 404 if "{name}" in path else 200
        assert (done in statuses) is (mode is VALID)
