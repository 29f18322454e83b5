"""Rust: what a place becomes when something that stands in it is complete, and what the scanner is told of it."""

from __future__ import annotations

from grammar.rules.model import Reduce, State
from grammar.rules.rust_words import (
    BETWEEN,
    DOCS_BIND,
    LABEL,
    NAME_FOLLOWS,
    NAMED,
    NO_BLANK,
    NO_DOCS,
    STICKY,
    TOKENS,
    UNDOCUMENTED,
    Place,
)


def _item(below: State, _: State) -> State:
    return Place(below.kind, "start") if isinstance(below, Place) else below


def _macro(below: State, top: State) -> State:
    if not isinstance(below, Place):
        return settle(below)
    return Place(below.kind, "macro)" if top == ")" else "start")


def _expression(below: State, top: State) -> State:
    if isinstance(below, Place) and below.kind != "block":
        return top
    return settle(below)


def _name(below: State, _: State) -> State:
    if isinstance(below, Place):
        return Place(below.kind, "path") if below.kind != "block" else "name"
    return below if below in STICKY else "name"


def _words(word: str) -> Reduce:
    def reduce(below: State, top: State) -> State:
        return Place(below.kind, word) if isinstance(below, Place) else below

    return reduce


def _visibility(below: State, top: State) -> State | None:
    if top == "name" or (isinstance(top, Place) and top.at == "path"):
        return None  # `crate fn`
    return Place(below.kind, "visible") if isinstance(below, Place) else below


def settle(below: State) -> State:
    """Give the state of a node that ends nothing but itself."""
    if isinstance(below, Place) and below.kind == "block" and below.at in (*BETWEEN, "macro)"):
        return Place("block", "expression")
    return "tokens" if below == "tokens'" else below


def _top(_: State, top: State) -> State:
    return top


def _source_file(below: State, top: State) -> State | None:
    return None if isinstance(top, Place) and top.at in ("outer", "macro)") else below


def _rest(below: State, _: State) -> State:
    return "rest" if below == "list" else settle(below)


def _in_tokens(below: State, top: State) -> State:
    return top if top == "tokens'" else settle(below)


def _token_tree(below: State, top: State) -> State:
    if below in TOKENS:
        return "tokens"
    return top if below == "macro!" else settle(below)  # its last bracket


def flags(state: State) -> int:
    """Say what the scanner has to know of a state."""
    if isinstance(state, Place):
        is_named = state.at in NAMED or (state.kind != "block" and state.at in BETWEEN)
        docs = NO_DOCS if state.at in UNDOCUMENTED else 0
        return DOCS_BIND | docs | (NAME_FOLLOWS if is_named else 0)
    if state in (*TOKENS, "rules"):
        return NO_BLANK if state == "tokens'" else 0
    if state == "'":
        return DOCS_BIND | LABEL | NO_BLANK
    docs = NO_DOCS if state in UNDOCUMENTED else 0
    return DOCS_BIND | docs | (NAME_FOLLOWS if state in NAMED else 0)


_TOKEN_NODES = (
    "_non_special_token_repeat1", "_non_delim_token", "_delim_tokens", "_token_pattern",
    "delim_token_tree_repeat1", "token_tree_repeat1", "token_tree_pattern_repeat1",
)  # fmt: skip
_ITEM_NODES = (
    "empty_statement", "expression_statement", "macro_definition", "mod_item", "foreign_mod_item", "struct_item",
    "union_item", "enum_item", "type_item", "function_item", "function_signature_item", "impl_item", "trait_item",
    "associated_type", "let_declaration", "use_declaration", "extern_crate_declaration", "static_item", "const_item",
)  # fmt: skip

REDUCE: dict[str, Reduce] = {
    **dict.fromkeys(_ITEM_NODES, _item),
    "attribute_item": _words("outer"),
    "inner_attribute_item": _words("first"),
    "macro_invocation": _macro,
    **dict.fromkeys(_TOKEN_NODES, _in_tokens),
    "token_tree": _token_tree,
    **dict.fromkeys(("_expression", "_expression_except_range"), _expression),
    **dict.fromkeys(("scoped_identifier", "scoped_type_identifier", "generic_type_with_turbofish"), _name),
    "extern_modifier": _words("extern"),
    "function_modifiers": _top,
    "function_modifiers_repeat1": _top,
    "visibility_modifier": _visibility,
    "source_file_repeat1": _top,
    "declaration_list_repeat1": _top,
    "_statement": _top,
    "source_file": _source_file,
    "remaining_field_pattern": _rest,
    "base_field_initializer": _rest,
}
