"""JSX: the way to the end spells the names of the elements that it closes.

    return <ul><li>   the native way   </></a>     the one that is given   </li></ul>

The masks do not compare the names of tags (the rules know no texts of lexemes there), and the way to the end is the
shortest. So whatever it closes is looked up in the tree that tree-sitter makes of the text with it.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator

import tree_sitter

from grammar.languages import LanguageSpec


def with_names(spec: LanguageSpec, before: bytes, way: bytes, behind: bytes) -> bytes:
    """Give the way with the names of the elements that it closes.

    before, behind  the text around it; all three together are a program
    Cost            a parse of the whole: about 1 ms for 20 KB
    """
    begin, end = len(before), len(before) + len(way)
    text = before + way + behind
    edits: list[tuple[int, int, bytes]] = []
    # A parser of its own: they are not for several threads.
    tree = tree_sitter.Parser(_language(spec.wheel, spec.function)).parse(text)
    for element in _elements(tree.root_node, begin, end):
        opening, closing = element.child_by_field_name("open_tag"), element.child_by_field_name("close_tag")
        given = opening.child_by_field_name("name") if opening else None
        if given is None or closing is None:
            continue
        spelt = closing.child_by_field_name("name")
        last = closing.end_byte - 1  # before `>`
        first, last = (spelt.start_byte, spelt.end_byte) if spelt else (last, last)
        name = text[given.start_byte : given.end_byte]
        if begin <= first and last <= end and name != text[first:last]:
            edits.append((first, last, name))
    for first, last, name in sorted(edits, reverse=True):
        text = text[:first] + name + text[last:]
    return text[begin : len(text) - len(behind)]


def _elements(root: tree_sitter.Node, begin: int, end: int) -> Iterator[tree_sitter.Node]:
    work = [root]
    while work:
        node = work.pop()
        if node.end_byte <= begin or node.start_byte >= end:
            continue
        if node.type == "jsx_element":
            yield node
        work += node.children


@functools.cache
def _language(wheel: str, function: str) -> tree_sitter.Language:
    capsule: object = getattr(importlib.import_module(wheel), function)()
    return tree_sitter.Language(capsule)
