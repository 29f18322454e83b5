"""Texts to time on: real code that nothing was built or warmed for."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import os
import sysconfig
from pathlib import Path

from grammar.errors import GrammarError
from grammar.warmup import is_warm_name


def bench_texts(language: str, count: int) -> list[bytes]:
    """Give up to `count` texts.

    Python: functions of the running interpreter's library, from files that grammar/warmup.py leaves alone.
    Java, Go: HumanEval-X under the folder in CODEFUSION_DATA (default ../shared/data); never part of the project.
    Raises GrammarError when there are none.
    """
    texts = _python_functions() if language == "python" else _humaneval_x(language)
    if not texts:
        raise GrammarError(
            f"no texts for {language}: expected HumanEval-X in the folder that CODEFUSION_DATA names"
        )
    ranked = sorted(texts, key=lambda text: hashlib.blake2b(text, digest_size=8).digest())
    return ranked[:count]


def _python_functions() -> list[bytes]:
    found: list[bytes] = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        if is_warm_name(path.name):
            continue
        source = path.read_text(encoding="utf-8", errors="replace")
        for node in ast.parse(source).body:
            text = ast.get_source_segment(source, node) or ""
            if isinstance(node, ast.FunctionDef) and 300 < len(text) < 3000 and "\t" not in text:
                found.append(text.encode() + b"\n")
    return found


def _humaneval_x(language: str) -> list[bytes]:
    folder = Path(os.environ.get("CODEFUSION_DATA", "../shared/data")) / "humaneval-x"
    path = folder / f"humaneval_{language}.jsonl.gz"
    if not path.is_file():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    head = "package main\n" if language == "go" else ""  # the data set leaves it out
    return [(head + row["prompt"] + row["canonical_solution"]).encode() for row in rows]
