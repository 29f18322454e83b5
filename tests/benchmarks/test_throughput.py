"""The closed loop and the comparison of the two arms; the whole comparison, rehearsed, is marked slow."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from benchmarks.closed_loop import Answer, Case, Run, run_case
from benchmarks.engine_setup import EngineSetup, resolve
from benchmarks.errors import BenchmarkError, ModelMissingError, UnequalArmsError
from benchmarks.progress import steps
from benchmarks.service_process import LogLine
from benchmarks.throughput import ThroughputPlan, ThroughputResult, measure_throughput
from benchmarks.throughput_report import compare, throughput_section
from service.hardware import Cpu, Hardware, Memory
from service.settings import load_settings

PLAN = ThroughputPlan(batches=(1, 4), rounds=2, requests_each=2, max_tokens=8)
HARDWARE = Hardware(Cpu("x", "x86_64", (0, 1), (0, 1), None, frozenset()), Memory(8 << 30, 4 << 30))
SETUP = EngineSetup(load_settings(None, {"engine.backend": "fake"}, {}), (), {}, {}, {"block_size": 32})


def runs(tokens_per_second: float, *, prompt_tokens: int = 10) -> list[Run]:
    return [
        Run(case, case.num_requests * 8 / tokens_per_second, prompt_tokens, case.num_requests * 8, ("a", "b"))
        for case in PLAN.cases()
    ]


async def test_a_closed_loop_keeps_so_many_requests_open_and_no_more() -> None:
    open_requests: list[int] = [0]
    most = 0

    async def generate(prompt: str) -> Answer:
        nonlocal most
        open_requests[0] += 1
        most = max(most, open_requests[0])
        await asyncio.sleep(0.001)
        open_requests[0] -= 1
        return Answer(len(prompt), 2, prompt)

    case = Case(4, streaming=True, requests_each=3, max_tokens=2, first_prompt=0)
    run = await run_case(case, [f"{i:03d}" for i in range(100)], generate)
    assert most == 4
    assert (run.prompt_tokens, run.completion_tokens, len(run.digests)) == (36, 24, 12)
    assert run.seconds > 0
    assert Run.from_dict(run.as_dict()) == run


async def test_digests_follow_the_order_of_the_prompts() -> None:
    async def generate(prompt: str) -> Answer:
        await asyncio.sleep(0.01 if prompt == "0" else 0)
        return Answer(1, 1, prompt)

    case = Case(2, streaming=False, requests_each=2, max_tokens=1, first_prompt=0)
    slow_first = await run_case(case, ["0", "1", "2", "3"], generate)
    alone = await run_case(replace(case, concurrency=1, requests_each=4), ["0", "1", "2", "3"], generate)
    assert slow_first.digests == alone.digests


def test_no_two_cases_share_a_prompt() -> None:
    used: list[int] = []
    for case in (PLAN.warmup(), *PLAN.cases()):
        used += range(case.first_prompt, case.first_prompt + case.num_requests)
    assert len(used) == len(set(used))


def test_the_ratio_is_of_the_medians_of_tokens_really_generated() -> None:
    result = ThroughputResult(PLAN)
    result.add(runs(100), runs(99), strict=True)
    result.add(runs(110), runs(104.8), strict=True)
    for comparison in compare(result):
        assert comparison.ratio == pytest.approx(101.9 / 105)
        assert comparison.ratios.low == pytest.approx(104.8 / 110)
        assert comparison.added_seconds == pytest.approx(comparison.case.concurrency * (1 / 101.9 - 1 / 105))
        assert (comparison.full_answers, comparison.same_answers) == (1, 1)


@pytest.mark.parametrize(("service", "verdict"), [(97.1, "pass"), (96.9, "MISS")])
def test_the_goal_is_judged(service: float, verdict: str) -> None:
    result = ThroughputResult(PLAN)
    result.add(runs(100), runs(service), strict=True)
    (table,) = throughput_section(result, SETUP).tables
    assert {row[-1] for row in table.rows} == {verdict}
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_arms_with_different_prompts_are_refused() -> None:
    with pytest.raises(UnequalArmsError, match="prompt tokens"):
        ThroughputResult(PLAN).add(runs(1), runs(1, prompt_tokens=11), strict=True)


@pytest.mark.parametrize(("value", "is_equal"), [("32", True), ("16", False)])
def test_a_service_that_runs_another_engine_is_refused(value: str, is_equal: bool) -> None:
    line = LogLine(1.0, f'{{"event": "engine_choice", "choice": "block_size", "value": {value}}}')
    if is_equal:
        SETUP.check_logged([line, LogLine(1.1, 'no JSON "engine_choice"')])
    else:
        with pytest.raises(UnequalArmsError, match="block_size: bare 32, service 16"):
            SETUP.check_logged([line])


def test_the_fake_backend_needs_no_model() -> None:
    setup = resolve(None, {"engine.backend": "fake"}, HARDWARE)
    assert setup.is_fake
    assert "engine.backend=fake" in setup.service_arguments


def test_a_missing_model_is_named(tmp_path: object) -> None:
    overrides = {"model.cache_dir": str(tmp_path)}
    with pytest.raises(ModelMissingError, match=r"model_store fetch qwen2\.5-coder-0\.5b-instruct"):
        resolve(None, overrides, HARDWARE)
    with pytest.raises(BenchmarkError, match="no-such-model"):
        resolve(None, {**overrides, "model.id": "no-such-model"}, HARDWARE)


def test_a_bad_setting_is_named() -> None:
    with pytest.raises(BenchmarkError, match=r"engine\.threads"):
        resolve(None, {"engine.threads": "none"}, HARDWARE)


@pytest.mark.slow
def test_the_whole_comparison_rehearsed_without_a_model() -> None:
    setup = resolve(None, {"engine.backend": "fake"}, HARDWARE)
    plan = replace(PLAN, rounds=1)
    with steps(plan.num_steps) as progress:
        result = measure_throughput(plan, setup, progress)
    (table,) = throughput_section(result, setup).tables
    assert len(table.rows) == 4
    assert table.notes[0].startswith("REHEARSAL")
    assert all(comparison.same_answers == 1 for comparison in compare(result))
