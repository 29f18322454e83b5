r"""What right context still asks for at the top of a file: a package clause, imports.

Words like `import` stand at the top of a file alone. Where right context has one, nothing that comes after imports may
stand before it. Right context may begin inside a comment or a string, so it is read from every beginning that it can
have; it asks only for what it asks for from all of them:

    b"; */\nimport b;"     code: import     comment /*: import     comment //: import     a string: none, never closed
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Top:
    """How a language's right context is read.

    begun   what it may begin inside of: patterns up to the end of that. One that does not match cannot be.
    lexeme  the next lexeme: comments and strings whole, words whole.
    levels  what asks for the top, the least first; patterns of words joined by blanks, and line breaks.
    """

    begun: tuple[bytes, ...]
    lexeme: bytes
    levels: tuple[bytes, ...]

    def asked_for(self, suffix: bytes) -> int:
        """Give 0 for nothing, n for the n-th level."""
        if not any(re.search(level, suffix) for level in self.levels):
            return 0
        starts = (re.compile(begun).match(suffix) for begun in self.begun)
        return min(self._level(suffix[start.end() :]) for start in starts if start)

    def _level(self, code: bytes) -> int:
        words = b" ".join(word for word in re.findall(self.lexeme, code) if re.fullmatch(rb"\w+|[\n;]", word))
        return max((n for n, level in enumerate(self.levels, 1) if re.search(level, words)), default=0)


def text(quote: bytes, inner: bytes) -> bytes:
    """Give the pattern of a string up to its closing quote; inner: one character of it."""
    return rb"(?:" + inner + rb")*" + quote


def begun_text(quote: bytes, inner: bytes, escaped: bytes = rb"[^\n]") -> tuple[bytes, bytes]:
    """Give the rest of a string, also behind a backslash, which `escaped` may follow."""
    return text(quote, inner), escaped + text(quote, inner)


WORD_END = rb"[\w$\x80-\xff]*"
ANY = rb"(?s:.)"
LINE_COMMENT_END = rb"[^\n]*(?:\n|\Z)"
COMMENT_END = rb"(?s:.*?)\*/"
WORD = rb"[\w$\x80-\xff]+"
STRING, CHARACTER = rb'[^"\\\n]|\\.', rb"[^'\\\n]|\\."
C_COMMENTS = rb"//[^\n]*|/\*(?s:.*?)(?:\*/|\Z)"
