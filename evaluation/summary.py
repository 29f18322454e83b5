"""The figures of one run: every metric with its 95 % interval and the number of problems it is over.

Rates are over all samples, averaged within each problem first. Similarities, CRS and their intervals are over the first
sample of each seed, of problems that have a reference.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from evaluation.codebleu import code_bleu
from evaluation.errors import RunFolderError
from evaluation.extraction import sanitized, without_unused_crates
from evaluation.metrics import NO_VERDICT, mean, mean_pass_at_k
from evaluation.problems import Form, Problem
from evaluation.readability import ReadabilityModel
from evaluation.records import Record, read_records
from evaluation.run_folder import Key, RunConfig, RunFolder
from evaluation.semantic_similarity import with_shuffled_baseline
from evaluation.significance import Interval, bootstrap, wilson
from evaluation.text_similarity import corpus_bleu_interval, without_docstrings
from evaluation.tree_similarity import TreeSimilarity, ast_similarity


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric: a value, its interval where there is one, and what a reader must know beside it."""

    name: str
    interval: Interval
    num: int
    note: str = ""
    percent: bool = False


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Everything the report shows of a run."""

    name: str
    config: RunConfig
    figures: dict[str, Figure]
    statuses: dict[str, int]
    pass_shares: dict[str, float]
    seed_rates: list[float]
    speed: dict[str, float]
    samples: dict[Key, Record]
    verdicts: dict[Key, Record]
    problems: dict[str, Problem]
    warnings: list[str] = field(default_factory=list[str])


def summarise(
    folder: RunFolder, problems: Sequence[Problem], readability: ReadabilityModel | None
) -> RunSummary:
    """Compute a run's figures. Raises RunFolderError when nothing was scored yet."""
    config, samples, verdicts = folder.config(), folder.samples(), folder.verdicts()
    known = {problem.task_id: problem for problem in problems}
    scored = {key: v for key, v in verdicts.items() if v["status"] != NO_VERDICT and key in samples}
    if not scored:
        raise RunFolderError(f"{folder.path}: expected scored samples; there are none. Score it first")
    shares = _shares(scored, lambda verdict: verdict["status"] == "passed")
    figures = [*_rates(scored, shares), *_similarities(samples, known, readability)]
    return RunSummary(
        name=f"{config.suite} / {config.arm}",
        config=config,
        figures={figure.name: figure for figure in figures},
        statuses=dict(Counter(verdict["status"] for verdict in verdicts.values())),
        pass_shares=shares,
        seed_rates=_seed_rates(scored),
        speed=_speed(samples, read_records(folder.sessions_file)),
        samples=samples,
        verdicts=verdicts,
        problems=known,
        warnings=_warnings(config, samples, scored),
    )


def _shares(scored: dict[Key, Record], test: Callable[[Record], bool]) -> dict[str, float]:
    hits: dict[str, list[float]] = defaultdict(list)
    for (task_id, _, _), verdict in scored.items():
        hits[task_id].append(float(test(verdict)))
    return {task_id: mean(values) for task_id, values in hits.items()}


def _rates(scored: dict[Key, Record], shares: dict[str, float]) -> list[Figure]:
    counts = Counter(task_id for task_id, _, _ in scored)
    passed = Counter(key[0] for key, verdict in scored.items() if verdict["status"] == "passed")
    figures = [_rate("pass@1", shares, counts)]
    for k in (5, 10, 100):
        if min(counts.values()) >= k:
            per_problem = [mean_pass_at_k([(counts[t], passed[t])], k) for t in counts]
            figures.append(Figure(f"pass@{k}", bootstrap(per_problem), len(counts), percent=True))
    figures.append(_rate("CESR", _shares(scored, lambda verdict: verdict["executed"]), counts))
    parsed = {key: verdict for key, verdict in scored.items() if verdict["parses"] is not None}
    if parsed:
        figures.append(_rate("parse rate", _shares(parsed, lambda verdict: verdict["parses"]), counts))
    return figures


def _rate(name: str, shares: dict[str, float], counts: Counter[str]) -> Figure:
    values = [*shares.values()]
    if max(counts.values()) == 1:
        return Figure(name, wilson(int(sum(values)), len(values)), len(values), "Wilson", percent=True)
    return Figure(name, bootstrap(values), len(values), "bootstrap over problems", percent=True)


def _similarities(
    samples: dict[Key, Record], problems: dict[str, Problem], readability: ReadabilityModel | None
) -> list[Figure]:
    firsts = [
        (problems[key[0]], r["program"])
        for key, r in sorted(samples.items())
        if key[2] == 0 and key[0] in problems
    ]
    figures: list[Figure] = []
    pairs = [(p, program, reference) for p, program in firsts if (reference := reference_of(p)) is not None]
    if pairs:
        figures += _text_figures(pairs)
        figures += _structure_figures(pairs)
    if readability is not None and firsts:
        values = [readability.score(program) for _, program in firsts]
        note = f"cross-validated Spearman {readability.cv_spearman:.2f}"
        figures.append(Figure("CRS", bootstrap(values), len(values), note))
    return figures


