"""Texts to time on: real code that nothing was built or warmed for, chosen by the hash of what it is."""

from __future__ import annotations

import ast
import gzip
import hashlib
import itertools
import json
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from grammar.errors import GrammarError
from grammar.languages import LANGUAGES
from grammar.warmup import is_warm_name

LEAST, MOST = (
    300,
    3000,
)  # bytes of a Python function or class; files of a folder may be up to ten times as long


def bench_texts(language: str, count: int, folder: Path | None = None) -> list[bytes]:
    """Give up to `count` texts, the same at every call.

    folder   take the files of the language below it. Without one:
    Python   functions and classes of the running interpreter's library, from files that grammar/warmup.py leaves
             alone.
    others   HumanEval-X in the folder that CODEFUSION_DATA names (default ../shared/data); not part of the project.
    Raises GrammarError when there are none.
    """
    if folder is not None:
        texts = list(_files(folder, LANGUAGES[language].suffixes))
    else:
        found = _python_definitions() if language == "python" else _humaneval_x(language)
        texts = list(
            itertools.islice(found, 4 * count)
        )  # out of a few hundred files: parsing them all takes seconds
    if not texts:
        raise GrammarError(
            f"no texts for {language}: expected files of it in the folder of --from, or humaneval-x in the folder "
            f"that CODEFUSION_DATA names"
        )
    return sorted(set(texts), key=_hash)[:count]


def _files(folder: Path, suffixes: tuple[str, ...]) -> Iterator[bytes]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in suffixes and path.is_file() and path.stat().st_size <= 10 * MOST:
            text = path.read_bytes()
            if _is_utf8(text):
                yield text


def _hash(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=8).digest()


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _python_definitions() -> Iterator[bytes]:
    files = Path(sysconfig.get_path("stdlib")).glob("*.py")
    for path in sorted(files, key=lambda path: _hash(path.name.encode())):
        if is_warm_name(path.name):
            continue
        source = path.read_bytes()
        lines = source.splitlines(keepends=True)
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                text = b"".join(lines[node.lineno - 1 : node.end_lineno])
                if LEAST < len(text) < MOST and _is_utf8(text):
                    yield text


def _humaneval_x(language: str) -> Iterator[bytes]:
    data = Path(os.environ.get("CODEFUSION_DATA") or "../shared/data")
    name = "js" if language == "javascript" else language
    path = data / "humaneval-x" / f"humaneval_{name}.jsonl.gz"
    if not path.is_file():
        return
    head = "package main\n" if language == "go" else ""  # HumanEval-X leaves it to the test set-up
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield (head + row["prompt"] + row["canonical_solution"]).encode()
