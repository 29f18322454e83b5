"""Slightly wrong programs: one lexeme of an accepted text deleted, doubled, replaced, added or swapped.

Lexemes are the leaves of tree-sitter's tree (for Python: what `tokenize` gives, with line breaks and indentation).
Long files are cut to one of their declarations first, so that an error is near everything it can touch.
"""

from __future__ import annotations

import importlib
import io
import random
import tokenize
from collections.abc import Callable, Iterator

from tree_sitter import Language, Node, Parser

from grammar import LANGUAGES

MAX_PIECE = 4000
_KINDS = ("delete", "duplicate", "replace", "insert", "swap")

Span = tuple[int, int]


class Pieces:
    """Cuts texts into pieces and lexemes with a language's tree-sitter grammar."""

    def __init__(self, language: str) -> None:
        self.language = language
        spec = LANGUAGES[language]
        capsule = getattr(importlib.import_module(spec.wheel), spec.function)()
        self._parser = Parser(Language(capsule))  # pyright: ignore[reportDeprecated]

    def is_clean(self, text: bytes) -> bool:
        """Say whether tree-sitter parses the text without an error or a missing node."""
        return not self._parser.parse(text).root_node.has_error

    def pieces(self, text: bytes) -> Iterator[bytes]:
        """Give the text if it is short, and each short declaration of it as a program of its own."""
        if len(text) <= MAX_PIECE:
            yield text
        head, tail = {"java": (b"class X {\n", b"\n}\n"), "go": (b"package p\n", b"\n")}.get(
            self.language, (b"", b"\n")
        )
        for node in self._declarations(self._parser.parse(text).root_node):
            if 60 <= node.end_byte - node.start_byte <= MAX_PIECE:
                yield head + text[node.start_byte : node.end_byte] + tail

    def _declarations(self, root: Node) -> Iterator[Node]:
        if self.language != "java":
            yield from (
                n for n in root.children if n.is_named and n.type not in ("comment", "package_clause")
            )
            return
        for outer in root.children:
            body = outer.child_by_field_name("body")
            if body is not None and outer.type == "class_declaration":
                yield from (n for n in body.children if n.is_named and "comment" not in n.type)

    def lexemes(self, text: bytes) -> list[Span]:
        """Give start and end of every lexeme but comments, in order."""
        if self.language == "python":
            return _python_lexemes(text)
        found: list[Span] = []
        stack = [self._parser.parse(text).root_node]
        while stack:
            node = stack.pop()
            if node.child_count:
                stack.extend(reversed(node.children))
            elif node.end_byte > node.start_byte and "comment" not in node.type:
                found.append((node.start_byte, node.end_byte))
        return found


def _python_lexemes(text: bytes) -> list[Span]:
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))

    def offset(place: tuple[int, int]) -> int:
        row, column = place
        line = lines[row - 1].decode() if row <= len(lines) else ""
        return starts[min(row - 1, len(lines))] + len(line[:column].encode())

    try:
        spans = [
            (offset(t.start), offset(t.end))
            for t in tokenize.generate_tokens(io.StringIO(text.decode(), newline="").readline)
            if t.type not in (tokenize.COMMENT, tokenize.NL)
        ]
    except (SyntaxError, ValueError, tokenize.TokenError):
        return []
    return [s for s in spans if s[0] < s[1]]


def mutate(text: bytes, spans: list[Span], pool: list[bytes], rng: random.Random) -> tuple[str, bytes]:
    """Give the kind of the change and the changed text. `pool` holds lexemes of the language to put in."""
    kind = rng.choice(_KINDS)
    i = rng.randrange(len(spans) - (kind == "swap"))
    start, end = spans[i]
    lexeme = text[start:end]
    changes: dict[str, Callable[[], bytes]] = {
        "delete": lambda: text[:start] + text[end:],
        "duplicate": lambda: text[:end] + b" " + lexeme + text[end:],
        "replace": lambda: text[:start] + rng.choice(pool) + text[end:],
        "insert": lambda: text[:start] + rng.choice(pool) + b" " + text[start:],
        "swap": lambda: _swapped(text, spans[i], spans[i + 1]),
    }
    return kind, changes[kind]()


def _swapped(text: bytes, a: Span, b: Span) -> bytes:
    return text[: a[0]] + text[b[0] : b[1]] + text[a[1] : b[0]] + text[a[0] : a[1]] + text[b[1] :]
