"""One run from its options: load the suite, open the folder, sample and score, show progress."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.arms import Arm
from evaluation.client import ServiceClient
from evaluation.errors import ConfigError, RunFolderError
from evaluation.extraction import program_of
from evaluation.problems import Loaded, Problem
from evaluation.progress import run_progress
from evaluation.records import RecordWriter
from evaluation.reselect import Rule, chosen_by
from evaluation.run_folder import RunConfig, RunFolder, key_of, problems_digest
from evaluation.sampling import Pace, Watcher, sample_run
from evaluation.scoring import Scorer
from evaluation.suites import load_suite
from evaluation.unmasking import is_untouched, unmasked_arm, unreported


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `run` is asked for.

    temperature   None: the arm's own, else 0
    """

    suite: str
    base_url: str
    output: Path
    arm: Arm
    data: Path | None
    problems_file: Path | None = None
    samples: int = 1
    seeds: int = 1
    temperature: float | None = None
    max_tokens: int | None = None
    limit: int | None = None
    score: bool = True
    pace: Pace = dataclasses.field(default_factory=Pace)


def run_suite(options: RunOptions) -> RunFolder:
    """Take and score the samples that the run's folder lacks. Raises EvaluationError."""
    _require_sense(options)
    loaded = _limited(load_suite(options.suite, options.data, options.problems_file), options.limit)
    scorer = Scorer(options.pace.scorers) if options.score else None
    folder = RunFolder(options.output)
    config = _config(options, loaded, _model_of_a_complete(folder) or asyncio.run(_model(options.base_url)))
    folder.open(config)
    _sample(folder, config, loaded.problems, scorer, options.pace)
    return folder


def rescore(source: RunFolder, suite: str, data: Path | None, output: Path) -> RunFolder:
    """Judge a run's answers by another suite's tests (humaneval by humaneval+), without sampling again.

    Answers to problems that the other suite lacks are left out. Raises EvaluationError.
    """
    loaded = load_suite(suite, data)
    problems = {problem.task_id: problem for problem in loaded.problems}
    records = [r for key, r in source.samples().items() if key[0] in problems]
    have = {record["task_id"] for record in records}
    kept = tuple(problem for problem in loaded.problems if problem.task_id in have)
    if not kept:
        raise ConfigError(
            f"--suite {suite}: expected problems that {source.path} has answers to; there are none"
        )
    config = dataclasses.replace(
        source.config(),
        suite=suite,
        num_problems=len(kept),
        problems_sha256=problems_digest(kept),
        bad_rows=[*map(str, loaded.bad_rows)],
    )
    folder = RunFolder(output)
    folder.open(config)
    _copy(records, problems, folder)
    _sample(folder, config, kept, Scorer(), Pace(), ask=False)
    return folder


def reselect(
    source: RunFolder, rule: Rule, data: Path | None, problems_file: Path | None, output: Path
) -> RunFolder:
    """Choose by another rule among the candidates of a run, without sampling again, and judge what is chosen.

    The same candidates under each rule: runs made so differ by the choice alone. Raises EvaluationError.
    """
    config = source.config()
    problems = problems_of(source, data, problems_file)
    by_id = {problem.task_id: problem for problem in problems}
    chosen = [record for sample in source.samples().values() for record in chosen_by(rule, sample, config)]
    per_sample = len(chosen) // max(1, len(source.samples()))
    folder = RunFolder(output)
    folder.open(dataclasses.replace(config, arm=f"{config.arm}@{rule}", samples=config.samples * per_sample))
    _copy(chosen, by_id, folder)
    _sample(folder, folder.config(), problems, Scorer(), Pace(), ask=False)
    return folder


def unmask(
    source: RunFolder, base_url: str, data: Path | None, problems_file: Path | None, output: Path, pace: Pace
) -> RunFolder:
    """Ask a greedy, masked run again without the mask where the mask had a hand; take the other answers over.

    Raises EvaluationError.
    """
    config = source.config()
    arm = unmasked_arm(config)
    problems = problems_of(source, data, problems_file)
    untouched = [unreported(sample) for sample in source.samples().values() if is_untouched(sample)]
    if (model := asyncio.run(_model(base_url))) != config.model:
        raise ConfigError(f"unmask: expected a service of {config.model}; {base_url} serves {model}")
    config = dataclasses.replace(config, arm=arm.name, overrides=arm.overrides, base_url=base_url)
    folder = RunFolder(output)
    folder.open(config)
    _copy(untouched, {problem.task_id: problem for problem in problems}, folder)
    _sample(folder, config, problems, Scorer(pace.scorers), pace)
    return folder


