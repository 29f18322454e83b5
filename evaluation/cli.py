"""The commands of `python -m evaluation`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import platformdirs
from rich.console import Console
from rich.table import Column, Table

from evaluation.ablation import read_ablation, run_ablation
from evaluation.arms import ARMS, Arm, find_arm
from evaluation.errors import DataMissingError, EvaluationError, FetchError
from evaluation.fetching import fetch_suite
from evaluation.figures import PAPER_COLUMNS, shown
from evaluation.problems import Problem
from evaluation.readability import ReadabilityModel, trained_for
from evaluation.report import write_report
from evaluation.reselect import Rule
from evaluation.run_folder import RunFolder
from evaluation.running import RunOptions, problems_of, rescore, reselect, run_suite, unmask
from evaluation.sampling import Pace
from evaluation.scoring import Scorer
from evaluation.suites import SUITES, find_suite, load_suite, selection
from evaluation.suites.upstream import UPSTREAM
from evaluation.summary import RunSummary, summarise

_DEFAULT_DATA = Path("../shared/data")
_FETCHED_DATA = Path(platformdirs.user_data_dir("codefusion")) / "benchmarks"


def main(argv: list[str]) -> int:
    """Run one command; give its exit code: 0, 1 when something was refused or left out, 2 for an error."""
    options = _parser().parse_args(argv)
    try:
        return options.command(options)
    except EvaluationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\ninterrupted; what was sampled is kept, and the same command goes on from there",
            file=sys.stderr,
        )
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m evaluation", description="Benchmarks against a running service."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="sample a suite from a service and score the answers")
    run.add_argument("suite", metavar="SUITE", help="see `suites`; with --problems, any name")
    run.add_argument("--arm", default="raw", help=f"how to ask: {', '.join(ARMS)} (default: raw)")
    _add_sampling(run)
    _add_data(run)
    run.add_argument("--no-score", action="store_true", help="sample only; score later by the same command")
    run.add_argument("--output", type=Path, help="the run's folder (default: runs/SUITE-ARM)")
    run.set_defaults(command=_run)

    again = commands.add_parser("rescore", help="judge a run's answers by another suite's tests")
    again.add_argument("run", type=Path, metavar="RUN")
    again.add_argument("--suite", required=True, help="e.g. humaneval+ for a run of humaneval")
    again.add_argument("--output", type=Path, required=True)
    _add_data(again)
    again.set_defaults(command=_rescore)

    chosen = commands.add_parser(
        "reselect", help="choose otherwise among a run's candidates, without sampling"
    )
    chosen.add_argument("run", type=Path, metavar="RUN", help="a run of an arm with return_candidates")
    chosen.add_argument("--by", required=True, choices=[*Rule], help="see evaluation/reselect.py")
    chosen.add_argument("--output", type=Path, required=True)
    _add_data(chosen)
    chosen.set_defaults(command=_reselect)

    bare = commands.add_parser(
        "unmask", help="ask a greedy run again without the mask, where the mask had a hand in the answer"
    )
    bare.add_argument("run", type=Path, metavar="RUN", help="a run of the arm generate, greedy")
    bare.add_argument("--base-url", required=True)
    bare.add_argument("--output", type=Path, required=True)
    _add_pace(bare)
    _add_data(bare)
    bare.set_defaults(command=_unmask)

    report = commands.add_parser("report", help="tables, charts and a page per problem")
    report.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    report.add_argument("--output", type=Path, default=Path("report"), help="default: report")
    _add_data(report)
    report.set_defaults(command=_report)

    ablate = commands.add_parser("ablate", help="several arms on the same problems and seeds")
    ablate.add_argument("config", type=Path, metavar="CONFIG", help="TOML; see docs/evaluation.md")
    ablate.add_argument(
        "--output", type=Path, default=Path("runs"), help="folder of the runs (default: runs)"
    )
    ablate.add_argument("--base-url", required=True)
    _add_pace(ablate)
    _add_data(ablate)
    ablate.set_defaults(command=_ablate)

    made = commands.add_parser("select-codecontests", help="make the fixed selection again (minutes)")
    _add_data(made)
    made.set_defaults(command=_select)

    suites = commands.add_parser("suites", help="which suites are here, with how many rows")
    _add_data(suites)
    suites.set_defaults(command=_suites)
    _add_fetch(
        commands.add_parser("fetch", help="download benchmarks from where they are published, checked")
    )
    return parser


def _add_fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help="default: all that are published and pinned"
    )
    parser.add_argument(
        "--data", type=Path, help=f"folder to put them into (default: CODEFUSION_DATA, else {_FETCHED_DATA})"
    )
    parser.set_defaults(command=_fetch)


def _add_sampling(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base-url", required=True, help="of the service, e.g. http://127.0.0.1:8000")
    parser.add_argument("--samples", type=int, default=1, help="answers per problem and seed (default: 1)")
    parser.add_argument(
        "--seeds", type=int, default=1, help="how often the whole is repeated, with other seeds (default: 1)"
    )
    parser.add_argument(
        "--temperature", type=float, help="default: the arm's own (n5-…: 0.2), else 0, greedy"
    )
    parser.add_argument(
        "--max-tokens", type=int, help="of an answer (default: as in the published evaluation)"
    )
    parser.add_argument("--limit", type=int, help="the first problems only")
    _add_pace(parser)


def _add_pace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--concurrency", type=int, default=32, help="requests at once (default: 32)")
    parser.add_argument(
        "--patience",
        type=float,
        default=120.0,
        help="seconds without any answer before giving up (default: 120)",
    )
    parser.add_argument("--scorers", type=int, default=2, help="sandboxes at once (default: 2)")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        help="folder of the benchmarks (default: CODEFUSION_DATA, else ../shared/data, else where `fetch` puts them)",
    )
    parser.add_argument("--problems", type=Path, help="a file of one's own in HumanEval's format")


def _data(options: argparse.Namespace) -> Path | None:
    if options.data is not None:
        if not options.data.is_dir():
            raise DataMissingError(f"--data: expected a folder; {options.data} is none")
        return options.data
    if named := os.environ.get("CODEFUSION_DATA"):
        if not Path(named).is_dir():
            raise DataMissingError(f"CODEFUSION_DATA: expected a folder; {named} is none")
        return Path(named)
    return next((folder for folder in (_DEFAULT_DATA, _FETCHED_DATA) if folder.is_dir()), None)


def _run(options: argparse.Namespace) -> int:
    arm = find_arm(options.arm)
    output = options.output or Path("runs") / f"{options.suite}-{arm.name}"
    folder = run_suite(
        RunOptions(
            suite=options.suite,
            base_url=options.base_url,
            output=output,
            arm=arm,
            data=_data(options),
            problems_file=options.problems,
            samples=options.samples,
            seeds=options.seeds,
            temperature=options.temperature,
            max_tokens=options.max_tokens,
            limit=options.limit,
            score=not options.no_score,
            pace=_pace(options),
        )
    )
    for row in folder.config().bad_rows:
        print(f"left out: {row}", file=sys.stderr)
    if options.no_score:
        print(f"{len(folder.samples())} answers in {output}, not scored")
    else:
        _show([_summary(folder, options)])
    return 0


def _rescore(options: argparse.Namespace) -> int:
    folder = rescore(RunFolder(options.run), options.suite, _data(options), options.output)
    _show([_summary(folder, options)])
    return 0


def _reselect(options: argparse.Namespace) -> int:
    folder = reselect(
        RunFolder(options.run), Rule(options.by), _data(options), options.problems, options.output
    )
    _show([_summary(folder, options)])
    return 0


def _unmask(options: argparse.Namespace) -> int:
    folder = unmask(
        RunFolder(options.run),
        options.base_url,
        _data(options),
        options.problems,
        options.output,
        _pace(options),
    )
    _show([_summary(folder, options)])
    return 0


def _report(options: argparse.Namespace) -> int:
    runs = [_summary(RunFolder(path), options) for path in options.runs]
    print(write_report(runs, options.output))
    _show(runs)
    return 0


def _ablate(options: argparse.Namespace) -> int:
    def make(suite: str, arm: Arm, settings: dict[str, Any]) -> RunOptions:
        output = options.output / f"{suite}-{arm.name}"
        settings = settings | {"temperature": arm.temperature_or(settings.get("temperature", 0.0))}
        return RunOptions(
            suite, options.base_url, output, arm, _data(options), pace=_pace(options), **settings
        )

    outcome = run_ablation(
        read_ablation(options.config), make, lambda text: print(text, file=sys.stderr, flush=True)
    )
    if outcome.runs:
        runs = [_summary(folder, options) for folder in outcome.runs]
        print(write_report(runs, options.output / "report"))
        _show(runs)
    for name, reason in outcome.refused.items():
        print(f"left out: {name}: {reason}")
    return 1 if outcome.refused else 0


def _select(options: argparse.Namespace) -> int:
    if (data := _data(options)) is None:
        raise DataMissingError("expected a folder of benchmarks; name one with --data")
    scorer = Scorer()

    async def passes(problem: Problem) -> bool:
        record = {"task_id": problem.task_id, "seed": 0, "index": 0, "program": problem.reference}
        return (await scorer.score(problem, record))["status"] == "passed"

    async def choose() -> list[str]:
        async with scorer:
            return await selection.select(data, passes)

    print(selection.write(asyncio.run(choose())))
    return 0


def _fetch(options: argparse.Namespace) -> int:
    pinned = [name for name, upstream in UPSTREAM.items() if upstream.sha256 is not None]
    suites = [find_suite(name) for name in options.suites or pinned]
    folder = options.data or Path(os.environ.get("CODEFUSION_DATA") or _FETCHED_DATA)
    failed = 0
    for suite in suites:
        try:
            fetched = fetch_suite(suite, folder)
        except FetchError as error:  # the others may still come
            failed += 1
            print(f"error: {error}", file=sys.stderr)
        else:
            state = "is there" if fetched.was_there else "fetched"
            print(f"{fetched.suite}: {state}: {fetched.path} ({fetched.licence})")
    return 1 if failed else 0


def _suites(options: argparse.Namespace) -> int:
    data, missing = _data(options), 0
    table = Table("suite", "benchmark", "rows", "upstream", "left out", "references", title=f"data: {data}")
    for suite in SUITES.values():
        try:
            loaded = load_suite(suite.name, data)
        except EvaluationError as error:
            missing += 1
            table.add_row(
                suite.name, suite.title, "-", str(suite.upstream_rows or "-"), "", f"missing: {error}"
            )
            continue
        references = sum(problem.reference is not None for problem in loaded.problems)
        rows, upstream = str(len(loaded.problems)), str(suite.upstream_rows or "-")
        bad = str(len(loaded.bad_rows) or "")
        table.add_row(suite.name, suite.title, rows, upstream, bad, str(references))
    console = Console()
    console.width = max(console.width, 130)
    console.print(table)
    return 1 if missing else 0


def _pace(options: argparse.Namespace) -> Pace:
    return Pace(options.concurrency, options.patience, options.scorers)


def _summary(folder: RunFolder, options: argparse.Namespace) -> RunSummary:
    data = _data(options)
    return summarise(folder, problems_of(folder, data, options.problems), _readability(data))


def _readability(data: Path | None) -> ReadabilityModel | None:
    """Give the regressor, trained on this machine's ratings; None without them, and CRS is left out."""
    if data is None:
        return None
    try:
        return trained_for(data, Path(platformdirs.user_cache_dir("codefusion")) / "evaluation")
    except DataMissingError:
        return None


def _show(runs: list[RunSummary]) -> None:
    names = (Column(name, no_wrap=True) for name in ("suite", "arm"))
    table = Table(*names, "problems", *PAPER_COLUMNS)
    for run in runs:
        cells = [shown(run.figures.get(name)) for name in PAPER_COLUMNS]
        table.add_row(run.config.suite, run.config.arm, str(run.config.num_problems), *cells)
    console = Console()
    console.width = max(console.width, 130)
    console.print(table)
    for run in runs:
        for warning in run.warnings:
            print(f"{run.name}: {warning}", file=sys.stderr)
