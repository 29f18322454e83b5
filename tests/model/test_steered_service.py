"""Control vectors through the real service: knobs in a request change what its engine's processes compute."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from tests.model.conftest import Service, running_service
from tests.model.test_steering import random_vectors

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(600)]

BODIES: dict[str, dict[str, Any]] = {
    "/generate": {"prompt": "Say whether n is prime.", "temperature": 0.0, "max_tokens": 24},
    "/v1/chat/completions": {
        "messages": [{"role": "user", "content": "Write a Python function that says whether n is prime."}],
        "temperature": 0.0,
        "max_tokens": 24,
    },
    "/v1/completions": {"prompt": "def is_prime(n):\n", "temperature": 0.0, "max_tokens": 24},
}


@pytest.fixture(scope="module")
def steered(tmp_path_factory: pytest.TempPathFactory) -> Generator[Service]:
    folder = random_vectors(tmp_path_factory.mktemp("vectors"))
    with running_service(
        tmp_path_factory.mktemp("service"), steering__folder=folder, engine__threads=1
    ) as service:
        yield service


def ask(service: Service, route: str, style: dict[str, float]) -> tuple[str, dict[str, float]]:
    """Give the text, and what the report says of steering."""
    options: dict[str, Any] = {"style": style}
    body = {**BODIES[route], **(options if route == "/generate" else {"codefusion": options})}
    with service.http() as client:
        response = client.post(route, json=body)
    assert response.is_success, response.text
    answer = response.json()
    if route == "/generate":
        return answer["code"], answer["steering"]
    choice = answer["choices"][0]
    return choice.get("text") or choice["message"]["content"], answer["codefusion"]["steering"]


@pytest.mark.parametrize("route", BODIES)
def test_a_knob_changes_the_answer_and_only_that_requests(steered: Service, route: str) -> None:
    # A beginning from the cache rounds otherwise in bfloat16 than one that is read: all that is compared is from there.
    for style in ({}, {"push": 1.0}):
        ask(steered, route, style)
    before, nothing = ask(steered, route, {})
    pushed, knobs = ask(steered, route, {"push": 1.0})
    pushed_again, _ = ask(steered, route, {"push": 1.0})
    after, _ = ask(steered, route, {"push": 0.0})
    assert (nothing, knobs) == ({}, {"push": 1.0})
    assert before == after
    assert pushed == pushed_again != before


def test_every_candidate_is_steered(steered: Service) -> None:
    pushed, _ = ask(steered, "/generate", {"push": 1.0})
    with steered.http() as client:
        # As good as greedy, which vLLM refuses to do several times.
        body = {
            **BODIES["/generate"],
            "style": {"push": 1.0},
            "candidates": 3,
            "temperature": 0.001,
            "seed": 1,
        }
        response = client.post("/generate", json=body)
    assert response.is_success, response.text
    answer = response.json()
    # Equal, unless another batch size turns a close call.
    assert answer["code"][:12] == pushed[:12]
    assert answer["steering"] == {"push": 1.0}


def test_what_is_loaded_is_listed_and_counted(steered: Service) -> None:
    ask(steered, "/generate", {"other": -1.0})
    with steered.http() as client:
        assert [style["id"] for style in client.get("/v1/styles").json()["data"]] == ["other", "push"]
        refused = client.post("/generate", json={"prompt": "x", "verbosity": 1})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unknown_style")
    assert steered.metric("codefusion_steered_requests_total") >= 1
