"""python -m grammar bench: percentiles of mask and accept per token, teacher-forced, one core.

Ours is timed inside the native core (a call from Python adds about 0.2 µs), the peers around their own calls.
Splits that had to be built are taken out of our mask times and reported apart, as they are of an engine's cold
start. Nothing timed was warmed: see grammar/bench/texts.py.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from rich.console import Console
from rich.progress import track
from rich.table import Table

from grammar.artifact import prepare_engine
from grammar.bench.peers import load_peer, version
from grammar.bench.texts import bench_texts
from grammar.errors import GrammarError
from grammar.languages import LANGUAGES, load_language
from grammar.matcher import SyntaxMatcher
from grammar.vocabulary import TokenVocabulary

WIDTH = 151_936
QUANTILES = (50, 75, 90, 95, 99, 99.9, 100)
Row = dict[str, Any]


def main(argv: list[str]) -> int:
    """Run the benchmark; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m grammar bench")
    parser.add_argument("--language", nargs="+", choices=[*LANGUAGES], default=[*LANGUAGES])
    parser.add_argument("--texts", type=int, default=90)
    parser.add_argument("--peers", nargs="*", choices=["llguidance", "xgrammar"], default=["llguidance"])
    parser.add_argument("--peer-seconds", type=float, default=60, help="time for a peer and language")
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument(
        "--tokenizer", type=Path, help="folder of a tokenizer; default: the service's default model"
    )
    parser.add_argument("--cache", type=Path, help="folder of built engines; default: the user's cache")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args(argv)
    tokenizer = _tokenizer(options.tokenizer)
    vocabulary = TokenVocabulary.from_tokenizer(tokenizer, width=options.width)
    rows: list[Row] = []
    for language in options.language:
        texts = [
            tokenizer.encode(t.decode(), add_special_tokens=False)
            for t in bench_texts(language, options.texts)
        ]
        rows.append(_ours(language, vocabulary, texts, options.cache, tokenizer))
        rows += [_peer(name, language, tokenizer, texts, options) for name in options.peers]
    Console(width=180).print(_table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def _tokenizer(folder: Path | None) -> Any:
    from transformers import AutoTokenizer

    cache = Path(os.environ.get("CODEFUSION_CACHE", platformdirs.user_cache_dir("codefusion")))
    folder = folder or cache / "models" / "qwen2.5-coder-0.5b-instruct"
    if not folder.is_dir():
        raise GrammarError(
            f"expected a tokenizer in {folder}: run `make setup`, or name one with --tokenizer"
        )
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _ours(
    language: str, vocabulary: TokenVocabulary, texts: list[list[int]], cache: Path | None, tokenizer: Any
) -> Row:
    begun = time.monotonic()
    loaded = load_language(language)
    seconds = time.monotonic() - begun
    prepared = prepare_engine(
        loaded, vocabulary, cache, tokenize=lambda b: tokenizer.encode(b.decode(), add_special_tokens=False)
    )
    fills: list[float] = []
    accepts: list[float] = []
    built, refused, tokens = 0.0, 0, 0
    for ids in track(texts, f"ours, {language}"):
        fill, accept, split, allowed = SyntaxMatcher(loaded, vocabulary).native.time_tokens(ids)
        fills += [a - b for a, b in zip(fill, split, strict=True)]
        accepts += accept
        built += sum(split)
        refused += allowed.count(False) + (len(allowed) < len(ids))
        tokens += len(allowed)
    statistics = vocabulary.engines[language].statistics()
    memory = sum(statistics[k] for k in ("split_bytes", "evaluator_bytes", "node_bytes"))
    return {
        "engine": "codefusion",
        "language": language,
        "tokens": tokens,
        "refused": refused,
        "mask": _quantiles(fills),
        "accept": _quantiles(accepts),
        "start": f"{seconds + prepared.seconds:.2f} s ({prepared.source})",
        "note": f"{built / 1e9:.2f} s splits built on the way; {memory / 1e6:.0f} MB",
    }


def _peer(
    name: str, language: str, tokenizer: Any, texts: list[list[int]], options: argparse.Namespace
) -> Row:
    row: Row = {"engine": name, "language": language}
    try:
        peer = load_peer(name, language, tokenizer, options.width)
    except ImportError:
        return row | {"note": f"not installed: pip install {name}"}
    except ValueError as error:
        return row | {"note": str(error)}
    fills: list[float] = []
    accepts: list[float] = []
    refused, deadline = 0, time.monotonic() + options.peer_seconds
    for ids in track(texts, f"{name}, {language}"):
        follower = peer.start()
        for token in ids:
            begun = time.perf_counter_ns()
            follower.fill()
            filled = time.perf_counter_ns()
            refused += not follower.allowed(token)
            before = time.perf_counter_ns()
            accepted = follower.accept(token)
            accepts.append(time.perf_counter_ns() - before)
            fills.append(filled - begun)
            if not accepted or time.monotonic() > deadline:
                break
        if time.monotonic() > deadline:
            break
    return row | {
        "engine": f"{name} {version(name)}",
        "tokens": len(fills),
        "refused": refused,
        "mask": _quantiles(fills),
        "accept": _quantiles(accepts),
        "start": f"{peer.seconds:.2f} s",
        "note": "a refusal ends its text",
    }


def _quantiles(nanoseconds: list[float]) -> dict[str, float]:
    values = np.array(nanoseconds) / 1000
    named = {f"p{q:g}" if q < 100 else "max": round(float(np.percentile(values, q)), 2) for q in QUANTILES}
    return named | {"mean": round(float(values.mean()), 2)}


def _table(rows: list[Row]) -> Table:
    table = Table("language", "engine", "tokens", "refused", "mask µs: p50 p75 p90 p95 p99 p99.9 max | mean",
                  "accept µs: p50 p99 max", "start", "note", title="one core, teacher-forced")  # fmt: skip
    for row in rows:
        mask, accept = row.get("mask"), row.get("accept")
        table.add_row(
            row["language"],
            row["engine"],
            f"{row.get('tokens', ''):,}" if row.get("tokens") else "",
            str(row.get("refused", "")),
            " ".join(f"{v:,.1f}" for k, v in mask.items() if k != "mean") + f" | {mask['mean']:.1f}"
            if mask
            else "",
            " ".join(f"{accept[k]:,.1f}" for k in ("p50", "p99", "max")) if accept else "",
            row.get("start", ""),
            row.get("note", ""),
        )
    return table
