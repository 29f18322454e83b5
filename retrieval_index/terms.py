"""Words of code and of questions about code: identifiers whole and in their parts."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORD = re.compile(r"[^\W\d_]\w*|\d\w*|_\w+", re.UNICODE)
_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+", re.UNICODE)
# Words of prose that a question has and code has not, or has everywhere.
_STOP = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "by", "do", "does", "for", "from", "given", "has", "have", "how", "i",
    "if", "in", "into", "is", "it", "its", "of", "on", "or", "our", "should", "such", "that", "the", "their", "then",
    "there", "these", "this", "to", "was", "we", "what", "when", "where", "which", "will", "with", "write", "you",
    "your",
})  # fmt: skip
_MAX_CHARS = 64  # of a word; longer ones are data


def terms(text: str) -> Iterator[str]:
    """Give the words of a text in lower case: `HTTPServer.max_size` gives httpserver http server max_size max size."""
    for match in _WORD.finditer(text):
        word = match[0]
        if len(word) > _MAX_CHARS:
            continue
        whole = word.lower()
        if whole not in _STOP:
            yield whole
        parts = [part.lower() for part in _PARTS.findall(word)]
        if len(parts) > 1:
            yield from (part for part in parts if len(part) > 1 and part not in _STOP)
