"""Tokens per second of the service against those of vLLM alone, in one run on one machine.

    round 1   bare │ service      bare     AsyncLLM in one process with its client, no HTTP
    round 2   bare │ service      service  `python -m service`, driven over HTTP from another process
    ...                           One engine at a time, the arms alternating: a machine that slows down slows both.

Both arms get the engine arguments of one plan, the same prompts in the same order, greedy, and answers that run into
max_tokens. Tokens are counted from what was generated, never from what was asked for.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from benchmarks.bare_engine import MARK
from benchmarks.client import connect, require_ready, run_async, send
from benchmarks.closed_loop import Answer, Case, Run, run_case
from benchmarks.engine_setup import EngineSetup
from benchmarks.errors import BenchmarkError, UnequalArmsError
from benchmarks.progress import Steps
from benchmarks.service_process import LoggedProcess, running_service
from benchmarks.workload import counting_call, counting_prompts

_POLL_SECONDS = 0.1
_REQUEST_SECONDS = 900.0
_START_SECONDS = 900.0
_CASE_SECONDS = 3600.0
_END_SECONDS = 60.0
_WARMUP_TOKENS = 8


@dataclass(frozen=True, slots=True)
class ThroughputPlan:
    """What to compare. Each batch size is measured streamed and whole, in every round of both arms."""

    batches: tuple[int, ...] = (1, 8, 32)
    rounds: int = 3
    requests_each: int = 2
    max_tokens: int = 64
    goal: float = 0.97

    def cases(self) -> list[Case]:
        """Give the cases. A batch of one gets more requests: it generates the fewest tokens."""
        cases: list[Case] = []
        first_prompt = 1000
        for batch, streaming in itertools.product(self.batches, (True, False)):
            each = self.requests_each * (2 if batch == 1 else 1)
            cases.append(Case(batch, streaming, each, self.max_tokens, first_prompt))
            first_prompt += cases[-1].num_requests
        return cases

    def warmup(self) -> Case:
        """Give what each engine does first, unmeasured: its first step at a size sets up kernels and buffers."""
        return Case(
            max(self.batches), streaming=True, requests_each=1, max_tokens=_WARMUP_TOKENS, first_prompt=0
        )

    @property
    def num_steps(self) -> int:
        """Steps of progress: a start and the cases, for each arm in each round."""
        return self.rounds * 2 * (1 + len(self.cases()))


@dataclass
class ThroughputResult:
    """Runs of both arms, a list for each case, in the order of the rounds."""

    plan: ThroughputPlan
    bare: list[list[Run]] = field(default_factory=list[list[Run]])
    service: list[list[Run]] = field(default_factory=list[list[Run]])

    def add(self, bare: Sequence[Run], service: Sequence[Run], *, strict: bool) -> None:
        """Add a round. Raises UnequalArmsError if the arms read different prompts and `strict`."""
        for ours, theirs in zip(service, bare, strict=True):
            if strict and ours.prompt_tokens != theirs.prompt_tokens:
                raise UnequalArmsError(
                    f"{ours.case.name}: the service read {ours.prompt_tokens} prompt tokens, vLLM alone "
                    f"{theirs.prompt_tokens}; expected equal prompts."
                )
        self.bare.append(list(bare))
        self.service.append(list(service))

    def as_dict(self) -> dict[str, Any]:
        """Give plan and runs as JSON values."""
        return {
            "plan": asdict(self.plan),
            "bare": [[run.as_dict() for run in runs] for runs in self.bare],
            "service": [[run.as_dict() for run in runs] for runs in self.service],
        }


def measure_throughput(
    plan: ThroughputPlan, setup: EngineSetup, steps: Steps, *, port: int | None = None
) -> ThroughputResult:
    """Run the rounds. Raises BenchmarkError if an arm fails or the arms differ."""
    result = ThroughputResult(plan)
    for number in range(1, plan.rounds + 1):
        label = f"round {number}/{plan.rounds}"
        bare = _bare_arm(plan, setup, steps, label)
        service = _service_arm(plan, setup, steps, label, port)
        result.add(bare, service, strict=not setup.is_fake)
    return result


def _bare_arm(plan: ThroughputPlan, setup: EngineSetup, steps: Steps, label: str) -> list[Run]:
    cases = plan.cases()
    request = {
        "engine_args": setup.engine_args,
        "environment": setup.environment,
        "warmup": asdict(plan.warmup()),
        "cases": [asdict(case) for case in cases],
    }
    steps.begin(f"{label}: vLLM alone, starting")
    command = [sys.executable, "-m", "benchmarks.bare_engine", json.dumps(request)]
    with LoggedProcess("vLLM alone", command) as process:
        _wait_for_results(process, 1, _START_SECONDS)
        steps.done()
        runs: list[Run] = []
        for case in cases:
            steps.begin(f"{label}: vLLM alone, {case.name}")
            message = _wait_for_results(process, len(runs) + 2, _CASE_SECONDS)[-1]
            runs.append(Run.from_dict(message["run"]))
            steps.done()
        process.wait(_END_SECONDS)
        return runs


def _wait_for_results(process: LoggedProcess, count: int, timeout_seconds: float) -> list[dict[str, Any]]:
    give_up = time.monotonic() + timeout_seconds
    while time.monotonic() < give_up:
        has_ended = process.exit_code is not None
        found = [
            json.loads(line.text.removeprefix(MARK)) for line in process.lines if line.text.startswith(MARK)
        ]
        if len(found) >= count:
            return found[:count]
        if has_ended:
            break
        time.sleep(_POLL_SECONDS)
    raise process.failed()


def _service_arm(
    plan: ThroughputPlan, setup: EngineSetup, steps: Steps, label: str, port: int | None
) -> list[Run]:
    steps.begin(f"{label}: service, starting")
    with running_service(setup.service_arguments, port=port) as service:
        setup.check_logged(service.process.lines)
        return run_async(_drive(service.base_url, plan, steps, label))


async def _drive(base_url: str, plan: ThroughputPlan, steps: Steps, label: str) -> list[Run]:
    async with connect(base_url) as client:
        await require_ready(client)
        await _run(client, plan.warmup())
        steps.done()
        runs: list[Run] = []
        for case in plan.cases():
            steps.begin(f"{label}: service, {case.name}")
            runs.append(await _run(client, case))
            steps.done()
        return runs


async def _run(client: httpx.AsyncClient, case: Case) -> Run:
    async def generate(prompt: str) -> Answer:
        call = counting_call(prompt, case.max_tokens, streaming=case.streaming)
        exchange = await send(client, call, _REQUEST_SECONDS)
        if not exchange.is_ok:
            raise BenchmarkError(
                f"{case.name}: a request ended with {exchange.outcome!r}; expected an answer."
            )
        return Answer(exchange.prompt_tokens, exchange.completion_tokens, exchange.text)

    try:
        return await run_case(case, counting_prompts(case.first_prompt), generate)
    except* BenchmarkError as group:
        raise group.exceptions[0] from None
