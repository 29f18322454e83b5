"""The report's tables as rows of text, shared by Markdown and HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.mask_table import COLUMNS, mask_row
from evaluation.significance import Interval, PairedDifference, compare
from evaluation.suites import SUITES
from evaluation.summary import Figure, RunSummary

PAPER_COLUMNS = ("pass@1", "BLEU", "CESR", "ASTSim", "SemSim", "CRS")
FURTHER_COLUMNS = ("pass@5", "pass@10", "pass@100", "parse rate", "CodeBLEU", "BLEU with docstrings")
Rows = list[list[str]]


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, a line of column names, rows."""

    title: str
    columns: list[str]
    rows: Rows


def tables(runs: Sequence[RunSummary]) -> list[Table]:
    """Give the tables of a report."""
    made = [_metric_table("Table 1: the paper's metrics, with 95 % intervals", runs, PAPER_COLUMNS)]
    further = [c for c in FURTHER_COLUMNS if any(c in run.figures for run in runs)]
    made.append(_metric_table("Further metrics", runs, further))
    made += [_conditions(runs), _notes(runs), _statuses(runs), _speeds(runs)]
    masked = [row for run in runs if (row := mask_row(run)) is not None]
    further_tables = [Table("Under the syntax mask", [*COLUMNS], masked), _comparisons(runs)]
    return made + [table for table in further_tables if table.rows]


def shown(figure: Figure | None) -> str:
    """Write a figure with its interval."""
    if figure is None or math.isnan(figure.interval.value):
        return "-"
    if figure.percent:
        scaled = [100 * x for x in (figure.interval.value, figure.interval.low, figure.interval.high)]
        return "{:.1f} [{:.1f}, {:.1f}]".format(*scaled)
    digits = 1 if abs(figure.interval.high) > 10 else 3
    if figure.name == "CRS":
        digits = 2
    return _interval(figure.interval, digits)


def rows_of_upstream(run: RunSummary) -> str:
    """Say how many problems the run has, and how many published figures are over."""
    suite = SUITES.get(run.config.suite)
    upstream = suite.upstream_rows if suite else 0
    if upstream and upstream != run.config.num_problems:
        return f"{run.config.num_problems} of {upstream}"
    return str(run.config.num_problems)


def _metric_table(title: str, runs: Sequence[RunSummary], columns: Sequence[str]) -> Table:
    heads = [
        f"{c} (%)" if c in ("pass@1", "CESR", "parse rate") or c.startswith("pass@") else c for c in columns
    ]
    rows = [
        [
            run.config.suite,
            run.config.arm,
            rows_of_upstream(run),
            *(shown(run.figures.get(c)) for c in columns),
        ]
        for run in runs
    ]
    return Table(title, ["suite", "arm", "problems", *heads], rows)


def _conditions(runs: Sequence[RunSummary]) -> Table:
    rows = [
        [
            run.config.suite,
            run.config.arm,
            run.config.model,
            run.config.route,
            f"{run.config.temperature:g}",
            str(run.config.samples),
            str(run.config.seeds),
            " ".join(f"{100 * rate:.1f}" for rate in run.seed_rates),
            ", ".join(f"{name}={value!r}" for name, value in run.config.overrides.items()) or "-",
        ]
        for run in runs
    ]
    columns = ["suite", "arm", "model", "route", "T", "samples", "seeds", "pass@1 by seed (%)", "request"]
    return Table("How it was asked", columns, rows)


def _notes(runs: Sequence[RunSummary]) -> Table:
    rows = [
        [run.config.suite, run.config.arm, name, f"n = {figure.num}", figure.note]
        for run in runs
        for name, figure in run.figures.items()
        if figure.note
    ]
    rows += [
        [run.config.suite, run.config.arm, "run", "", warning] for run in runs for warning in run.warnings
    ]
    return Table("What to know about the figures", ["suite", "arm", "metric", "over", "note"], rows)


def _statuses(runs: Sequence[RunSummary]) -> Table:
    names = sorted({status for run in runs for status in run.statuses})
    rows = [
        [run.config.suite, run.config.arm, *(str(run.statuses.get(name, 0)) for name in names)]
        for run in runs
    ]
    return Table("Verdicts", ["suite", "arm", *names], rows)


def _speeds(runs: Sequence[RunSummary]) -> Table:
    names = [*runs[0].speed]
    rows = [[run.config.suite, run.config.arm, *(_number(run.speed[name]) for name in names)] for run in runs]
    return Table("Latency and speed, with the run's concurrency", ["suite", "arm", *names], rows)


def _comparisons(runs: Sequence[RunSummary]) -> Table:
    rows: Rows = []
    for number, first in enumerate(runs):
        for second in runs[number + 1 :]:
            result = paired(first, second)
            if result is not None:
                rows.append([first.config.suite, _label(first), _label(second), *_difference(result)])
    columns = [
        "suite",
        "a",
        "b",
        "problems",
        "b - a (points)",
        "p (bootstrap)",
        "a alone",
        "b alone",
        "p (McNemar)",
    ]
    return Table("Paired comparisons of pass@1", columns, rows)


def paired(first: RunSummary, second: RunSummary) -> PairedDifference | None:
    """Compare two runs on the problems both have; None when the suites differ or none is common."""
    common = [task_id for task_id in first.pass_shares if task_id in second.pass_shares]
    if first.config.suite != second.config.suite or not common:
        return None
    return compare([first.pass_shares[t] for t in common], [second.pass_shares[t] for t in common])


def _label(run: RunSummary) -> str:
    return f"{run.config.arm}, T {run.config.temperature:g} ({run.config.model})"


def _difference(result: PairedDifference) -> list[str]:
    points = Interval(
        *(100 * x for x in (result.difference.value, result.difference.low, result.difference.high))
    )
    return [
        str(result.num_problems),
        _interval(points, 1, sign=True),
        f"{result.bootstrap_p:.4f}",
        str(result.only_a),
        str(result.only_b),
        f"{result.mcnemar_p:.4f}",
    ]


def _interval(interval: Interval, digits: int, *, sign: bool = False) -> str:
    mark = "+" if sign else ""
    value, low, high = (f"{x:{mark}.{digits}f}" for x in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.1f}" if value >= 10 else f"{value:.2f}"
