"""What the syntax mask did in a run, as the service reported it with each answer.

touched        answers in which the likeliest token was not allowed at some step, or the end was led to
not parsing    answers under the mask whose code the language's own parser refuses: each is a case to explain
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from evaluation.records import Record
from evaluation.summary import RunSummary

COLUMNS: Final = (
    "suite",
    "arm",
    "T",
    "masked answers",
    "tokens",
    "changed",
    "changed (%)",
    "touched",
    "led to the end",
    "degraded",
    "not parsing",
)


def mask_row(run: RunSummary) -> list[str] | None:
    """Give a run's row; None where no answer was under the mask.

    Nor for several candidates: the service reports on the one that it chose, and counts the tokens of all.
    """
    if run.config.overrides.get("candidates", 1) > 1:
        return None
    masked = [(key, syntax) for key, record in run.samples.items() if (syntax := _syntax(record))]
    if not masked:
        return None
    tokens = sum(run.samples[key]["completion_tokens"] for key, _ in masked)
    refused = [key[0] for key, _ in masked if run.verdicts.get(key, {}).get("parses") is False]
    # On GPUs nothing is counted, and a sum over the rest would be no share of the tokens.
    counts = [syntax["changed_tokens"] for _, syntax in masked]
    known = None not in counts
    changed = sum(counts) if known else 0
    touched = sum(1 for _, syntax in masked if syntax["changed_tokens"] or syntax["closing_forced"])
    return [
        run.config.suite,
        run.config.arm,
        f"{run.config.temperature:g}",
        str(len(masked)),
        f"{tokens:,}",
        str(changed) if known else "not counted",
        f"{100 * changed / max(1, tokens):.3f}" if known else "-",
        str(touched) if known else "-",
        str(sum(bool(syntax["closing_forced"]) for _, syntax in masked)),
        str(sum(syntax["degraded"] is not None for _, syntax in masked)),
        f"{len(refused)}: {', '.join(_some(refused))}" if refused else "0",
    ]


def _syntax(record: Record) -> dict[str, Any] | None:
    """Give the report of an answer under the mask, else None."""
    syntax = record.get("report", {}).get("syntax") or {}
    return syntax if syntax.get("enforced") else None


def _some(names: Iterable[str], most: int = 8) -> list[str]:
    listed = sorted(set(names))
    return listed[:most] + ["…"] * (len(listed) > most)
