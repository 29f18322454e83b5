"""pass@k, CESR and parse rate. Each says what it means, where it comes from, and when it misleads."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from evaluation.extraction import parses

EXECUTED: Final = frozenset({"passed", "failed"})
"""Verdicts of a program that compiled and ran to its end on the inputs, right or wrong."""

NO_VERDICT: Final = "sandbox_error"
"""Says nothing about the program: such a sample is scored again, and counts in no rate."""


def pass_at_k(num_samples: int, num_passed: int, k: int) -> float:
    """Give the chance that at least one of k samples passes, estimated from `num_samples` of one problem.

    Definition  1 - C(n-c, k) / C(n, k): the share of k-subsets of the samples that hold a pass.
    Source      Chen et al. 2021, "Evaluating Large Language Models Trained on Code", eq. 1; unbiased.
    Fails       for n < k (raises ValueError): no estimate without bias exists. Samples must be drawn independently:
                n copies of one greedy answer say nothing about k > 1. Wrong tests count as wrong answers.
    """
    if not 0 <= num_passed <= num_samples or not 1 <= k <= num_samples:
        raise ValueError(
            f"expected 0 <= passed <= samples and 1 <= k <= samples; got {num_passed=}, {num_samples=}, {k=}"
        )
    return 1.0 - math.comb(num_samples - num_passed, k) / math.comb(num_samples, k)


def mean_pass_at_k(counts: Iterable[tuple[int, int]], k: int) -> float:
    """Average pass@k over problems, each given as (samples, passed)."""
    return mean([pass_at_k(samples, passed, k) for samples, passed in counts])


def is_executed(status: str, detail_raised: bool) -> bool:  # noqa: FBT001
    """Whether a verdict counts for CESR.

    Definition  CESR (compiled and executed successfully rate): the share of answers that compile and run without
                error on the problem's inputs, whatever they answer.
    Source      the paper, Table 1, which gives the name only; the reading is ours.
    Fails       where tests call the answer with inputs it may rightly refuse; where only some inputs raise, the
                answer counts as not executed. A function that returns None for everything scores 100 %.
    """
    return status in EXECUTED and not detail_raised


def mean(values: Sequence[float]) -> float:
    """Average; NaN of nothing."""
    return math.fsum(values) / len(values) if values else math.nan


def parse_check(language: str) -> Callable[[str], bool] | None:
    """Give the test whether a program parses, by the language's own parser; None where its tool is missing.

    Definition  parse rate: the share of answers whose code, as the model wrote it (of a fence its inside), the
                language's own parser takes as a whole file. Not what the extraction made of it: of Python that is cut
                so that it parses.
    Source      the parsers: CPython's `ast.parse`; `node --check`; `gofmt -e`; javac, stopped behind its parser;
                rustc, stopped behind the parser of the file. `g++ -fsyntax-only` would need types and imports and is
                not used here.
    Fails       for fragments, and for programs cut at max_tokens; an empty answer parses in Python, so empty
                answers are counted as not parsing. CPython's own version counts: a Python 2 answer does not parse.
    """
    if language == "python":
        return lambda code: bool(code.strip()) and parses(code)
    commands = _CHECKERS.get(language, ())
    if not commands or shutil.which(commands[0][0]) is None:
        return None
    return lambda code: bool(code.strip()) and any(_accepts(command, code) for command in commands)


# One that accepts is enough.
_CHECKERS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "java": (
        (
            "javac",
            *("-J-XX:+UseSerialGC", "-J-XX:TieredStopAtLevel=1", "-proc:none", "-encoding", "utf-8"),
            # Names and types are not looked at: imports of an answer need not be here.
            *("-XDshould-stop.ifNoError=PARSE", "-XDshould-stop.ifError=PARSE"),
            "{file}.java",
        ),
    ),
    # A CommonJS module, or an ECMAScript module.
    "javascript": (("node", "--check", "{file}.cjs"), ("node", "--check", "{file}.mjs")),
    "go": (("gofmt", "-e", "-l"),),
    "rust": (("rustc", "-Zparse-crate-root-only", "--edition", "2021", "{file}.rs"),),
    "bash": (("bash", "-n"),),
}


def _accepts(command: Sequence[str], code: str) -> bool:
    # Parsers only: nothing of the program is run. The text comes by stdin, or as a file where that is not read.
    text = code.encode("utf-8", "replace")
    environment = os.environ | {"RUSTC_BOOTSTRAP": "1"}  # a stable rustc has no such option else
    with tempfile.TemporaryDirectory(prefix="codefusion-parse-") as folder:
        words = [word.replace("{file}", f"{folder}/Answer") for word in command]
        for word in words:
            if word.startswith(folder):
                Path(word).write_bytes(text)
        try:
            done = subprocess.run(  # noqa: S603
                words, input=text, env=environment, capture_output=True, timeout=20, check=False
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0
