"""Source text to trees, by the tree-sitter grammars that `grammar.languages` registers."""

from __future__ import annotations

import functools
import importlib

import tree_sitter

from evaluation.tree_edit import Tree
from grammar.languages import LANGUAGES

# Their text differs between answers that do the same; keeping it would turn ASTSim into a spelling measure.
_WITHOUT_TEXT = frozenset(
    {"identifier", "string", "string_content", "comment", "type_identifier", "field_identifier"}
)


@functools.cache
def parser_of(language: str) -> tree_sitter.Parser | None:
    """Give a parser for a language; None where no grammar of it is installed."""
    spec = LANGUAGES.get(language)
    if spec is None:
        return None
    try:
        capsule: object = getattr(importlib.import_module(spec.wheel), spec.function)()
    except ImportError:
        return None
    return tree_sitter.Parser(tree_sitter.Language(capsule))


def syntax_tree(code: str, language: str) -> Tree | None:
    """Give the tree of named nodes without comments and docstrings; None where no grammar is installed.

    Labels are the grammar's node types; an operator's label carries its sign (`binary_operator +`). Names, numbers'
    values and strings do not count.
    """
    parser = parser_of(language)
    if parser is None:
        return None
    return _convert(parser.parse(code.encode("utf-8", "replace")).root_node)


def _convert(root: tree_sitter.Node) -> Tree:
    # Bottom up without recursion: hostile answers nest thousands deep.
    stack: list[tuple[tree_sitter.Node, bool]] = [(root, False)]
    done: list[Tree] = []
    while stack:
        node, is_closing = stack.pop()
        children = [child for child in node.named_children if not _is_comment(child)]
        if is_closing:
            split = len(done) - len(children)
            done[split:] = [Tree(_label(node), tuple(done[split:]))]
        else:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(children))
    return done[0]


def _label(node: tree_sitter.Node) -> str:
    if node.type in _WITHOUT_TEXT:
        return node.type
    sign = node.child_by_field_name("operator")
    return f"{node.type} {sign.type}" if sign is not None else node.type


def _is_comment(node: tree_sitter.Node) -> bool:
    if node.type in ("comment", "line_comment", "block_comment"):
        return True
    # A statement that is a string alone: a docstring.
    return (
        node.type == "expression_statement"
        and node.named_child_count == 1
        and node.named_children[0].type == "string"
    )
