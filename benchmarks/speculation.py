"""Completions under the mask with guessed tokens, against completions without either: tokens per second.

    python -m benchmarks.speculation                       both services are started here, one after the other
    python -m benchmarks.speculation --tokens 96 --files 12 --clients 1 8

Prompts are beginnings of real files (CPython, JDK, Go), cut anywhere, continued greedily, as an editor asks. An answer
that ends by itself counts the tokens it has. Guesses come from the prompt's own n-grams, so files that repeat
themselves gain most. The first pass of each arm fills the prefix cache and is not counted. Leave the machine alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from benchmarks.client import connect, require_ready, run_async, send
from benchmarks.closed_loop import Answer, Case, run_case
from benchmarks.engine_setup import resolve
from benchmarks.errors import BenchmarkError
from benchmarks.parse_cases import ParseCase, gap_cases
from benchmarks.report import Section, Table, number, show
from benchmarks.service_process import running_service
from benchmarks.stats import Spread
from benchmarks.workload import Call
from service.hardware import detect

_REQUEST_SECONDS = 600.0
_ACCEPTED, _GUESSED = "vllm:spec_decode_num_accepted_tokens", "vllm:spec_decode_num_draft_tokens"
Key = tuple[int, int, bool]  # guessed tokens, clients, masked


@dataclass
class Rates:
    """Tokens per second of one arm, a value for each round, and what became of its guesses."""

    values: list[float] = field(default_factory=list[float])
    accepted: float = 0.0
    guessed: float = 0.0

    @property
    def spread(self) -> Spread:
        """The rounds together."""
        return Spread(tuple(self.values))


@dataclass(frozen=True)
class Plan:
    """What is asked: each arm answers every prompt once a round."""

    cases: tuple[ParseCase, ...]
    tokens: int
    clients: tuple[int, ...]
    rounds: int


async def measure(base_url: str, plan: Plan, guessed: int) -> dict[Key, Rates]:
    """Run every arm of one service, in turn. Raises BenchmarkError."""
    found: dict[Key, Rates] = {}
    async with connect(base_url) as client:
        await require_ready(client)
        for clients in plan.clients:
            for round_number in range(-1, plan.rounds):
                for masked in (False, True):
                    rates = found.setdefault((guessed, clients, masked), Rates())
                    before = await _guesses(client)
                    speed = await _run(client, plan, clients, masked=masked)
                    if round_number < 0:
                        continue
                    after = await _guesses(client)
                    rates.values.append(speed)
                    rates.accepted += after[0] - before[0]
                    rates.guessed += after[1] - before[1]
    return found


async def _run(client: httpx.AsyncClient, plan: Plan, clients: int, *, masked: bool) -> float:
    languages = {case.before: case.language for case in plan.cases}

    async def generate(prompt: str) -> Answer:
        body: dict[str, Any] = {
            "prompt": prompt,
            "max_tokens": plan.tokens,
            "temperature": 0.0,
            "stream": False,
        }
        if masked:
            body["codefusion"] = {"syntax": "enforce", "language": languages[prompt]}
        exchange = await send(client, Call("/v1/completions", body), _REQUEST_SECONDS)
        if not exchange.is_ok:
            raise BenchmarkError(f"expected an answer; a request ended with {exchange.outcome!r}")
        return Answer(exchange.prompt_tokens, exchange.completion_tokens, exchange.text)

    each = len(plan.cases) // clients
    case = Case(clients, streaming=False, requests_each=each, max_tokens=plan.tokens, first_prompt=0)
    try:
        return (await run_case(case, [case.before for case in plan.cases], generate)).tokens_per_second
    except* BenchmarkError as group:
        raise group.exceptions[0] from None


async def _guesses(client: httpx.AsyncClient) -> tuple[float, float]:
    page = (await client.get("/metrics")).text
    sums = {_ACCEPTED: 0.0, _GUESSED: 0.0}
    for family in text_string_to_metric_families(page):
        if family.name in sums:
            sums[family.name] += sum(s.value for s in family.samples if s.name.endswith("_total"))
    return sums[_ACCEPTED], sums[_GUESSED]


def section(found: dict[Key, Rates], plan: Plan) -> Section:
    """Give the table; a ratio is to the same clients without mask and guesses."""
    rows: list[tuple[str, ...]] = []
    for (guessed, clients, masked), rates in sorted(found.items(), key=lambda item: (item[0][1], *item[0])):
        base = found[0, clients, False].spread.median
        spread = rates.spread
        rows.append(
            (
                f"{clients}",
                f"{guessed}",
                "masked" if masked else "raw",
                f"{number(spread.median)} ({number(spread.low)} - {number(spread.high)})",
                f"{spread.median / base:.2f}",
                f"{rates.accepted:.0f} of {rates.guessed:.0f}" if rates.guessed else "",
            )
        )
    columns = ("clients", "guessed", "arm", "tokens/s", "÷ raw, none guessed", "guesses taken")
    title = f"{len(plan.cases)} files continued, {plan.tokens} tokens at most, greedy, {plan.rounds} rounds"
    return Section("speculation", (Table(title, columns, tuple(rows)),), {})


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; give 0, or 1 after saying why there is no result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speculation", description=__doc__)
    parser.add_argument("--guessed", type=int, default=4, help="n-gram guesses a step (default: 4)")
    parser.add_argument("--files", type=int, default=16, help="(default: 16)")
    parser.add_argument("--tokens", type=int, default=64, help="of an answer at most (default: 64)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], help="at once (default: 1 8)")
    parser.add_argument("--rounds", type=int, default=2, help="(default: 2)")
    parser.add_argument("--config", type=Path, help="the service's configuration file")
    parser.add_argument("--model", default="qwen2.5-coder-0.5b-instruct")
    given = parser.parse_args(words)
    # What is left of a gap is the beginning of a file.
    cases = tuple(case for case in gap_cases(given.files * 4, given.tokens, seed=7) if len(case.before) > 200)
    plan = Plan(
        cases[:: max(1, len(cases) // given.files)][: given.files],
        given.tokens,
        tuple(given.clients),
        given.rounds,
    )
    found: dict[Key, Rates] = {}
    try:
        for guessed in (0, given.guessed):
            settings = {"model.id": given.model, "engine.speculative_ngram_tokens": str(guessed)}
            setup = resolve(given.config, settings, detect(), least_seqs=max(plan.clients))
            with running_service(setup.service_arguments) as service:
                found |= run_async(measure(service.base_url, plan, guessed))
    except BenchmarkError as error:
        print(f"python -m benchmarks.speculation: {error}", file=sys.stderr)
        return 1
    show(section(found, plan), Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
