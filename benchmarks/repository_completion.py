"""Does retrieval help? Lines of real packages that call a function of another file, completed with it and without.

    python -m benchmarks.repository_completion --base-url http://127.0.0.1:8000 --home runs/indexes django/ networkx/

Each PACKAGE is a folder with its sources. The files that lines are cut from are no part of the index; those with the
functions they call are. `--home` is the folder of the indexes, which the service must have as `retrieval.folder`.
Greedy, so both arms differ in nothing but the prompt. What was answered is kept, and the same command goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO, get_args

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.client import connect, require_ready
from benchmarks.errors import BenchmarkError
from benchmarks.progress import Steps, steps
from benchmarks.repository_cases import Cut, RepositoryCase, cut_cases
from evaluation.significance import compare
from retrieval_index.embedder import DEFAULT, load_embedder
from retrieval_index.embedding import EmbeddedBy
from retrieval_index.errors import RetrievalError
from retrieval_index.update import update_index

_ARMS = ("without", "with")
_MAX_TOKENS = 48
_LOAD_SECONDS = 60.0
Records = dict[tuple[str, str], dict[str, Any]]


def main(arguments: list[str] | None = None) -> int:
    """Cut, index, ask, compare; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.repository_completion", description=__doc__)
    parser.add_argument("packages", nargs="+", type=Path, metavar="PACKAGE")
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--home", type=Path, required=True, help="folder of the indexes")
    parser.add_argument("--records", type=Path, default=Path("runs/repository-completion.jsonl"))
    parser.add_argument("--embedder", default=DEFAULT)
    parser.add_argument("--cases", type=int, default=60, help="of a package at most (default: 60)")
    parser.add_argument(
        "--cut",
        choices=get_args(Cut),
        default="line",
        help="the whole line, or from the call on (default: line)",
    )
    parser.add_argument("--snippets", type=int, default=4, help="k of the requests (default: 4)")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        cases = _index(options)
        options.records.parent.mkdir(parents=True, exist_ok=True)
        with options.records.open("a+", encoding="utf-8") as file:
            file.seek(0)
            records = asyncio.run(_ask_all(options, cases, file))
    except (BenchmarkError, RetrievalError, httpx.HTTPError) as error:
        print(f"python -m benchmarks.repository_completion: {error}", file=sys.stderr)
        return 1
    _print_report(cases, records)
    return 0


def _index(options: argparse.Namespace) -> list[RepositoryCase]:
    embedder = load_embedder(options.embedder)
    by = EmbeddedBy(options.embedder, embedder) if embedder else None
    cases: list[RepositoryCase] = []
    for package in options.packages:
        copy = options.home.with_name(f"{options.home.name}-sources") / package.name
        cases += cut_cases(package, copy, options.cases, options.seed, options.cut)
        report = update_index(copy, options.home, package.name.lower(), embedded_by=by)
        print(f"{package.name}: {report.num_chunks:,} chunks", file=sys.stderr)
    if not cases:
        raise BenchmarkError(
            "expected packages with lines that call functions of their other files; found none"
        )
    return cases


async def _ask_all(options: argparse.Namespace, cases: Sequence[RepositoryCase], file: TextIO) -> Records:
    records: Records = {(line["case"], line["arm"]): line for line in map(json.loads, file)}
    work = iter([(case, arm) for case in cases for arm in _ARMS if (case.name, arm) not in records])
    async with connect(options.base_url) as http:
        await require_ready(http)
        await _require_indexes(http, {case.package.lower() for case in cases})
        with steps(2 * len(cases) - len(records)) as bar:
            bar.begin("completing")

            async def client(bar: Steps) -> None:
                for case, arm in work:
                    record = await _ask(http, case, arm, options.snippets)
                    records[case.name, arm] = record
                    file.write(json.dumps(record) + "\n")
                    file.flush()
                    bar.done()

            await asyncio.gather(*(client(bar) for _ in range(options.clients)))
    return records


