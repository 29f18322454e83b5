"""Does the evaluation's sampling keep the engine as busy as a load generator does? Same requests, arms in turn.

    load generator         a closed loop of `--concurrency` clients, nothing else
    sampling               `evaluation.sampling` with as many workers: records on disk, openai's client
    sampling and scoring   the same, with every answer judged in the sandbox meanwhile

    python -m benchmarks.evaluation_sampling --base-url http://127.0.0.1:8000 --limit 64 --rounds 3

Every arm asks for the same greedy answers, so all generate the same tokens; what is compared is tokens per second. A
first round, not counted, fills the prefix cache for all of them. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import connect, require_ready, send
from benchmarks.errors import BenchmarkError, UnequalArmsError
from benchmarks.workload import Call, Route
from evaluation.arms import Arm, find_arm
from evaluation.client import ServiceClient
from evaluation.errors import EvaluationError
from evaluation.problems import Problem
from evaluation.prompts import request_for
from evaluation.records import Record, read_records
from evaluation.run_folder import RunConfig, RunFolder, problems_digest
from evaluation.sampling import Pace, request_seed, sample_run
from evaluation.scoring import Scorer
from evaluation.suites import load_suite

GOAL = 0.95
# bfloat16 rounds otherwise in batches of another make-up, and now and then an answer goes another way.
_MOST_APART = 0.05
_PATIENCE_SECONDS = 120.0
_ROUTES: dict[str, Route] = {"/generate": "/generate", "/v1/completions": "/v1/completions"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked, and how hard."""

    base_url: str
    problems: tuple[Problem, ...]
    arm: Arm
    concurrency: int
    rounds: int
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Speed:
    """One arm in one round."""

    tokens: int
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        """Tokens generated, by the wall clock from the first request to the last answer."""
        return self.tokens / self.seconds


class _Silent:
    def sampled(self, record: Record) -> None:
        pass

    def scored(self, verdict: Record) -> None:
        pass

    def interrupted(self) -> None:
        pass


async def measure(plan: Plan) -> dict[str, list[Speed]]:
    """Run every arm in each round, in turn. Raises BenchmarkError, EvaluationError."""
    arms: dict[str, Callable[[Plan], Awaitable[Speed]]] = {
        "load generator": _load_generator,
        "sampling": lambda plan: _sampling(plan, scores=False),
        "sampling and scoring": lambda plan: _sampling(plan, scores=True),
    }
    await _load_generator(plan)
    found: dict[str, list[Speed]] = {name: [] for name in arms}
    for _ in range(plan.rounds):
        for name, arm in arms.items():
            found[name].append(await arm(plan))
            print(f"{name:22}{found[name][-1].tokens_per_second:8.1f} tokens/s", flush=True)
    tokens = {speed.tokens for speeds in found.values() for speed in speeds}
    if max(tokens) - min(tokens) > _MOST_APART * max(tokens):
        raise UnequalArmsError(
            f"Expected the same answers from each arm; the tokens differ: {sorted(tokens)}."
        )
    return found


def ratios(found: dict[str, list[Speed]]) -> dict[str, float]:
    """Give each arm's median speed by the load generator's."""
    medians = {name: statistics.median(s.tokens_per_second for s in speeds) for name, speeds in found.items()}
    return {name: median / medians["load generator"] for name, median in medians.items()}


async def _load_generator(plan: Plan) -> Speed:
    calls = iter([_call(problem, plan) for problem in plan.problems])
    tokens = 0

    async def client() -> None:
        nonlocal tokens
        for call in calls:
            exchange = await send(http, call, 600.0)
            if not exchange.is_ok:
                raise BenchmarkError(f"{call.route}: expected an answer; got {exchange.outcome}.")
            tokens += exchange.completion_tokens

    async with connect(plan.base_url) as http:
        await require_ready(http)
        begun = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(plan.concurrency)))
        return Speed(tokens, time.perf_counter() - begun)


def _call(problem: Problem, plan: Plan) -> Call:
    request = request_for(
        problem, plan.arm, plan.arm.temperature_or(0.0), request_seed(0, 0), plan.max_tokens
    )
    if request.path not in _ROUTES:
        raise BenchmarkError(f"--arm: expected one that asks {' or '.join(_ROUTES)}; got {request.path}.")
    return Call(_ROUTES[request.path], request.body)


async def _sampling(plan: Plan, *, scores: bool) -> Speed:
    async with ServiceClient(plan.base_url) as client:
        model = await client.model()
    config = RunConfig(
        suite=plan.problems[0].suite,
        arm=plan.arm.name,
        route=plan.arm.route,
        overrides=plan.arm.overrides,
        model=model,
        base_url=plan.base_url,
        num_problems=len(plan.problems),
        problems_sha256=problems_digest(plan.problems),
        samples=1,
        seeds=1,
        temperature=plan.arm.temperature_or(0.0),
        max_tokens=plan.max_tokens,
    )
    pace = Pace(plan.concurrency, _PATIENCE_SECONDS)
    async with AsyncExitStack() as stack:
        folder = RunFolder(
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="codefusion-bench-"))) / "run"
        )
        folder.open(config)
        score = (await stack.enter_async_context(Scorer(pace.scorers))).score if scores else None
        await sample_run(folder, config, plan.problems, score, _Silent(), pace)
        # The run's own record of its sampling: what is judged after the last answer is not in it.
        (session,) = read_records(folder.sessions_file)
        return Speed(session["completion_tokens"], session["seconds"])


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; give 0, 1 when sampling is slower than the goal, 2 when there is no result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluation_sampling", description="Sampling ÷ load generator."
    )
    parser.add_argument("--base-url", required=True, help="of a running service")
    parser.add_argument("--suite", default="humaneval")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="default: ../shared/data")
    parser.add_argument("--arm", default="raw", help="raw or generate (default: raw)")
    parser.add_argument("--limit", type=int, default=64, help="the first problems only (default: 64)")
    parser.add_argument("--concurrency", type=int, default=32, help="requests at once (default: 32)")
    parser.add_argument("--rounds", type=int, default=3, help="of each arm (default: 3)")
    parser.add_argument(
        "--max-tokens",
        type=int,
        default=128,
        help="of an answer (default: 128; with long ones, a few that never end decide each arm's time)",
    )
    given = parser.parse_args(words)
    if min(given.limit, given.concurrency, given.rounds, given.max_tokens or 1) < 1:
        parser.error("--limit, --concurrency, --rounds, --max-tokens: expected at least 1")
    try:
        problems = load_suite(given.suite, given.data).problems[: given.limit]
        plan = Plan(
            given.base_url, problems, find_arm(given.arm), given.concurrency, given.rounds, given.max_tokens
        )
        found = ratios(asyncio.run(measure(plan)))
    except (BenchmarkError, EvaluationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name, ratio in found.items():
        print(f"{name:22}{ratio:8.3f} of the load generator")
    print(f"goal: sampling at {GOAL:.2f} or more")
    return 0 if found["sampling"] >= GOAL else 1


if __name__ == "__main__":
    raise SystemExit(main())
