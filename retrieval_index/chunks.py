"""A file cut into chunks at the boundaries of its syntax: functions, methods, heads of classes, what stands between.

Law: each line that is not blank lies in exactly one chunk. A function longer than a chunk may be is cut where one of
its statements begins, the outermost that fits; a line is never cut.

    import a          ┐ block             class Tree:            ┐ class Tree
    LIMIT = 3         ┘                       '''A tree.'''      ┘
                                              def insert(self):  ┐ function Tree.insert
    # Adds.           ┐ function add              ...            ┘
    def add(x, y):    ┘
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import tree_sitter

from retrieval_index.syntax import NODES, Nodes, definition_in, imports_of, name_of, parser_of

MAX_CHARS = 2_400  # some 600 tokens
_MIN_SHARE = 3  # a part of a long function is at least a third of a chunk, where its statements allow


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file.

    first_line, last_line   counted from 1, both in the chunk
    kind     "function", "class" (its head), or "block"
    symbol   name with those of the classes around it, as in `Tree.insert`; "" for a block of the file
    imports  the file's imports that bring a name which the chunk uses, each on one line
    sha256   of the text
    """

    path: str
    language: str
    first_line: int
    last_line: int
    kind: str
    symbol: str
    text: str
    imports: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class _Unit:
    """Rows from `start` to where the next unit starts."""

    start: int
    kind: str
    symbol: str
    node: tree_sitter.Node | None


def chunk_text(path: str, language: str, text: str) -> list[Chunk]:
    """Cut a text into chunks, in its order. It need not parse: what the parser makes of it is good enough."""
    lines = text.split("\n")
    tree = parser_of(language).parse(text.encode("utf-8", "replace"))
    nodes = NODES[language]
    imports = list(imports_of(tree.root_node, nodes))
    units = _without_ends(_merged(_units(tree.root_node.children, nodes, "", 0)), lines)
    chunks: list[Chunk] = []
    for unit, end in zip(units, [*(unit.start for unit in units[1:]), len(lines)], strict=True):
        for first, last in _parts(lines, unit, end):
            body = "\n".join(lines[first:last])
            if body.strip():
                chunks.append(_chunk(path, language, unit, body, first, imports))
    return chunks


def _chunk(
    path: str,
    language: str,
    unit: _Unit,
    body: str,
    first: int,
    imports: Sequence[tuple[str, frozenset[str]]],
) -> Chunk:
    leading = len(body) - len(body.lstrip("\n\r\t \f"))
    first += body[:leading].count("\n")
    text = "\n".join(body.split("\n")[body[:leading].count("\n") :]).rstrip()
    words = set(_words(text))
    used = (
        () if unit.kind == "block" and not unit.symbol else tuple(i for i, names in imports if names & words)
    )
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return Chunk(
        path, language, first + 1, first + 1 + text.count("\n"), unit.kind, unit.symbol, text, used, digest
    )


def _words(text: str) -> Iterator[str]:
    word: list[str] = []
    for c in text:
        if c.isalnum() or c == "_":
            word.append(c)
        elif word:
            yield "".join(word)
            word.clear()
    if word:
        yield "".join(word)


def _units(children: Sequence[tree_sitter.Node], nodes: Nodes, around: str, start: int) -> Iterator[_Unit]:
    """Give the units of a file or of a class body, the first from row `start` on."""
    yield _Unit(start, "block", around, None)
    comment_row: int | None = None  # of the first of the comments that stand right above what comes
    above = -1
    for child in children:
        first, last = child.start_point.row, child.end_point.row
        if child.type in nodes.comments:
            comment_row = first if comment_row is None or first > above + 1 else comment_row
            above = last if child.end_point.column else last - 1  # a line comment may hold its line break
            continue
        begin = comment_row if comment_row is not None and first <= above + 1 else first
        comment_row = None
        definition = definition_in(child, nodes)
        if definition is None:
            yield _Unit(begin, "block", around, child)
        else:
            yield from _definition(definition, nodes, around, begin)
            # What follows on rows of its own is no part of it.
            yield _Unit(last + 1, "block", around, None)


def _definition(node: tree_sitter.Node, nodes: Nodes, around: str, begin: int) -> Iterator[_Unit]:
    symbol = f"{around}.{name_of(node)}" if around else name_of(node)
    body = node.child_by_field_name("body")
    if node.type in nodes.functions or body is None:
        yield _Unit(begin, "function" if node.type in nodes.functions else "class", symbol, node)
        return
    yield _Unit(begin, "class", symbol, node)
    members = [
        unit for unit in _units(body.children, nodes, symbol, begin) if unit.start > node.start_point.row
    ]
    first = next((unit.start for unit in members if unit.kind != "block"), None)
    if first is None:
        return
    # Fields and the docstring above the first method are the head of the class.
    yield from (unit for unit in members if unit.start >= first)


def _merged(units: Iterator[_Unit]) -> list[_Unit]:
    """Let each unit begin on a row of its own; blocks that follow each other are one."""
    kept: list[_Unit] = []
    for unit in units:
        if kept and unit.start <= kept[-1].start:
            if kept[-1].kind == "block" and unit.kind != "block":
                kept[-1] = _Unit(kept[-1].start, unit.kind, unit.symbol, unit.node)
        elif not (kept and unit.kind == kept[-1].kind == "block" and unit.symbol == kept[-1].symbol):
            kept.append(unit)
    return kept


def _without_ends(units: Sequence[_Unit], lines: Sequence[str]) -> list[_Unit]:
    """Leave out blocks without a word: the bracket that ends a class goes with its last member."""
    kept: list[_Unit] = []
    for unit, end in zip(units, [*(unit.start for unit in units[1:]), len(lines)], strict=True):
        has_words = any(c.isalnum() for line in lines[unit.start : end] for c in line)
        if has_words or not kept or unit.kind != "block":
            kept.append(unit)
    return kept


def _parts(lines: Sequence[str], unit: _Unit, end: int) -> Iterator[tuple[int, int]]:
    """Cut the rows of a unit into parts that are not too long."""
    sizes = [len(line) + 1 for line in lines[unit.start : end]]
    cuts = _cuts(unit, end)
    first = unit.start
    while sum(sizes[first - unit.start :]) > MAX_CHARS:
        size, cut, best = 0, None, (0, 0)
        row = first
        while row < end and size <= MAX_CHARS:
            depth = cuts.get(row)
            if row > first and depth is not None and (size > MAX_CHARS // _MIN_SHARE or cut is None):
                rank = (-depth, row)
                if cut is None or size <= MAX_CHARS // _MIN_SHARE or rank >= best:
                    cut, best = row, rank
            size += sizes[row - unit.start]
            row += 1
        # Without a statement that begins there (a long literal) any line will do.
        last = cut if cut is not None else max(first + 1, row - 1)
        yield first, last
        first = last
    if first < end:
        yield first, end


def _cuts(unit: _Unit, end: int) -> dict[int, int]:
    """Give the rows on which statements of the unit begin, with how deep they are nested."""
    cuts: dict[int, int] = {}
    node = unit.node
    if node is None:
        return cuts
    stack = [(node.parent or node, 0)] if unit.kind == "block" else [(node, 0)]
    while stack:
        node, depth = stack.pop()
        for child in node.named_children:
            if child.end_point.row < unit.start or child.start_point.row >= end:
                continue
            is_statement = (
                node.parent is None or "block" in node.type or "body" in node.type or "list" in node.type
            )
            if is_statement and unit.start < child.start_point.row:
                cuts.setdefault(child.start_point.row, depth)
            if child.end_point.row > child.start_point.row:
                stack.append((child, depth + is_statement))
    return cuts
