"""BLEU of answers against the reference solutions.

Definition  corpus BLEU, n-grams up to 4, one reference each, brevity penalty; tokens by sacrebleu's `13a` with case
            kept; no smoothing for the corpus, add-one (`exp` of sacrebleu) for the per-problem figures.
Source      Papineni et al. 2002; Post 2018 (sacrebleu), whose implementation is used. The paper states neither
            tokenizer nor reference, so our figures and its are not the same measure.
Fails       it counts spelling: renamed variables lower it, wrong programs that look right keep it high (Evtikhiev
            et al. 2023: BLEU of code does not follow correctness). `13a` splits `a.b` and `x[0]` unlike a compiler.
            One reference is one way of many. Docstrings count for most where they are kept: HumanEval's and
            HumanEval+'s own solutions to 109 problems, two independent right answers with one docstring, have BLEU
            78.6 together and 41.2 without them. So docstrings are taken out before (`without_docstrings`); the figure
            with them is reported too, since the paper's 79 looks like it.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU

from evaluation.python_syntax import python_tree
from evaluation.significance import Interval

TOKENIZER: Final = "13a"
_ROUNDS: Final = 1000


def corpus_bleu(answers: Sequence[str], references: Sequence[str]) -> float:
    """Give BLEU of the whole set, 0 to 100. Raises ValueError when the lengths differ or nothing is given."""
    if len(answers) != len(references) or not answers:
        raise ValueError(
            f"expected as many references as answers, at least one; got {len(answers)}, {len(references)}"
        )
    bleu = BLEU(tokenize=TOKENIZER, smooth_method="none", force=True)
    return float(bleu.corpus_score(list(answers), [list(references)]).score)


def sentence_bleu(answer: str, reference: str) -> float:
    """Give BLEU of one answer, 0 to 100, smoothed; for intervals, not for comparison with corpus figures."""
    bleu = BLEU(tokenize=TOKENIZER, smooth_method="exp", effective_order=True, force=True)
    return float(bleu.sentence_score(answer, [reference]).score)


def without_docstrings(code: str) -> str:
    """Cut the docstrings out of Python code, lines whole; code that does not parse is given back."""
    if (tree := python_tree(code)) is None:
        return code
    lines = code.split("\n")
    owners = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
    for node in ast.walk(tree):
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None:
            first, last = node.body[0].lineno, node.body[0].end_lineno
            lines[first - 1 : last] = [""] * ((last or first) - first + 1)
    return "\n".join(line for line in lines if line.strip())


def corpus_bleu_interval(answers: Sequence[str], references: Sequence[str], seed: int = 0) -> Interval:
    """Give corpus BLEU with its 95 % bootstrap interval, pairs drawn with replacement, 1,000 rounds."""
    value = corpus_bleu(answers, references)
    # Only the counts of a pair are used, which the order does not change.
    bleu = BLEU(tokenize=TOKENIZER, smooth_method="none", effective_order=True, force=True)
    pairs = [bleu.sentence_score(a, [b]) for a, b in zip(answers, references, strict=True)]
    stats = np.array([[p.sys_len, p.ref_len, *p.counts, *p.totals] for p in pairs], dtype=np.float64)
    rows = np.random.default_rng(seed).integers(0, len(stats), (_ROUNDS, len(stats)))
    low, high = np.quantile(_bleu(stats[rows].sum(axis=1)), [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _bleu(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give BLEU of rows of lengths (ours, theirs), matches of 1 to 4 words, and numbers of 1- to 4-grams."""
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.exp(np.log(sums[:, 2:6] / sums[:, 6:10]).mean(axis=1))
        brevity = np.exp(np.minimum(0.0, 1 - sums[:, 1] / sums[:, 0]))
    return 100 * np.nan_to_num(precision * brevity)