def _copy(records: Iterable[dict[str, Any]], problems: Mapping[str, Problem], folder: RunFolder) -> None:
    """Put answers of another run into a folder, as programs of its problems; those that are there stay."""
    there = folder.samples()
    with RecordWriter(folder.samples_file) as writer:
        for record in records:
            if key_of(record) not in there:
                program = program_of(problems[record["task_id"]], record["answer"])
                writer.append({**record, "program": program})


def problems_of(folder: RunFolder, data: Path | None, problems_file: Path | None) -> tuple[Problem, ...]:
    """Load the problems that a run was over. Raises RunFolderError when the data has changed since."""
    config = folder.config()
    loaded = load_suite(config.suite, data, problems_file)
    answered = {key[0] for key in folder.samples()}
    for problems in (
        loaded.problems[: config.num_problems],
        tuple(problem for problem in loaded.problems if problem.task_id in answered),
    ):
        if problems_digest(problems) == config.problems_sha256:
            return problems
    raise RunFolderError(
        f"{folder.path}: expected the problems it was run on; the data for {config.suite} differ by now"
    )


def _sample(
    folder: RunFolder,
    config: RunConfig,
    problems: Sequence[Problem],
    scorer: Scorer | None,
    pace: Pace,
    *,
    ask: bool = True,
) -> None:
    async def go(watcher: Watcher) -> None:
        async with AsyncExitStack() as stack:
            score = (await stack.enter_async_context(scorer)).score if scorer is not None else None
            await sample_run(folder, config, problems, score, watcher, pace, ask=ask)

    verdicts = folder.verdicts().values()
    passed = sum(verdict["status"] == "passed" for verdict in verdicts)
    total, done = len(config.keys(problems)), len(folder.samples())
    title = f"{config.suite} / {config.arm}"
    with run_progress(title, total, done, passed, len(verdicts)) as watcher:
        asyncio.run(go(watcher))


async def _model(base_url: str) -> str:
    async with ServiceClient(base_url) as client:
        return await client.model()


def _model_of_a_complete(folder: RunFolder) -> str | None:
    """Give the model of a run that lacks no answer, so that scoring it needs no service; None for any other."""
    if not folder.exists():
        return None
    config = folder.config()
    asked = config.num_problems * config.seeds * config.samples
    return config.model if len(folder.samples()) == asked else None


def _config(options: RunOptions, loaded: Loaded, model: str) -> RunConfig:
    return RunConfig(
        suite=options.suite,
        arm=options.arm.name,
        route=options.arm.route,
        overrides=options.arm.overrides,
        model=model,
        base_url=options.base_url,
        num_problems=len(loaded.problems),
        problems_sha256=problems_digest(loaded.problems),
        samples=options.samples,
        seeds=options.seeds,
        temperature=_temperature(options),
        max_tokens=options.max_tokens,
        bad_rows=[*map(str, loaded.bad_rows)],
    )


def _temperature(options: RunOptions) -> float:
    return options.arm.temperature_or(0.0) if options.temperature is None else options.temperature


def _limited(loaded: Loaded, limit: int | None) -> Loaded:
    return loaded if limit is None else Loaded(loaded.problems[:limit], loaded.bad_rows)


def _require_sense(options: RunOptions) -> None:
    if min(options.samples, options.seeds, options.pace.concurrency, options.pace.scorers) < 1 or (
        options.limit is not None and options.limit < 1
    ):
        raise ConfigError("--samples, --seeds, --limit, --concurrency, --scorers: expected at least 1")
    if _temperature(options) == 0 and options.samples * options.seeds > 1:
        raise ConfigError(
            "--temperature 0 gives one answer however often it is asked; expected --samples 1 --seeds 1, or a "
            "temperature above 0"
        )
