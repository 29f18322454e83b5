"""The charts of a report, as PNG: metrics with intervals, and latencies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.figures import PAPER_COLUMNS
from evaluation.significance import Interval
from evaluation.summary import RunSummary

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

# Every metric on a scale of 0 to 100.
_FACTORS = {"pass@1": 100.0, "CESR": 100.0, "BLEU": 1.0, "ASTSim": 100.0, "SemSim": 100.0, "CRS": 10.0}


def metric_chart(runs: Sequence[RunSummary], path: Path) -> None:
    """Draw the paper's metrics of each run side by side, with their 95 % intervals."""
    canvas, axes = _canvas(9, 4.5)
    width = 0.8 / len(runs)
    for number, run in enumerate(runs):
        places, heights, below, above = _bars(run)
        axes.bar(
            [place + (number - (len(runs) - 1) / 2) * width for place in places],
            heights,
            width,
            yerr=[below, above],
            capsize=2,
            label=run.name,
        )
    axes.set_xticks(range(len(PAPER_COLUMNS)), [_axis_name(name) for name in PAPER_COLUMNS])
    axes.set_ylim(0, 105)
    axes.set_ylabel("0 to 100, with 95 % intervals")
    axes.legend(fontsize=8)
    axes.grid(axis="y", alpha=0.3)
    canvas.savefig(path, dpi=130, bbox_inches="tight", metadata={"Software": "codefusion"})


def latency_chart(runs: Sequence[RunSummary], path: Path) -> None:
    """Draw the share of answers that came within a time, for each run."""
    canvas, axes = _canvas(9, 3.2)
    for run in runs:
        seconds = sorted(record["seconds"] for record in run.samples.values())
        axes.step(
            seconds, [(i + 1) / len(seconds) for i in range(len(seconds))], where="post", label=run.name
        )
    axes.set_xlabel("seconds from asking to the whole answer")
    axes.set_ylabel("share of answers")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    canvas.savefig(path, dpi=130, bbox_inches="tight", metadata={"Software": "codefusion"})


def _canvas(width: float, height: float) -> tuple[Canvas, Any]:
    # Without pyplot: no global state, no display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(width, height))
    FigureCanvasAgg(canvas)
    return canvas, canvas.subplots()


def _bars(run: RunSummary) -> tuple[list[int], list[float], list[float], list[float]]:
    found = [
        (place, _scaled(run.figures[name].interval, _FACTORS[name]))
        for place, name in enumerate(PAPER_COLUMNS)
        if name in run.figures
    ]
    return (
        [place for place, _ in found],
        [interval.value for _, interval in found],
        [max(0.0, interval.value - interval.low) for _, interval in found],
        [max(0.0, interval.high - interval.value) for _, interval in found],
    )


def _scaled(interval: Interval, factor: float) -> Interval:
    return Interval(interval.value * factor, interval.low * factor, interval.high * factor)


def _axis_name(name: str) -> str:
    return f"{name}\ntimes {_FACTORS[name]:g}" if name in ("ASTSim", "SemSim", "CRS") else f"{name} (%)"
