"""Numbers that describe how code looks to a reader, the same for every language.

After Buse and Weimer 2010 (lines, identifiers, indentation, punctuation), Posnett et al. 2011 (size, Halstead volume,
token entropy) and Scalabrino et al. 2018 (words in identifiers, comments). Lexed by one regular expression, since the
rated snippets are fragments that no parser takes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Final

_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z)|#[^\n]*)|(?P<text>'''.*?(?:'''|\Z)|\"\"\".*?(?:\"\"\"|\Z)"
    r"|\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*'?)|(?P<number>\b\d[\w.]*)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<sign>[-+*/%=<>!&|^]+|[^\sA-Za-z_0-9])",
    re.DOTALL,
)
_KEYWORD_TEXT: Final = (
    "and as assert async await auto bool boolean break byte case catch char class const continue def default del do "
    "double elif else enum except extends final finally float for from func global goto if implements import in int "
    "interface is lambda let long new nonlocal not null None or package pass private protected public raise return "
    "short signed sizeof static struct super switch synchronized template this throw throws True true False false try "
    "typedef typename union unsigned using var virtual void volatile while with yield self"
)
KEYWORDS: Final = frozenset(_KEYWORD_TEXT.split())
_BRANCHES: Final = frozenset({"if", "elif", "else", "case", "switch", "catch", "except"})
_LOOPS: Final = frozenset({"for", "while", "do"})
_WORD_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

NAMES: Final = (
    "log_lines",
    "mean_line_length",
    "max_line_length",
    "mean_indent",
    "max_indent",
    "sd_indent",
    "blank_share",
    "comment_share",
    "comment_line_share",
    "identifiers_per_line",
    "max_identifiers",
    "mean_identifier_length",
    "max_identifier_length",
    "one_letter_share",
    "parts_per_identifier",
    "keywords_per_line",
    "numbers_per_line",
    "texts_per_line",
    "brackets_per_line",
    "braces_per_line",
    "commas_per_line",
    "periods_per_line",
    "spaces_per_line",
    "assignments_per_line",
    "comparisons_per_line",
    "arithmetic_per_line",
    "branches_per_line",
    "loops_per_line",
    "log_volume",
    "token_entropy",
    "max_repeats",
    "max_char_share",
)


def features(code: str) -> list[float]:
    """Give the numbers named in NAMES. An empty text gives zeros."""
    lines = code.expandtabs(4).rstrip().split("\n")
    filled = [line for line in lines if line.strip()]
    if not filled:
        return [0.0] * len(NAMES)
    found = list(_TOKEN.finditer(code[:100_000]))
    values = [*_layout(lines, filled), *_words(found, filled), *_signs(found, filled, code), *_size(found)]
    return [*values, max(Counter(code.replace(" ", "").replace("\n", "")).values()) / len(code)]


def _layout(lines: list[str], filled: list[str]) -> list[float]:
    lengths = [len(line) for line in filled]
    indents = [len(line) - len(line.lstrip()) for line in filled]
    smallest = min(indents)
    depths = [indent - smallest for indent in indents]
    mean_depth = _mean(depths)
    return [
        math.log(len(filled)),
        _mean(lengths),
        max(lengths),
        mean_depth,
        max(depths),
        math.sqrt(_mean([(depth - mean_depth) ** 2 for depth in depths])),
        1 - len(filled) / len(lines),
    ]


def _words(found: list[re.Match[str]], filled: list[str]) -> list[float]:
    count = len(filled)
    comments = [match[0] for match in found if match.lastgroup == "comment"]
    names = [match for match in found if match.lastgroup == "word" and match[0] not in KEYWORDS]
    per_line = Counter(match.string.count("\n", 0, match.start()) for match in names)
    lengths = [len(match[0]) for match in names] or [0]
    return [
        sum(map(len, comments)) / sum(map(len, filled)),
        min(1.0, sum(comment.count("\n") + 1 for comment in comments) / count),
        len(names) / count,
        max(per_line.values(), default=0),
        _mean(lengths),
        max(lengths),
        _mean([float(length == 1) for length in lengths]),
        _mean([len(_WORD_PART.findall(match[0])) for match in names] or [0]),
        sum(match[0] in KEYWORDS for match in found if match.lastgroup == "word") / count,
    ]


def _signs(found: list[re.Match[str]], filled: list[str], code: str) -> list[float]:
    count = len(filled)
    kinds = Counter(match.lastgroup for match in found)
    signs = Counter(match[0] for match in found if match.lastgroup == "sign")
    words = Counter(match[0] for match in found if match.lastgroup == "word")

    def total(*texts: str) -> float:
        return sum(signs[text] for text in texts) / count

    return [
        kinds["number"] / count,
        kinds["text"] / count,
        total("(", ")", "[", "]"),
        total("{", "}"),
        total(","),
        total("."),
        code.count(" ") / count,
        total("=", "+=", "-=", "*=", "/="),
        total("==", "!=", "<", ">", "<=", ">="),
        total("+", "-", "*", "/", "%", "**", "//"),
        sum(words[word] for word in _BRANCHES) / count,
        sum(words[word] for word in _LOOPS) / count,
    ]


def _size(found: list[re.Match[str]]) -> list[float]:
    tokens = Counter(match[0] for match in found if match.lastgroup != "comment")
    total = tokens.total()
    if total == 0:
        return [0.0, 0.0, 0.0]
    entropy = -sum(n / total * math.log2(n / total) for n in tokens.values())
    names = [n for token, n in tokens.items() if token[0].isalpha() and token not in KEYWORDS]
    return [math.log1p(total * math.log2(len(tokens) + 1)), entropy, max(names, default=0)]


def _mean(values: list[float] | list[int]) -> float:
    return math.fsum(values) / len(values)
