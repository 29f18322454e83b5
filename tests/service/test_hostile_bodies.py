"""Bodies made to hurt: each gets the answer it deserves, in OpenAI's form, and the service goes on as before."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.conftest import Running, serve_in_process
from tests.service.hostile_bodies import CANARY, LEAST, Hostile, bodies

pytestmark = pytest.mark.asyncio(loop_scope="module")
BODIES = bodies()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service() -> AsyncGenerator[Running]:
    """One service for all of them, as in life."""
    async with serve_in_process(access__requests_per_minute=0) as running:
        yield running


async def test_there_are_hundreds_over_all_three_routes() -> None:
    assert len(BODIES) > 400
    assert {hostile.path for hostile in BODIES} == set(LEAST)


@pytest.mark.parametrize("hostile", BODIES, ids=lambda hostile: hostile.name)
async def test_a_hostile_body_gets_its_answer(service: Running, hostile: Hostile) -> None:
    answer = await service.client.post(hostile.path, content=hostile.body, headers=hostile.headers)
    assert answer.status_code == hostile.status, answer.text[:300]
    if hostile.status != 200:
        error = answer.json()["error"]
        assert answer.headers["content-type"] == "application/json"
        assert set(error) == {"message", "type", "param", "code"}
        assert error["type"] == "invalid_request_error"
        assert error["param"] == hostile.param
        assert 0 < len(error["message"]) <= 600
        assert error["message"].isprintable()
        assert CANARY not in answer.text
        assert "Traceback" not in answer.text
    assert (await service.client.get("/readyz")).status_code == 200
    normal = await service.client.post("/generate", json={"prompt": "x"})
    assert normal.json()["code"] == "def answer(x):\n    return x + 1\n"


async def test_nothing_is_left_behind(service: Running) -> None:
    admission = service.app.state.services.admission
    assert (service.engine.num_open, admission.seats_taken, admission.num_waiting) == (0, 0, 0)
    page = (await service.client.get("/metrics")).text
    assert "codefusion_open_requests 0.0" in page
    assert 'status="500"' not in page
    assert CANARY not in page
