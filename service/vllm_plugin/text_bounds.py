"""Bounds on what a grammar lets a model repeat for ever: blank lines, comments, opening brackets.

A sampled model sometimes falls into such a run, and a grammar alone lets it go on until the budget is spent. The
numbers are far above what people write; text in strings counts alike, which costs nothing but precision.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from service.languages import language as language_named
from service.vllm_plugin.token_sets import Row, TokenSets

MAX_LINE_ENDS = 4  # three blank lines
MAX_BLANK_BYTES = 256
MAX_COMMENT_LINES = 40
MAX_COMMENT_BYTES = 600  # of one line
MAX_OPENERS_IN_A_ROW = 12
MAX_DEPTH = 64


class Tail(NamedTuple):
    """What the bounds need to know of the text so far.

    line_ends      line ends since the last character that is not blank
    blanks         bytes since it
    comment_lines  finished lines in a row that are comments
    openers        opening brackets in a row
    depth          opening brackets less closing ones
    head           the first characters of the line, as many as a comment marker has
    line_bytes     length of the line
    """

    line_ends: int = 0
    blanks: int = 0
    comment_lines: int = 0
    openers: int = 0
    depth: int = 0
    head: bytes = b""
    line_bytes: int = 0


class TextBounds:
    """The bounds of one language and vocabulary; holds no state of a text."""

    def __init__(self, language: str, sets: TokenSets) -> None:
        self._marker = (language_named(language).line_comment or "#").encode()
        self._sets = sets
        comments: Row = sets.comment[self._marker]
        # Where `//` begins a comment `/*` does, too.
        self._comments = comments | sets.comment[b"/*"] if self._marker == b"//" else comments

    def after(self, tail: Tail, data: bytes) -> Tail:
        """Give the tail behind some more bytes."""
        line_ends, blanks, comment_lines, openers, depth, head, line_bytes = tail
        for byte in data:
            if byte == 0x0A:
                if head:
                    comment_lines = comment_lines + 1 if head == self._marker else 0
                line_ends, blanks, head, line_bytes = line_ends + 1, blanks + 1, b"", 0
                continue
            line_bytes += 1
            if byte in b" \t\r\f":
                blanks += 1
                continue
            line_ends = blanks = 0
            if len(head) < len(self._marker):
                head += bytes((byte,))
            if byte in b"([{":
                openers, depth = openers + 1, depth + 1
            else:
                openers = 0
                if byte in b")]}":
                    depth = max(0, depth - 1)
        return Tail(line_ends, blanks, comment_lines, openers, depth, head, line_bytes)

    def is_comment(self, tail: Tail) -> bool:
        """Whether the line is a comment so far."""
        return tail.head == self._marker

    def apply(self, tail: Tail, row: Row) -> bool:
        """Take from the row what a bound closes, unless nothing would be left; say whether anything was."""
        closed = self._closed(tail)
        if closed is None:
            return False
        left = row & ~closed
        if not left.any() or np.array_equal(left, row):
            return False
        row[:] = left
        return True

    def _closed(self, tail: Tail) -> Row | None:
        sets = self._sets
        closed: list[Row] = []
        if tail.line_ends >= MAX_LINE_ENDS:
            closed.append(sets.line_end_first)
        if tail.blanks >= MAX_BLANK_BYTES:
            closed.append(sets.blank_first)
        if tail.comment_lines >= MAX_COMMENT_LINES and not tail.head:
            closed.append(self._comments)
        if self.is_comment(tail) and tail.line_bytes >= MAX_COMMENT_BYTES:
            closed.append(sets.no_line_end)
        if tail.openers >= MAX_OPENERS_IN_A_ROW or tail.depth >= MAX_DEPTH:
            closed.append(sets.openers)
        return np.bitwise_or.reduce(np.stack(closed)) if closed else None
