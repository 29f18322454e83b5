"""What the tree-sitter grammars call things: definitions, the bodies that hold statements, imports."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter

from grammar.languages import LANGUAGES


@dataclass(frozen=True)
class Nodes:
    """Node types of one grammar.

    functions   become chunks whole, unless they are too long
    classes     become a header and a chunk for each member
    wrappers    stand around a definition and belong to it (decorators)
    comments    above a definition, they belong to it
    imports     of the file
    """

    functions: frozenset[str]
    classes: frozenset[str]
    comments: frozenset[str]
    imports: frozenset[str]
    wrappers: frozenset[str] = frozenset()


_TYPESCRIPT = Nodes(
    functions=frozenset({
        "function_declaration", "generator_function_declaration", "method_definition", "function_signature",
        "type_alias_declaration",
    }),
    classes=frozenset({
        "class_declaration", "abstract_class_declaration", "interface_declaration", "enum_declaration",
    }),
    comments=frozenset({"comment"}),
    imports=frozenset({"import_statement"}),
    wrappers=frozenset({"export_statement", "ambient_declaration"}),
)  # fmt: skip

NODES = {
    "python": Nodes(
        functions=frozenset({"function_definition"}),
        classes=frozenset({"class_definition"}),
        comments=frozenset({"comment"}),
        imports=frozenset({"import_statement", "import_from_statement", "future_import_statement"}),
        wrappers=frozenset({"decorated_definition"}),
    ),
    "java": Nodes(
        functions=frozenset({
            "method_declaration", "constructor_declaration", "compact_constructor_declaration",
        }),
        classes=frozenset({
            "class_declaration", "interface_declaration", "enum_declaration", "record_declaration",
            "annotation_type_declaration",
        }),
        comments=frozenset({"line_comment", "block_comment"}),
        imports=frozenset({"import_declaration"}),
    ),
    "go": Nodes(
        functions=frozenset({"function_declaration", "method_declaration"}),
        classes=frozenset(),
        comments=frozenset({"comment"}),
        imports=frozenset({"import_spec"}),
    ),
    "javascript": Nodes(
        functions=frozenset({
            "function_declaration", "generator_function_declaration", "method_definition",
        }),
        classes=frozenset({"class_declaration"}),
        comments=frozenset({"comment"}),
        imports=frozenset({"import_statement"}),
        wrappers=frozenset({"export_statement"}),
    ),
    "typescript": _TYPESCRIPT,
    "tsx": _TYPESCRIPT,
    "rust": Nodes(
        functions=frozenset({"function_item", "function_signature_item", "macro_definition", "type_item"}),
        classes=frozenset({"struct_item", "enum_item", "union_item", "trait_item", "impl_item", "mod_item"}),
        comments=frozenset({"line_comment", "block_comment", "attribute_item"}),
        imports=frozenset({"use_declaration"}),
    ),
}  # fmt: skip

_NAMES = re.compile(r"[^\W\d]\w*", re.UNICODE)


@functools.cache
def parser_of(language: str) -> tree_sitter.Parser:
    """Give the parser of a language of the registry."""
    spec = LANGUAGES[language]
    capsule: object = getattr(importlib.import_module(spec.wheel), spec.function)()
    return tree_sitter.Parser(tree_sitter.Language(capsule))


def definition_in(node: tree_sitter.Node, nodes: Nodes) -> tree_sitter.Node | None:
    """Give the definition that a node is, or stands around; None when it is none."""
    if node.type in nodes.wrappers:
        return next((inner for child in node.children if (inner := definition_in(child, nodes))), None)
    return node if node.type in nodes.functions or node.type in nodes.classes else None


def name_of(definition: tree_sitter.Node) -> str:
    """Give the name of a definition; with the receiver's type for a method in Go, as in `Tree.Insert`."""
    name = _text(definition.child_by_field_name("name"))
    if (receiver := definition.child_by_field_name("receiver")) is not None:
        types = _NAMES.findall(_text(receiver))
        return f"{types[-1]}.{name}" if types else name
    return name


def imports_of(root: tree_sitter.Node, nodes: Nodes) -> Iterator[tuple[str, frozenset[str]]]:
    """Give the imports of a file, each on one line, with the names that it brings."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type in nodes.imports:
            text = " ".join(_text(node).split())
            yield text, frozenset(_bound_names(text))
        elif node.type not in nodes.functions and node.type not in nodes.classes:
            stack.extend(reversed(node.children))


def _bound_names(text: str) -> Iterator[str]:
    """Give the names by which an import is used: of `import a.b` the first in Python, the last in Java and Go."""
    listed = text.partition(" import ")[2] if text.startswith("from ") else text.removeprefix("import ")
    for part in listed.removeprefix("static ").split(","):
        names = _NAMES.findall(part.split(" as ")[-1])
        yield from {*names[:1], *names[-1:]}


def _text(node: tree_sitter.Node | None) -> str:
    return node.text.decode("utf-8", "replace") if node is not None and node.text is not None else ""
