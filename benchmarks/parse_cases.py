"""What `python -m benchmarks.parse_rate` asks: tasks in words, and gaps cut into real files.

answers   MBPP's training tasks (ids 601 to 974), each language in turn; no evaluation set is touched
gaps      small files that the language's own parser accepts, a span taken out at random
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.grammar_oracles import ORACLES, open_oracle
from benchmarks.grammar_oracles.corpora import SourceFile, source_files

_TRAINING_IDS = range(601, 975)
# About 600 tokens with the answer: a CPU reads some hundred a second.
_FILE_BYTES = range(300, 1800)
_SPAN_BYTES = range(20, 201)
_ON_DISK = ("stdlib:", "purelib:", "jdk:", "goroot:", "npm:")


@dataclass(frozen=True)
class ParseCase:
    """One request and what stands around its answer. `body` says nothing of `syntax`: that is the arm's."""

    name: str
    language: str
    body: dict[str, Any]
    before: str = ""
    after: str = ""


def answer_cases(data: Path, num: int, max_tokens: int) -> list[ParseCase]:
    """Give tasks at temperature 1, seeded by their number. Raises BenchmarkError without the data."""
    path = data / "mbpp" / "mbpp.jsonl"
    if not path.exists():
        raise BenchmarkError(f"expected MBPP's tasks in {path}; set --data or CODEFUSION_DATA")
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    # They ask for Python, and here for each language.
    texts = [line["text"] for line in lines if line["task_id"] in _TRAINING_IDS]
    tasks = [re.sub(r"\bpython ", "", text, flags=re.IGNORECASE) for text in texts]
    cases: list[ParseCase] = []
    for number in range(num):
        language = sorted(ORACLES)[number % len(ORACLES)]
        body = {
            "prompt": tasks[number % len(tasks)],
            "language": language,
            "temperature": 1.0,
            "seed": number,
            "max_tokens": max_tokens,
        }
        cases.append(ParseCase(f"answer-{number}", language, body))
    return cases


def gap_cases(num: int, max_tokens: int, seed: int) -> list[ParseCase]:
    """Give gaps to be filled greedily, as many of each language. Raises OracleMissingError."""
    cases: list[ParseCase] = []
    languages = sorted(ORACLES)
    for order, language in enumerate(languages):
        share = num // len(languages) + (order < num % len(languages))
        cases += (case for case, _ in zip(_gaps(language, max_tokens, seed), range(share), strict=False))
    return cases


def _gaps(language: str, max_tokens: int, seed: int) -> Iterator[ParseCase]:
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    # No data folder: its problems are what is evaluated.
    files = (file for file in source_files(language, Path("none"), seed) if file.origin.startswith(_ON_DISK))
    with open_oracle(language) as oracle:
        for file in files:
            text = _small(file)
            if text is None or not oracle.accepts(text.encode()):
                continue
            size = min(rng.choice(_SPAN_BYTES), len(text) // 2)
            begin = rng.randrange(len(text) - size)
            before, after = text[:begin], text[begin + size :]
            body = {"language": language, "prefix": before, "suffix": after}
            greedy = {"temperature": 0.0, "max_tokens": max_tokens}
            yield ParseCase(f"gap-{language}-{file.origin}", language, body | greedy, before, after)


def _small(file: SourceFile) -> str | None:
    data = file.read()
    if len(data) not in _FILE_BYTES:
        return None
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        return None
    # Files of nothing but comments (licences, stubs) have no code to cut.
    return text if sum(c.isalnum() for c in text) > len(text) // 4 else None