async def _require_indexes(http: httpx.AsyncClient, names: set[str]) -> None:
    """Wait for the service to load what was just built."""
    try:
        async with asyncio.timeout(_LOAD_SECONDS):
            while True:
                cards = (await http.get("/v1/indexes")).json()["data"]
                if names <= {card["id"] for card in cards if card["status"] == "ready"}:
                    return
                await asyncio.sleep(1)
    except TimeoutError:
        raise BenchmarkError(
            f"expected a service with the indexes {', '.join(sorted(names))}: start it with "
            "--set retrieval.folder=… (the --home of this command)"
        ) from None


async def _ask(http: httpx.AsyncClient, case: RepositoryCase, arm: str, k: int) -> dict[str, Any]:
    retrieval = {"index": case.package.lower(), "k": k, "path": case.path} if arm == "with" else False
    body = {
        "language": "python", "prefix": case.prefix, "suffix": case.suffix, "retrieval": retrieval, "temperature": 0,
        "max_tokens": _MAX_TOKENS, "stop": ["\n"], "syntax": "off",
    }  # fmt: skip
    answer = await http.post("/generate", json=body, timeout=600)
    if not answer.is_success:
        raise BenchmarkError(f"{case.name}: expected an answer; got {answer.status_code} {answer.text[:200]}")
    values = answer.json()
    return {
        "case": case.name,
        "arm": arm,
        "code": values["code"].split("\n")[0].strip(),
        "retrieved": [chunk["path"] for chunk in values["retrieved"] if not chunk["trimmed"]],
        "degraded": (values["retrieval"] or {}).get("degraded"),
        "retrieve_ms": values["timings_ms"]["retrieve"],
        "total_ms": values["timings_ms"]["total"],
        "prompt_tokens": values["usage"]["prompt_tokens"],
    }


def edit_similarity(one: str, other: str) -> float:
    """Give 0 to 1: Ratcliff and Obershelp's, of difflib."""
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()


def _print_report(cases: Sequence[RepositoryCase], records: Records) -> None:
    pairs = [tuple(records[case.name, arm] for arm in _ARMS) for case in cases]
    exact = {arm: [pair[i]["code"] == case.line for case, pair in zip(cases, pairs, strict=True)]
             for i, arm in enumerate(_ARMS)}  # fmt: skip
    similar = {arm: [edit_similarity(pair[i]["code"], case.line) for case, pair in zip(cases, pairs, strict=True)]
               for i, arm in enumerate(_ARMS)}  # fmt: skip
    table = Table("arm", "lines", "exact (%)", "edit similarity", "calls the helper (%)", "prompt tokens")
    for i, arm in enumerate(_ARMS):
        calls = [f"{case.helper}(" in pair[i]["code"] for case, pair in zip(cases, pairs, strict=True)]
        table.add_row(
            arm,
            str(len(cases)),
            f"{100 * statistics.fmean(exact[arm]):.1f}",
            f"{statistics.fmean(similar[arm]):.3f}",
            f"{100 * statistics.fmean(calls):.1f}",
            f"{statistics.fmean(pair[i]['prompt_tokens'] for pair in pairs):.0f}",
        )
    Console().print(table)
    by_exact, by_likeness = (
        compare(values["without"], values["with"])
        for values in ({n: list(map(float, v)) for n, v in exact.items()}, similar)
    )
    print(
        f"exact: only with {by_exact.only_b}, only without {by_exact.only_a}, McNemar p = {by_exact.mcnemar_p:.3g}"
    )
    gain = by_likeness.difference
    print(f"edit similarity: {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] (95 %, paired bootstrap)")
    found = [case.helper_path in pair[1]["retrieved"] for case, pair in zip(cases, pairs, strict=True)]
    print(f"the helper's file was among the snippets: {100 * statistics.fmean(found):.1f} %")
    print(f"degraded: {sum(pair[1]['degraded'] is not None for pair in pairs)}")


if __name__ == "__main__":
    sys.exit(main())