def reference_of(problem: Problem) -> str | None:
    """Give the reference as answers are extracted: what the entry point needs; None where there is none."""
    if problem.reference is None:
        return None
    is_function = problem.language == "python" and problem.form in (Form.FUNCTION, Form.INSTRUCTION)
    if problem.language == "rust":
        return without_unused_crates(problem.reference)
    return sanitized(problem.reference, problem.entry_point) if is_function else problem.reference


Pairs = list[tuple[Problem, str, str]]


def _text_figures(pairs: Pairs) -> list[Figure]:
    bare = [(without_docstrings(program), without_docstrings(reference)) for _, program, reference in pairs]
    answers, references = [a for a, _ in bare], [b for _, b in bare]
    whole = corpus_bleu_interval([a for _, a, _ in pairs], [b for _, _, b in pairs])
    language = pairs[0][0].language
    scores = [code_bleu(a, b, language).value for a, b in bare]
    return [
        Figure("BLEU", corpus_bleu_interval(answers, references), len(pairs), "13a, docstrings taken out"),
        Figure("BLEU with docstrings", whole, len(pairs), "13a; the docstring is copied from the prompt"),
        Figure("CodeBLEU", _times(bootstrap(scores), 100), len(pairs), "docstrings taken out"),
    ]


def _structure_figures(pairs: Pairs) -> list[Figure]:
    language = pairs[0][0].language
    answers, references = [a for _, a, _ in pairs], [b for _, _, b in pairs]
    trees = [ast_similarity(a, b, language) for a, b in zip(answers, references, strict=True)]
    # Each answer with the next problem's reference: what any two answers have in common.
    others = [ast_similarity(a, b, language) for a, b in zip(answers, _shifted(pairs), strict=True)]
    figures: list[Figure] = []
    known = [tree for tree in trees if tree is not None]
    if known:
        inexact = sum(not tree.is_exact for tree in known)
        note = f"shuffled pairs {_mean_of(others):.3f}" + (f"; {inexact} upper bounds" if inexact else "")
        figures.append(Figure("ASTSim", bootstrap([tree.value for tree in known]), len(known), note))
    if language == "python":
        semantic = with_shuffled_baseline(answers, references)
        note = f"shuffled pairs {semantic.baseline:.3f}"
        figures.append(Figure("SemSim", bootstrap(semantic.per_pair), len(pairs), note))
    return figures


def _shifted(pairs: Pairs) -> list[str]:
    references = {problem.task_id: reference for problem, _, reference in pairs}
    following = dict(zip(references, [*references.values()][1:] + [*references.values()][:1], strict=True))
    return [following[problem.task_id] for problem, _, _ in pairs]


def _mean_of(trees: list[TreeSimilarity | None]) -> float:
    return mean([tree.value for tree in trees if tree is not None])


def _times(interval: Interval, factor: float) -> Interval:
    return Interval(interval.value * factor, interval.low * factor, interval.high * factor)


def _seed_rates(scored: dict[Key, Record]) -> list[float]:
    seeds = sorted({seed for _, seed, _ in scored})
    by_seed = [{key: v for key, v in scored.items() if key[1] == seed} for seed in seeds]
    return [mean([*_shares(part, lambda v: v["status"] == "passed").values()]) for part in by_seed]


def _speed(samples: dict[Key, Record], sessions: list[Record]) -> dict[str, float]:
    seconds = sum(session["seconds"] for session in sessions)
    tokens = sum(session["completion_tokens"] for session in sessions)
    latencies = np.array([record["seconds"] for record in samples.values()])
    lengths = [record["completion_tokens"] for record in samples.values()]
    return {
        "latency p50 (s)": float(np.quantile(latencies, 0.5)),
        "latency p95 (s)": float(np.quantile(latencies, 0.95)),
        "tokens per answer": mean(lengths),
        "tokens/s": tokens / seconds if seconds else math.nan,
        "sampling (s)": seconds,
    }


def _retrieval_degraded(record: Record) -> str | None:
    retrieval: Record = (record.get("report") or {}).get("retrieval") or {}
    return retrieval.get("degraded")


def _warnings(config: RunConfig, samples: dict[Key, Record], scored: dict[Key, Record]) -> list[str]:
    asked = config.num_problems * config.samples * config.seeds
    cut = sum(record["finish_reason"] == "length" for record in samples.values())
    refused = sum("refused" in record for record in samples.values())
    no_code = [reason for record in samples.values() if (reason := _retrieval_degraded(record))]
    notes = [
        (len(scored) < asked, f"{len(scored)} of {asked} samples are scored: the figures are of a part"),
        (cut > 0, f"{cut} answers were cut at max_tokens"),
        (refused > 0, f"{refused} prompts were refused by the service and count as failed"),
        (
            bool(no_code),
            f"{len(no_code)} answers came without the code that the arm asks for: {', '.join(sorted({*no_code}))}",
        ),
        (
            bool(config.bad_rows),
            f"{len(config.bad_rows)} rows were left out: {'; '.join(config.bad_rows[:3])}",
        ),
    ]
    return [text for applies, text in notes if applies]
