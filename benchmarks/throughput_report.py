"""The comparison of the two arms as a table, with its goal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.closed_loop import Case
from benchmarks.engine_setup import EngineSetup
from benchmarks.report import Section, Table, number
from benchmarks.stats import Spread
from benchmarks.throughput import ThroughputResult

_NOTES: tuple[str, ...] = (
    "Rates: median over the rounds (lowest to highest). Ratio: of the medians (range of the rounds' own ratios).",
    "Added: what one step of the whole batch takes longer through the service.",
    "Same: prompts whose greedy text is equal in both arms, in the first round.",
    "Batches form at other moments in each run, and bfloat16 sums depend on the batch: some answers may differ.",
    "The service's client is a process of its own on this machine; vLLM alone has its client inside.",
)


# What a reader needs to know of the engine; the whole list is in the JSON. max_num_seqs holds the largest batch.
_NAMED = ("dtype", "max_num_seqs", "max_num_batched_tokens", "distributed_executor_backend", "enforce_eager")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One case in both arms."""

    case: Case
    bare: Spread
    service: Spread
    ratios: Spread
    full_answers: float
    same_answers: float

    @property
    def ratio(self) -> float:
        """Service over bare, of the medians."""
        return self.service.median / self.bare.median

    @property
    def added_seconds(self) -> float:
        """What the service adds to one step of the whole batch."""
        return self.case.concurrency * (1 / self.service.median - 1 / self.bare.median)


def compare(result: ThroughputResult) -> list[Comparison]:
    """Give one comparison for each case."""
    return [_compare(result, i, case) for i, case in enumerate(result.plan.cases())]


def _compare(result: ThroughputResult, index: int, case: Case) -> Comparison:
    bare = [runs[index] for runs in result.bare]
    service = [runs[index] for runs in result.service]
    asked = case.num_requests * case.max_tokens
    pairs = list(zip(bare[0].digests, service[0].digests, strict=True))
    return Comparison(
        case=case,
        bare=Spread(tuple(run.tokens_per_second for run in bare)),
        service=Spread(tuple(run.tokens_per_second for run in service)),
        ratios=Spread(
            tuple(
                ours.tokens_per_second / theirs.tokens_per_second
                for ours, theirs in zip(service, bare, strict=True)
            )
        ),
        full_answers=min(run.completion_tokens for run in (*bare, *service)) / asked,
        same_answers=sum(theirs == ours for theirs, ours in pairs) / len(pairs),
    )


def throughput_section(result: ThroughputResult, setup: EngineSetup) -> Section:
    """Give the table, and in the data the engine's arguments too."""
    comparisons = compare(result)
    rows = tuple(_row(comparison, result.plan.goal) for comparison in comparisons)
    columns = (
        "batch",
        "vLLM alone",
        "service",
        "ratio",
        "added, ms",
        "same",
        f"≥ {result.plan.goal:g}",
    )
    plan = result.plan
    title = (
        f"Service ÷ vLLM alone, tokens/s: {plan.rounds} rounds, greedy, {plan.max_tokens} tokens a request"
    )
    data: dict[str, Any] = {
        **result.as_dict(),
        "ratios": {item.case.name: item.ratio for item in comparisons},
        "engine": {name: value for name, value in setup.engine_args.items() if name != "model"},
        "environment": setup.environment,
    }
    return Section("throughput", (Table(title, columns, rows, _notes(comparisons, setup)),), data)


def _notes(comparisons: list[Comparison], setup: EngineSetup) -> tuple[str, ...]:
    engine = ", ".join(f"{name} {setup.engine_args[name]}" for name in _NAMED if name in setup.engine_args)
    notes = [*_NOTES, f"Both arms: {engine}."] if engine else list(_NOTES)
    if setup.is_fake:
        notes.insert(0, "REHEARSAL without a model: the ratios say nothing about the service.")
    if (least := min(item.full_answers for item in comparisons)) < 1:
        notes.append(
            f"Some answers ended early: {least:.0%} of the tokens asked for. Rates count real tokens."
        )
    return tuple(notes)


def _row(item: Comparison, goal: float) -> tuple[str, ...]:
    return (
        item.case.name.removeprefix("batch "),
        _spread(item.bare),
        _spread(item.service),
        f"{item.ratio:.3f} ({item.ratios.low:.3f} - {item.ratios.high:.3f})",
        number(item.added_seconds * 1000, 2),
        f"{item.same_answers:.0%}",
        "pass" if item.ratio >= goal else "MISS",
    )


def _spread(spread: Spread) -> str:
    digits = 1 if spread.median < 1000 else 0
    median, low, high = (number(value, digits) for value in (spread.median, spread.low, spread.high))
    return f"{median} ({low} - {high})"
