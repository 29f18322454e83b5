"""Choosing among the candidates of a run by another rule than the service did: one sampling, several selections.

    first      the first candidate: what a request for one answer would have given
    logprob    the likeliest, as the service's `select: "logprob"`
    examples   the one that passes most of the prompt's own examples, then the likelier, as `select: "examples"`
    all        every candidate, each a sample of its own: for pass@k, the ceiling of every choice

The service's rules are written down here a second time, since it is known only over HTTP; so before anything is chosen
anew, the service's own choice is worked out by them, and a difference is an error.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from evaluation.errors import ConfigError
from evaluation.records import Record
from evaluation.run_folder import RunConfig


class Rule(StrEnum):
    """How to choose."""

    FIRST = "first"
    LOGPROB = "logprob"
    EXAMPLES = "examples"
    ALL = "all"


def chosen_by(rule: Rule, sample: Record, config: RunConfig) -> list[Record]:
    """Give the sample's records under a rule: one, or with ALL one for each candidate. Raises ConfigError."""
    if sample.get("refused"):
        return [sample] * (config.overrides.get("candidates", 1) if rule is Rule.ALL else 1)
    report = sample.get("report", {}).get("candidates") or {}
    candidates: list[dict[str, Any]] = report.get("each") or []
    where = f"{sample['task_id']}, seed {sample['seed']}, index {sample['index']}"
    if not candidates or any(each["code"] is None for each in candidates):
        raise ConfigError(f"expected a run with return_candidates; {where} has no candidates")
    if rule is Rule.EXAMPLES and config.overrides.get("select") != "examples":
        raise ConfigError(
            f'--by examples: expected a run with select "examples"; {config.arm} ran no examples, so nobody knows '
            "which candidates pass them"
        )
    own = Rule(config.overrides.get("select", "logprob"))
    if (best := _best(own, candidates)) != report["chosen"] or candidates[best]["code"] != sample["answer"]:
        raise ConfigError(f"{where}: the service chose candidate {report['chosen']}, its rule gives {best}")
    if rule is Rule.ALL:
        first = sample["index"] * len(candidates)
        return [_record(sample, i) | {"index": first + i} for i in range(len(candidates))]
    return [_record(sample, 0 if rule is Rule.FIRST else _best(rule, candidates))]


def _best(rule: Rule, candidates: list[dict[str, Any]]) -> int:
    def worth(i: int) -> tuple[int, bool, bool, float]:
        each = candidates[i]
        passed = (each["passed_examples"] or 0) if rule is Rule.EXAMPLES else 0
        logprob = each["mean_logprob"]
        likely = float("-inf") if logprob is None else logprob
        return passed, bool(each["code"]), each["finish_reason"] == "stop", likely

    return max(range(len(candidates)), key=worth)


def _record(sample: Record, index: int) -> Record:
    """Give the sample as if this candidate had been chosen. Tokens stay: all candidates were paid for."""
    report = dict(sample["report"])
    each = report["candidates"]["each"][index]
    if index != report["candidates"]["chosen"]:
        # It is about the candidate that the service chose.
        report.pop("syntax", None)
    return {
        **sample,
        "answer": each["code"],
        "finish_reason": each["finish_reason"],
        "report": {**report, "candidates": {**report["candidates"], "chosen": index}},
    }
