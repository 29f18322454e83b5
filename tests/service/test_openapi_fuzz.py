"""The whole API under generated requests, valid and not: it keeps to its own OpenAPI document and never fails."""

from __future__ import annotations

import time
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
# Operations with a body; the others have next to nothing to vary.
EXAMPLES, FEW_EXAMPLES = 340, 40


@pytest.fixture(scope="module")
def app() -> Iterator[FastAPI]:
    """The service, as schemathesis runs it: in a loop of its own, under the name `testserver`."""
    made = create_app(
        settings_with(
            server__trusted_hosts=("testserver",),
            access__requests_per_minute=0,
            access__max_concurrent=0,
        ),
        FakeEngine(),
        seats=18,
    )
    yield made
    shutdown_lifespans()


def test_generated_requests_get_what_the_document_promises(app: FastAPI) -> None:
    # Keys have their own tests; here they would only make every second request a 401.
    config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
    schema = schemathesis.openapi.from_dict(app.openapi(), config=config)
    answers: Counter[tuple[str, int]] = Counter()
    for found in schema.get_all_operations():
        operation = found.ok()
        has_body = operation.method == "post"
        for mode in GenerationMode:

            @settings(
                max_examples=EXAMPLES if has_body else FEW_EXAMPLES,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def requests_conform(case: Case) -> None:
                response = case.call_and_validate(app=app, checks=CHECKS)
                answers[operation.label, response.status_code] += 1

            requests_conform()
    print(answers)
    assert answers.total() >= 2000
