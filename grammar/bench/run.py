"""python -m grammar bench: percentiles of mask and accept per token, teacher-forced, one core.

All engines get the same texts in the same run, one after the other. Nothing timed was warmed (grammar/bench/texts.py);
what ours builds once and keeps is reported apart ("first use"). On a busy machine `--clock cpu` counts the thread's
own time instead, at the price of about 0.3 µs a call.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import platformdirs
from rich.console import Console

from grammar.bench.figures import Row, machine, row_of, tables
from grammar.bench.measure import CLOCKS, OURS, Job, measure
from grammar.bench.peers import PEERS
from grammar.bench.texts import bench_texts
from grammar.languages import LANGUAGES

WIDTH = 151_936  # rows of Qwen2.5's logits
MODEL = "qwen2.5-coder-0.5b-instruct"


def main(argv: list[str]) -> int:
    """Run the benchmark; give the exit code. Raises GrammarError for missing texts or tokenizer."""
    options = _options(argv)
    console = Console(width=170, stderr=False)
    rows: list[Row] = []
    about = machine() | {"width": options.width, "clock": options.clock}
    for language in options.language:
        texts = bench_texts(language, options.texts, options.texts_from)
        with tempfile.TemporaryDirectory() as cache:
            job = _job(options, language, texts, Path(cache))
            rows += _ours(job, console)
        rows += [_measured(dataclasses.replace(job, engine=peer), console) for peer in options.peers]
    for table in tables(rows):
        console.print(table)
    console.print(", ".join(f"{name} {value}" for name, value in about.items()))
    if options.json:
        options.json.write_text(json.dumps(about | {"rows": rows}, indent=1), encoding="utf-8")
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m grammar bench", description="Time masks beside other engines."
    )
    parser.add_argument("--language", nargs="+", choices=[*LANGUAGES], default=[*LANGUAGES])
    parser.add_argument("--texts", type=int, default=60, help="texts for each language; default: %(default)s")
    parser.add_argument(
        "--from", type=Path, dest="texts_from", help="take texts from the files in this folder"
    )
    parser.add_argument("--peers", nargs="*", choices=[*PEERS], default=[*PEERS], help="default: all")
    parser.add_argument(
        "--peers-from",
        type=lambda name: Path(name).resolve(),
        help="folder of `pip install --no-deps --target FOLDER PEER…`, for peers that are not in this environment",
    )
    parser.add_argument(
        "--seconds", type=float, default=90, help="for an engine and language; default: %(default)s"
    )
    parser.add_argument(
        "--build-seconds", type=float, default=300, help="for an engine's start-up; default: %(default)s"
    )
    parser.add_argument("--clock", choices=[*CLOCKS], default="wall")
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--tokenizer", type=Path, default=_default_tokenizer(), help="default: %(default)s")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    return parser.parse_args(argv)


def _default_tokenizer() -> Path:
    cache = os.environ.get("CODEFUSION_CACHE") or platformdirs.user_cache_dir("codefusion")
    return Path(cache) / "models" / MODEL


def _job(options: argparse.Namespace, language: str, texts: list[bytes], cache: Path) -> Job:
    return Job(
        engine=OURS,
        language=language,
        tokenizer=options.tokenizer,
        width=options.width,
        texts=texts,
        cache=cache,
        clock=options.clock,
        seconds=options.seconds,
        build_seconds=options.build_seconds,
        peers_from=options.peers_from,
    )


def _ours(job: Job, console: Console) -> list[Row]:
    cold = _measured(dataclasses.replace(job, texts=[]), console)
    calls = _measured(job, console)
    loop = _measured(dataclasses.replace(job, native_loop=True, clock="wall"), console)
    loop["engine"] += ", native loop"
    cold_start: dict[str, Any] = {"cold_start_s": cold["start_s"], "cold_parts_s": cold["parts_s"]}
    return [calls | cold_start, loop]


def _measured(job: Job, console: Console) -> Row:
    with console.status(f"{job.engine}, {job.language}"):
        return row_of(job, measure(job))
