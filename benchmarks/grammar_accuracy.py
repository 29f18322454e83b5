"""How exact `grammar` is: `python -m benchmarks.grammar_accuracy --language go --files 500 --mutations 5000`.

Against tree-sitter (whole files, without rules) and against the language's own parser (real files, mutants with one
lexeme changed, cuts that the engine closes), and gaps with right context. Nothing is downloaded; what the corpora are,
benchmarks/grammar_oracles/corpora.py says.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sys
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.errors import BenchmarkError
from benchmarks.grammar_oracles import ORACLES, open_oracle
from benchmarks.grammar_oracles.corpora import data_folder, source_files
from benchmarks.grammar_oracles.measure import (
    Differences,
    Report,
    compare_closings,
    compare_files,
    compare_mutants,
    compare_suffixes,
    compare_with_tree_sitter,
    without_rules,
)
from benchmarks.progress import steps
from grammar import load_language


def main(arguments: list[str] | None = None) -> int:
    """Measure; give the exit code: 0, or 1 after saying why there is no result."""
    options = _parser().parse_args(arguments)
    try:
        report = measure(options)
    except (BenchmarkError, ValueError) as error:
        print(f"python -m benchmarks.grammar_accuracy: {error}", file=sys.stderr)
        return 1
    show(report, Console(), options.misses)
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(report, options.seed), indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grammar_accuracy", description=__doc__)
    parser.add_argument("--language", choices=sorted(ORACLES), default="python")
    parser.add_argument("--files", type=int, default=300, help="real files (default: 300)")
    parser.add_argument("--mutations", type=int, default=2000, help="texts with one change (default: 2000)")
    parser.add_argument("--closings", type=int, default=300, help="cuts to close (default: 300)")
    parser.add_argument("--suffixes", type=int, default=300, help="gaps with right context (default: 300)")
    parser.add_argument(
        "--tree-sitter-only", action="store_true", help="compare files with tree-sitter and stop"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides files and changes (default: 1)")
    parser.add_argument("--data", help="folder of HumanEval-X and others (default: CODEFUSION_DATA)")
    parser.add_argument("--misses", type=int, default=15, help="kinds of misses to show (default: 15)")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    return parser


def measure(options: argparse.Namespace) -> Report:
    """Run every comparison. Raises OracleMissingError when the language's own parser is not installed."""
    report, rng = Report(options.language), random.Random(options.seed)  # noqa: S311
    every = source_files(options.language, data_folder(options.data), options.seed)
    if not every:
        raise ValueError(
            f"expected real files of {options.language}; none was found (see grammar_oracles/corpora.py)"
        )
    files = every[: options.files]
    language, plain = load_language(options.language), without_rules(options.language)
    if options.tree_sitter_only:
        if plain is None:
            raise ValueError(f"{options.language} is read by a scanner of our own; expected java or go")
        with steps(len(files)) as bar:
            compare_with_tree_sitter(report, plain, files, bar)
        return report
    total = len(files) + options.mutations + options.closings + options.suffixes
    with open_oracle(options.language) as oracle, steps(total) as bar:
        compare_files(report, language, plain, oracle, files, bar)
        compare_mutants(report, language, oracle, every, options.mutations, rng, bar)
        compare_closings(report, language, oracle, every, options.closings, rng, bar)
        compare_suffixes(report, language, oracle, every, options.suffixes, rng, bar)
    return report


def show(report: Report, console: Console, misses: int) -> None:
    """Print the table, then what went wrong, most frequent first."""
    table = Table("", "compared", "MB", "different", "share", title=f"grammar: {report.language}")
    rows = _rows(report)
    for text, part in rows:
        share = f"{part.different / part.compared:.2%}" if part.compared else "-"
        table.add_row(text, f"{part.compared:,}", f"{part.bytes / 1e6:.1f}", f"{part.different:,}", share)
    console.print(table)
    for text, part in rows:
        if part.different:
            console.print(f"\n[bold]{text}[/bold]")
        for reason, count in Counter(part.reasons).most_common(misses):
            console.print(f"{count:6}  {escape(reason)}", highlight=False)
            for example in part.examples[reason]:
                console.print(f"          {escape(example)}", highlight=False, style="dim")


def _rows(report: Report) -> list[tuple[str, Differences]]:
    return [
        ("files: grammar without rules against tree-sitter", report.tree_sitter),
        ("files the language accepts, refused by the grammar itself", report.refused_by_grammar),
        ("files the language accepts, refused here", report.refused_by_rules),
        ("mutants the language accepts, refused here", report.mutants_refused),
        ("impossible mutants called viable", report.over_accepted),
        ("unfinished mutants called finished", report.wrongly_ended),
        ("cuts closed, refused by the language", report.closings),
        ("lexemes allowed in a gap, no way to its right context", report.suffixes),
    ]


def as_json(report: Report, seed: int) -> dict[str, object]:
    """Give everything measured, with the seed it came from."""
    return {"seed": seed, **dataclasses.asdict(report)}


if __name__ == "__main__":
    sys.exit(main())
