"""A load run as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.load import LoadResult
from benchmarks.report import Section, Table, milliseconds, number

_NOTES = (
    "Open loop: Poisson arrivals, fixed before the run.",
    "Latency and first token count from the scheduled arrival: no stall is hidden by coordinated omission.",
    "Inter-token: time between two pieces of text; a piece is one token, more when the server merges some.",
    "Token mean: per request, (last - first) / (tokens - 1).",
    "/generate sends code as soon as it is certain to be code, so its first piece may come after the first token.",
    "The generator runs on this machine and takes part of its CPU.",
)


def load_section(results: Sequence[LoadResult]) -> Section:
    """Give the tables of one or more runs, one for each rate."""
    tables = tuple(_table(result) for result in results)
    return Section("load", tables, {"runs": [result.as_dict() for result in results]})


def _table(result: LoadResult) -> Table:
    plan = result.plan
    routes = plan.routes if len(plan.routes) > 1 else ()
    summaries = [result.summary(), *(result.summary(route) for route in routes)]
    names = ("all", *routes) if routes else plan.routes
    rows = [(label, *(_value(summary, path) for summary in summaries)) for label, path in _ROWS]
    outcomes = sorted({outcome for summary in summaries for outcome in summary["outcomes"]})
    rows += [
        (f"answered: {outcome}", *(str(summary["outcomes"].get(outcome, 0)) for summary in summaries))
        for outcome in outcomes
    ]
    title = f"Open loop, {plan.rate:g} requests/s for {plan.seconds:g} s, {plan.max_tokens} tokens, seed {plan.seed}"
    goodput = (
        f"Goodput: whole answers with a first token within {plan.first_token_seconds * 1000:g} ms and a token mean "
        f"of at most {plan.inter_token_seconds * 1000:g} ms."
    )
    return Table(title, ("", *names), tuple(rows), (goodput, *_NOTES))


_ROWS = (
    ("requests", "requests"),
    ("offered, requests/s", "offered_rate"),
    ("achieved, whole answers/s", "achieved_rate"),
    ("goodput, requests/s", "goodput"),
    ("tokens/s", "tokens_per_second"),
    *((f"first token, ms {p}", f"first_token.{p}") for p in ("p50", "p90", "p99")),
    *((f"inter-token, ms {p}", f"inter_token.{p}") for p in ("p50", "p90", "p99")),
    ("token mean, ms p50", "token_mean.p50"),
    *((f"latency, ms {p}", f"latency.{p}") for p in ("p50", "p90", "p99")),
    ("generator late, ms p99", "late_sends.p99"),
)


def _value(summary: dict[str, Any], path: str) -> str:
    name, _, percent = path.partition(".")
    value = summary[name]
    if percent:
        return milliseconds(value[percent])
    return str(value) if isinstance(value, int) else number(value, 2)
