"""Runs that a grammar lets go on for ever, found in finished texts: which of the mask's bounds a text reaches."""

from __future__ import annotations

from grammar import TokenVocabulary
from service.vllm_plugin import text_bounds
from service.vllm_plugin.text_bounds import Tail, TextBounds
from service.vllm_plugin.token_sets import TokenSets

BOUNDS = ("blank lines", "blanks", "comment lines", "comment", "brackets in a row", "open brackets")


def bounds_reached(language: str, text: str, *, beyond: bool = False) -> set[str]:
    """Say which bounds a text reaches; `beyond`: goes past, which no text under the mask should."""
    bounds = TextBounds(language, TokenSets.of(_BYTES))
    more = int(beyond)
    tail, found = Tail(), set[str]()
    for byte in text.encode():
        tail = bounds.after(tail, bytes((byte,)))
        sizes = (
            (tail.line_ends, text_bounds.MAX_LINE_ENDS),
            (tail.blanks, text_bounds.MAX_BLANK_BYTES),
            (tail.comment_lines, text_bounds.MAX_COMMENT_LINES),
            (
                tail.line_bytes if bounds.is_comment(tail) else 0,
                text_bounds.MAX_COMMENT_BYTES,
            ),
            (tail.openers, text_bounds.MAX_OPENERS_IN_A_ROW),
            (tail.depth, text_bounds.MAX_DEPTH),
        )
        found |= {name for name, (size, most) in zip(BOUNDS, sizes, strict=True) if size >= most + more}
    return found


_BYTES = TokenVocabulary.from_bytes([bytes((b,)) for b in range(256)] + [None], eos_ids=[256])
