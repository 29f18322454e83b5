"""Markdown fences under the mask: which line opens one, which closes it. Shared by the mask and its check.

Stricter than code_fence.py, which reads what unmasked models write: only three or more backticks at the start of a
line, at most three columns in, open a fence; a line of as many backticks alone closes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPENING = re.compile(r" {0,3}(`{3,})[ \t]*([^\s`]*)[^`]*")
_CLOSING = re.compile(r" {0,3}(`{3,})[ \t\r]*")


def opening(line: str) -> tuple[int, str] | None:
    """Give the number of backticks and the label of a line that opens a fence."""
    match = _OPENING.fullmatch(line)
    return (len(match[1]), match[2]) if match else None


def closes(line: str, num_backticks: int) -> bool:
    """Whether a line closes a fence of so many backticks."""
    match = _CLOSING.fullmatch(line)
    return match is not None and len(match[1]) >= num_backticks


def code_blocks(text: str) -> Iterator[tuple[str, str, bool]]:
    """Give label, code and whether it was closed, of each fence in a text."""
    fence: tuple[int, str] | None = None
    code: list[str] = []
    for line in text.split("\n"):
        if fence is None:
            fence = opening(line)
        elif closes(line, fence[0]):
            yield fence[1], "".join(code), True
            fence, code = None, []
        else:
            code.append(line + "\n")
    if fence is not None:
        yield fence[1], "".join(code), False
