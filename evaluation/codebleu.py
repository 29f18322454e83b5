"""CodeBLEU: n-grams, n-grams with keywords weighted, syntax subtrees, data flow.

Definition  0.25 BLEU + 0.25 weighted BLEU + 0.25 syntax match + 0.25 data-flow match, each 0 to 1.
              BLEU       n-grams up to 4 of the tokens, one reference, smoothed by 0.1 where an order has no match
              weighted   the same with keywords counting 1 and other unigrams 0.2
              syntax     share of the reference's subtrees (node types, leaves without text) that the answer has too
              data flow  share of the reference's def-use pairs, variables numbered by first appearance, in the answer
Source      Ren et al. 2020, arXiv 2009.10297, sections 3 and 4; checked by hand-computed cases.
Differs     tokens by one regular expression for all languages (there: split at blanks); subtrees and pairs are matched
            as multisets (there: each of the reference's counts when it stands in the answer at all); data flow by
            assignments, loop targets and returns, from CPython's own parser, Python only. For other languages, and
            where the reference has no data flow, the mean is over the remaining parts (there: it counts as 1 or 0).
            So figures compare with each other, not with published CodeBLEU.
Fails       as BLEU does, less so; an answer that does not parse keeps its n-gram half.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from evaluation.python_syntax import python_tree
from evaluation.readability_features import KEYWORDS
from evaluation.syntax_trees import syntax_tree
from evaluation.tree_edit import Tree

_TOKEN = re.compile(r"\w+|\"[^\"\n]*\"|'[^'\n]*'|[^\s\w]")
_SMOOTH: Final = 0.1
_OTHER_WEIGHT: Final = 0.2
_PYTHON: Final = frozenset(keyword.kwlist)


@dataclass(frozen=True, slots=True)
class CodeBleu:
    """The value and its parts; a part is None where it does not apply."""

    value: float
    ngram: float
    weighted: float
    syntax: float | None
    data_flow: float | None


def code_bleu(answer: str, reference: str, language: str) -> CodeBleu:
    """Give CodeBLEU of one pair, 0 to 1."""
    ours, theirs = _TOKEN.findall(answer), _TOKEN.findall(reference)
    keywords = _PYTHON if language == "python" else KEYWORDS
    ngram = _bleu(ours, theirs, {})
    weighted = _bleu(ours, theirs, dict.fromkeys(keywords, 1.0), default=_OTHER_WEIGHT)
    syntax = _syntax_match(answer, reference, language)
    flow = _data_flow_match(answer, reference) if language == "python" else None
    parts = [part for part in (ngram, weighted, syntax, flow) if part is not None]
    return CodeBleu(math.fsum(parts) / len(parts), ngram, weighted, syntax, flow)


def _bleu(ours: list[str], theirs: list[str], weights: dict[str, float], default: float = 1.0) -> float:
    if not ours or not theirs:
        return 0.0
    logs: list[float] = []
    for order in range(1, 5):
        mine, other = Counter(_ngrams(ours, order)), Counter(_ngrams(theirs, order))
        weight = {gram: weights.get(gram[0], default) if order == 1 else 1.0 for gram in mine}
        matched = sum(weight[gram] * min(count, other[gram]) for gram, count in mine.items())
        total = sum(weight[gram] * count for gram, count in mine.items())
        logs.append(math.log(max(matched, _SMOOTH) / max(total, 1.0 if order > 1 else _SMOOTH)))
    brevity = min(0.0, 1 - len(theirs) / len(ours))
    return min(1.0, math.exp(math.fsum(logs) / 4 + brevity))


def _ngrams(tokens: list[str], order: int) -> Iterator[tuple[str, ...]]:
    return zip(*(tokens[start:] for start in range(order)), strict=False)


def _syntax_match(answer: str, reference: str, language: str) -> float | None:
    a, b = syntax_tree(answer, language), syntax_tree(reference, language)
    if a is None or b is None:
        return None
    ours, theirs = _subtrees(a), _subtrees(b)
    return (ours & theirs).total() / theirs.total() if theirs else None


def _subtrees(tree: Tree) -> Counter[str]:
    """Count the subtrees with at least one child, written out."""
    found: Counter[str] = Counter()
    stack: list[tuple[Tree, bool]] = [(tree, False)]
    written: list[str] = []
    while stack:
        node, is_closing = stack.pop()
        if not is_closing:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.children))
            continue
        split = len(written) - len(node.children)
        # Deep trees would write themselves out again at every level: long texts go on as their hash.
        text = f"({node.label} {' '.join(written[split:])})"
        text = text if len(text) < 1000 else f"#{hash(text)}"
        written[split:] = [text]
        if node.children:
            found[text] += 1
    return found


def _data_flow_match(answer: str, reference: str) -> float | None:
    theirs = _flows(reference)
    if not theirs:
        return None
    return (_flows(answer) & theirs).total() / theirs.total()


def _flows(code: str) -> Counter[tuple[str, str]]:
    """Count pairs (variable assigned, variable it comes from), variables numbered by first appearance."""
    if (tree := python_tree(code)) is None:
        return Counter()
    numbers: dict[str, str] = {}
    return Counter(pair for node in ast.walk(tree) for pair in _pairs(node, numbers))


def _pairs(node: ast.AST, numbers: dict[str, str]) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from _flow_into(targets, value, numbers)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _flow_into([target], value, numbers)
        case ast.AugAssign(target=target, value=value):
            yield from _flow_into([target], value, numbers)
            yield from _flow_into([target], target, numbers)
        case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            yield from _flow_into([target], value, numbers)
        case ast.Return(value=ast.expr() as value):
            yield from (("return", name) for name in _numbered(value, numbers))
        case _:
            return


def _flow_into(
    targets: list[ast.expr], value: ast.expr, numbers: dict[str, str]
) -> Iterator[tuple[str, str]]:
    sources = [*_numbered(value, numbers)]
    for target in targets:
        for name in _numbered(target, numbers):
            yield from ((name, source) for source in sources)


def _numbered(part: ast.AST, numbers: dict[str, str]) -> Iterator[str]:
    for node in ast.walk(part):
        if isinstance(node, ast.Name):
            yield numbers.setdefault(node.id, f"v{len(numbers)}")
