"""Samples to percentiles, percentiles to tables."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from grammar.bench.measure import Job, Result

QUANTILES = (50, 75, 90, 95, 99, 99.9, 100)
Row = dict[str, Any]


def quantiles(nanoseconds: Sequence[float]) -> dict[str, float]:
    """Give percentiles, maximum and mean in µs; nothing for no samples."""
    if not nanoseconds:
        return {}
    values = np.asarray(nanoseconds, dtype=np.float64) / 1000
    named = {f"p{q:g}" if q < 100 else "max": round(float(np.percentile(values, q)), 2) for q in QUANTILES}
    return named | {"mean": round(float(values.mean()), 2)}


def row_of(job: Job, result: Result) -> Row:
    """Sum a job up; plain JSON values."""
    texts = result.texts
    once = [ns for text in texts for ns in text.once if ns > 0]
    return {
        "engine": f"{job.engine} {result.version}".strip(),
        "language": job.language,
        "texts": len(texts),
        "tokens": sum(len(text.fills) for text in texts),
        "refused": sum(text.refused for text in texts),
        "not_ended": sum(not (text.can_end or text.refused or text.unread) for text in texts),
        "unread": sum(text.unread for text in texts),
        "mask_us": quantiles([ns for text in texts for ns in text.fills]),
        "accept_us": quantiles([ns for text in texts for ns in text.accepts]),
        "first_use": {
            "calls": len(once),
            "total_s": round(sum(once) / 1e9, 4),
            "worst_ms": round(max(once, default=0) / 1e6, 2),
        },
        "start_s": round(sum(result.seconds.values()), 3) if result.seconds else None,
        "parts_s": {name: round(seconds, 3) for name, seconds in result.seconds.items()},
        "ready_mb": round(result.megabytes_ready),
        "after_mb": round(result.megabytes_after),
        "note": result.note,
    }


def tables(rows: Iterable[Row]) -> list[Table]:
    """Draw the times, and what they cost."""
    rows = list(rows)
    names = [f"p{q:g}" if q < 100 else "max" for q in QUANTILES] + ["mean"]
    times = Table(title="µs a token, teacher-forced, one core")
    costs = Table(title="What it costs, and what was refused")
    for table, columns in (
        (times, ("language", "engine", "call", *names)),
        (costs, ("language", "engine", "texts", "tokens", "refused", "not ended", "unread", "first use", "start-up s",
                 "MB ready", "MB after", "note")),
    ):  # fmt: skip
        for column in columns:
            left = column in {"language", "engine", "call", "note", "first use", "start-up s"}
            table.add_column(column, justify="left" if left else "right")
    for row in rows:
        for call in ("mask", "accept"):
            if row[f"{call}_us"]:
                figures = (f"{row[f'{call}_us'][name]:,.1f}" for name in names)
                times.add_row(row["language"], row["engine"], call, *figures)
        counts = ("texts", "tokens", "refused", "not_ended", "unread")
        costs.add_row(
            row["language"],
            row["engine"],
            *(f"{row[name]:,}" for name in counts),
            _first_use(row),
            _start(row),
            f"{row['ready_mb']:,}",
            f"{row['after_mb']:,}",
            row["note"],
        )
    return [times, costs]


def _first_use(row: Row) -> str:
    first = row["first_use"]
    if not first["calls"]:
        return "-"
    return f"{first['calls']} calls, {first['total_s']:.2f} s, worst {first['worst_ms']:.1f} ms"


def _start(row: Row) -> str:
    if row["start_s"] is None:
        return "-"
    cold = row.get("cold_start_s")
    return f"{row['start_s']:.2f}" + (f" (cold {cold:.2f})" if cold else "")


def machine() -> dict[str, Any]:
    """Say where figures come from; no host name, user or path."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load at the start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "codefusion": importlib.metadata.version("codefusion"),
    }


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
