"""Sets of tokens that the mask needs beside the grammar's: fences, blank lines, brackets. One per vocabulary.

A row is int32[W] as the engine's bitmask has it: bit t % 32 of word t // 32 stands for token t.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grammar import TokenVocabulary
from grammar.errors import VocabularyError

Row = npt.NDArray[np.int32]

_FENCE = re.compile(rb"[ \t\r\n]*```[ \t\r\n]*")
# A token that opens more than this many brackets at once is kept away from the end of the budget.
HEAVY_OPENERS = 2


@dataclass(frozen=True)
class TokenSets:
    """Rows over one vocabulary.

    line_end          the token that is a line end alone
    stop              the vocabulary's stop ids
    fence             nothing but a fence of three backticks and blanks
    any_fence         three backticks somewhere
    two_backticks     the first characters behind blanks are two backticks
    blank_first       starts with a blank or line end
    line_end_first    a line end before the first character that is not blank
    no_line_end       no line end
    one_line          no line end, or just one as the last byte
    openers           the first character behind blanks is an opening bracket
    heavy             opens more than HEAVY_OPENERS brackets
    comment           per comment marker: the token's text behind leading blanks starts with it
    """

    width: int
    line_end: int
    stop: Row
    fence: Row
    any_fence: Row
    two_backticks: Row
    blank_first: Row
    line_end_first: Row
    no_line_end: Row
    one_line: Row
    openers: Row
    heavy: Row
    comment: dict[bytes, Row]

    @classmethod
    def of(cls, vocabulary: TokenVocabulary) -> TokenSets:
        """Look at every token once; 0.5 s for 150,000. Raises VocabularyError."""
        width = vocabulary.width
        line_end = vocabulary.native.tokenize(b"\n")
        if not line_end or not vocabulary.eos_ids:
            raise VocabularyError("expected a vocabulary with a token for a line end, and with a stop id")
        texts = [(t, data) for t in range(width) if (data := vocabulary.token_bytes(t))]

        def row(wanted: Callable[[bytes], object]) -> Row:
            return row_of((t for t, data in texts if wanted(data)), width)

        return cls(
            width=width,
            line_end=line_end[0],
            stop=row_of(vocabulary.eos_ids, width),
            fence=row(_FENCE.fullmatch),
            any_fence=row(lambda data: b"```" in data),
            two_backticks=row(lambda data: data.lstrip().startswith(b"``")),
            blank_first=row(lambda data: data[:1].isspace()),
            line_end_first=row(lambda data: b"\n" in _leading_blanks(data)),
            no_line_end=row(lambda data: b"\n" not in data),
            one_line=row(lambda data: b"\n" not in data[:-1]),
            openers=row(lambda data: data.lstrip().startswith((b"(", b"[", b"{"))),
            heavy=row(lambda data: sum(data.count(c) for c in (b"(", b"[", b"{")) > HEAVY_OPENERS),
            comment={
                marker: row(lambda data, marker=marker: data.lstrip().startswith(marker))
                for marker in (b"#", b"//", b"/*")
            },
        )


def _leading_blanks(data: bytes) -> bytes:
    return data[: len(data) - len(data.lstrip())]


def row_of(ids: Iterable[int], width: int) -> Row:
    """Give the row with exactly these tokens."""
    bits = np.zeros((width + 31) // 32 * 32, dtype=np.uint8)
    for token in ids:
        if 0 <= token < width:
            bits[token] = 1
    return np.packbits(bits, bitorder="little").view(np.int32)


def holds(row: Row, token: int) -> bool:
    """Say whether a row allows a token."""
    return bool((int(row[token // 32]) >> (token % 32)) & 1)


def allow(row: Row, token: int) -> None:
    """Allow one more token."""
    row.view(np.uint32)[token // 32] |= np.uint32(1 << (token % 32))
