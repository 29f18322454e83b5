"""The comparison of the evaluation's sampling with a load generator, against a FakeEngine service."""

from __future__ import annotations

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.evaluation_sampling import Plan, Speed, main, measure, ratios
from evaluation.arms import ARMS
from evaluation.errors import SandboxMissingError
from evaluation.scoring import Scorer
from evaluation.suites.python_functions import human_eval
from service.fake_engine import FakeEngine
from tests.conftest import Serve
from tests.evaluation.rows import human_eval_row

PROBLEMS = tuple(human_eval(human_eval_row(f"Own/{number}")) for number in range(6))


def plan(port: int, **fields: object) -> Plan:
    values = {"problems": PROBLEMS, "arm": ARMS["generate"], "concurrency": 3, "rounds": 2, **fields}
    return Plan(f"http://127.0.0.1:{port}", **values)  # pyright: ignore[reportArgumentType]


async def test_every_arm_asks_for_the_same_answers(over_socket: Serve) -> None:
    try:
        Scorer()
    except SandboxMissingError as error:
        pytest.skip(f"no sandbox works here: {error}")
    engine = FakeEngine(token_seconds=0.005)
    async with over_socket(engine) as running:
        found = await measure(plan(running.port))
    assert {len(speeds) for speeds in found.values()} == {2}
    assert len({speed.tokens for speeds in found.values() for speed in speeds}) == 1
    # Six problems, three arms in two rounds, and one round to warm up.
    assert len(engine.requests) == 6 * (3 * 2 + 1)
    prompts = [getattr(request, "prompt_token_ids", None) for request in engine.requests]
    assert len(set(prompts)) == 1, "the problems are alike, so all their prompts are"


async def test_a_refused_request_is_no_result(over_socket: Serve) -> None:
    async with over_socket(limits__max_tokens=8) as running:
        with pytest.raises(BenchmarkError, match="400"):
            await measure(plan(running.port))


async def test_an_arm_of_another_route_is_refused(over_socket: Serve) -> None:
    async with over_socket() as running:
        with pytest.raises(BenchmarkError, match="--arm"):
            await measure(plan(running.port, arm=ARMS["chat"]))


def test_ratios_are_of_medians() -> None:
    found = {
        "load generator": [Speed(100, 1.0), Speed(100, 2.0), Speed(100, 1.0)],
        "sampling": [Speed(100, 1.25), Speed(100, 9.0), Speed(100, 1.25)],
    }
    assert ratios(found) == {"load generator": 1.0, "sampling": 0.8}


def test_a_service_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--base-url", "http://127.0.0.1:9", "--data", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
