"""How many answers of a running service are programs by the language's own parser, raw and under the mask.

    python -m benchmarks.parse_rate answers --base-url http://127.0.0.1:8000 --cases 501   tasks, temperature 1
    python -m benchmarks.parse_rate gaps --base-url http://127.0.0.1:8000 --cases 500      gaps in real files, greedy

Every answer is kept in `--records`; what is there is not asked again, so a run may be stopped and gone on with.
Without --base-url the records are judged and nothing is asked. Judges: CPython, javac (parsing only), go/parser.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from benchmarks.client import connect, require_ready, run_async
from benchmarks.errors import BenchmarkError
from benchmarks.grammar_oracles import ORACLES, open_oracle
from benchmarks.grammar_oracles.corpora import data_folder
from benchmarks.parse_cases import ParseCase, answer_cases, gap_cases
from benchmarks.progress import Steps, steps
from benchmarks.report import Section, Table, show
from benchmarks.text_runs import BOUNDS, bounds_reached

ARMS = ("raw", "masked")
_SYNTAX = {"raw": "off", "masked": "enforce"}
_REQUEST_SECONDS = 600.0
_SHOWN = 120


@dataclass
class Judged:
    """One arm's answers of one language. `runs`: answers that reach a bound (masked) or go past it (raw)."""

    answers: int = 0
    cut: int = 0
    accepted: int = 0
    refused: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    not_answered: int = 0
    degraded: int = 0
    closed: int = 0
    tokens: int = 0
    changed: int = 0
    runs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BOUNDS, 0))

    def add(self, other: Judged) -> None:
        """Take another language's in."""
        for name in ("answers", "cut", "accepted", "not_answered", "degraded", "closed", "tokens", "changed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.refused += other.refused
        for name, count in other.runs.items():
            self.runs[name] += count


Records = dict[tuple[str, str], dict[str, Any]]


def read_records(path: Path) -> Records:
    """Give what was answered already, by case and arm."""
    if not path.exists():
        return {}
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {(line["case"], line["arm"]): line for line in lines}


async def ask(
    base_url: str, cases: Sequence[ParseCase], path: Path, *, clients: int, seconds: float, bar: Steps
) -> None:
    """Ask what is not recorded yet, until all is there or the time is over."""
    known = read_records(path)
    # Arms of a gap follow each other, since its text is then in the prefix cache.
    pairs = [(case, arm) for case in cases for arm in ARMS]
    if not any(case.before for case in cases):
        pairs.sort(key=lambda pair: pair[1])
    work = iter([(case, arm) for case, arm in pairs if (case.name, arm) not in known])
    deadline = time.monotonic() + seconds
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:

        async def client() -> None:
            for case, arm in work:
                if time.monotonic() > deadline:
                    return
                record = await _ask_one(http, case, arm)
                file.write(json.dumps(record) + "\n")
                file.flush()
                bar.done()

        async with connect(base_url) as http:
            await require_ready(http)
            bar.begin("asking")
            await asyncio.gather(*(client() for _ in range(clients)))


async def _ask_one(http: httpx.AsyncClient, case: ParseCase, arm: str) -> dict[str, Any]:
    body = case.body | {"syntax": _SYNTAX[arm]}
    answer = await http.post("/generate", json=body, timeout=_REQUEST_SECONDS)
    record: dict[str, Any] = {"case": case.name, "arm": arm, "status": answer.status_code}
    values = answer.json()
    if answer.is_success:
        return record | {name: values[name] for name in ("code", "finish_reason", "syntax", "usage")}
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or answer.status_code == 429:
        raise BenchmarkError(f"{case.name}: expected an answer; got {answer.status_code} {answer.text[:200]}")
    return record | {"error": values["error"]}


def judge(cases: Iterable[ParseCase], records: Records) -> dict[str, dict[str, Judged]]:
    """Give each arm's results by language. Raises OracleMissingError."""
    found = {arm: {language: Judged() for language in sorted(ORACLES)} for arm in ARMS}
    with ExitStack() as stack:
        oracles = {language: stack.enter_context(open_oracle(language)) for language in sorted(ORACLES)}
        for case in cases:
            for arm in ARMS:
                record = records.get((case.name, arm))
                if record is None:
                    continue
                judged = found[arm][case.language]
                if "code" not in record:
                    judged.not_answered += 1
                    continue
                text = case.before + record["code"] + case.after
                verdict = oracles[case.language].check(text.encode())
                _count(judged, case, record, beyond=arm == "raw")
                judged.accepted += verdict.accepted
                if not verdict.accepted:
                    judged.refused.append((case.name, verdict.message, _excerpt(record)))
    return found


def _excerpt(record: dict[str, Any]) -> str:
    return f"{record['code'][-_SHOWN:]!r} ({record['finish_reason']}; {record['syntax']['degraded']})"


def _count(judged: Judged, case: ParseCase, record: dict[str, Any], *, beyond: bool) -> None:
    syntax = record["syntax"]
    judged.answers += 1
    judged.cut += record["finish_reason"] == "length"
    judged.degraded += syntax["degraded"] is not None
    judged.closed += bool(syntax["closing_forced"])
    judged.tokens += record["usage"]["completion_tokens"]
    judged.changed += syntax["changed_tokens"] or 0
    for name in bounds_reached(case.language, record["code"], beyond=beyond):
        judged.runs[name] += 1


def section(found: dict[str, dict[str, Judged]]) -> Section:
    """Give the tables."""
    columns = ("arm", "language", "answers", "cut", "parse", "of those cut", "degraded", "tokens", "changed")
    rows: list[tuple[str, ...]] = []
    runs: list[tuple[str, ...]] = []
    refused: list[tuple[str, ...]] = []
    for arm, languages in found.items():
        together = Judged()
        for judged in languages.values():
            together.add(judged)
        for language, judged in [*languages.items(), ("all", together)]:
            rows.append(_row(arm, language, judged))
        runs.append((arm, *(str(together.runs[name]) for name in BOUNDS)))
        if arm == "masked":
            refused += ((name, message, text) for name, message, text in together.refused)
    return Section(
        "parse rate",
        (
            Table("By the language's own parser", columns, tuple(rows)),
            Table("Answers that reach a bound (masked), go past it (raw)", ("arm", *BOUNDS), tuple(runs)),
            Table("Refused under the mask", ("case", "the parser says", "the answer's end"), tuple(refused)),
        ),
        {},
    )


def _row(arm: str, language: str, judged: Judged) -> tuple[str, ...]:
    share = judged.accepted / max(1, judged.answers)
    changed = judged.changed / max(1, judged.tokens)
    cut_and_refused = sum("(length;" in text for _, _, text in judged.refused)
    return (
        arm,
        language,
        str(judged.answers) + (f" (+{judged.not_answered} refused)" if judged.not_answered else ""),
        str(judged.cut),
        f"{judged.accepted} ({share:.1%})",
        f"{judged.cut - cut_and_refused} of {judged.cut}",
        str(judged.degraded),
        str(judged.tokens),
        f"{changed:.2%}" if arm == "masked" else "",
    )


def main(words: Sequence[str] | None = None) -> int:
    """Ask, judge, print; give 0, or 1 after saying why there is no result."""
    given = _parser().parse_args(words)
    records: Path = given.records or Path("runs") / f"parse-{given.what}.jsonl"
    try:
        if given.what == "answers":
            cases = answer_cases(data_folder(given.data), given.cases, given.tokens or 120)
        else:
            cases = gap_cases(given.cases, given.tokens or 64, given.seed)
        if given.base_url:
            with steps(len(cases) * len(ARMS) - len(read_records(records))) as bar:
                run_async(
                    ask(given.base_url, cases, records, clients=given.clients, seconds=given.seconds, bar=bar)
                )
        if not given.only_ask:
            show(section(judge(cases, read_records(records))), Console(width=given.width))
    except (BenchmarkError, OSError) as error:
        print(f"python -m benchmarks.parse_rate: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parse_rate", description=__doc__)
    parser.add_argument("what", choices=["answers", "gaps"])
    parser.add_argument("--base-url", help="of a running service; without, only what is recorded is judged")
    parser.add_argument("--cases", type=int, default=501, help="(default: 501)")
    parser.add_argument("--tokens", type=int, help="of an answer at most (default: 120; gaps: 64)")
    parser.add_argument("--clients", type=int, default=16, help="requests at once (default: 16)")
    parser.add_argument("--seconds", type=float, default=1e9, help="ask no longer than this, then judge")
    parser.add_argument("--only-ask", action="store_true", help="judge another time")
    parser.add_argument("--records", type=Path, help="the answers (default: runs/parse-WHAT.jsonl)")
    parser.add_argument("--seed", type=int, default=1, help="of files and cuts (default: 1)")
    parser.add_argument("--data", help="folder of MBPP (default: CODEFUSION_DATA)")
    parser.add_argument("--width", type=int, default=160, help="of the tables")
    return parser


if __name__ == "__main__":
    sys.exit(main())
