r"""Rust: what may stand as an item, as a member and as a statement, behind attributes, and in macros' brackets.

fn f() {}  use a;          items of a file or a module; members of impl, trait and extern; statements of a block
#[a] fn f() {}             an item has to follow
#![a]                      before the first item alone
m!(a);  m!{}               parentheses ask for a semicolon, braces refuse it
"""

from __future__ import annotations

from typing import NamedTuple

from grammar.rules.model import Reduce, StackRule, State

# Flags for the scanner, as in csrc/rust_scanner.h: what follows is a name and not `_`, begins without a blank, is what
# a doc comment before it is about, is a label.
NAME_FOLLOWS, NO_BLANK, DOCS_BIND, LABEL = 16, 32, 64, 128


class Place(NamedTuple):
    """Between the elements of a list, or in the first words of one.

    kind  "file", "mod", "impl", "extern", "block"
    at    "first", "start"; "outer" behind an attribute; "visible" behind `pub`; "macro)" behind a macro in parentheses,
          "expression" in a statement; else the words read
    """

    kind: str
    at: str = "first"


_BETWEEN = ("first", "start", "outer")
_MODIFIERS = ("default", "const", "async", "unsafe", "extern")
_NAMES = ("identifier", "self", "super", "crate", "primitive_type", "gen", "union", "default", "metavariable")
_MEMBERS = (*_MODIFIERS, "pub", "#", "fn", "type", "identifier", "self", "super", "crate", "primitive_type", "gen",
            "union", "::", "metavariable")  # fmt: skip
_ITEMS = (*_MEMBERS, "mod", "struct", "enum", "impl", "trait", "use", "static", "macro_rules!")
_STARTS: dict[str, tuple[str, ...]] = {
    "file": (*_ITEMS, "shebang"),
    "mod": (*_ITEMS, "}"),
    "impl": (*_MEMBERS, "}"),
    "extern": (*_MEMBERS, "static", "}"),
}
# What the first words of an item allow, where it is no statement.
_GOES_ON: dict[str, tuple[str, ...]] = {
    "default": ("fn", "const", "async", "unsafe", "extern", "!", "::"),
    "const": ("fn", "async", "unsafe", "extern", "identifier", "_"),
    "async": ("fn", "unsafe", "extern"),
    "unsafe": ("fn", "extern", "impl", "trait"),
    "extern": ("fn", "crate", '"', "string_content", "escape_sequence", "{", "_raw_string_literal_end",
               "_raw_string_literal_start"),
    "union": ("identifier", "!", "::"),
    "path": ("!", "::"),
    "path::": ("identifier", "super"),
    "static": ("identifier", "mutable_specifier"),
    "macro)": (";",),
}  # fmt: skip
# Heads of items: they last until the item's list begins.
_HEADS = {"struct": "struct", "enum": "enum", "trait": "trait", "impl": "impl", "mod": "mod", "use": "use",
          "fn": "fn", "macro_rules!": "macro_rules", "type": "type"}  # fmt: skip
_BEHIND_WORD = ("struct", "enum", "trait", "mod", "fn")  # heads whose name comes first
_BODIES: dict[str, State] = {
    "struct": "fields", "enum": "variants", "trait": Place("impl"), "impl": Place("impl"), "mod": Place("mod"),
    "use": "use", "match": "arms", "variant": "fields", "name": "list", "path": "list", "union": "list",
    "fields": "list",
}  # fmt: skip
_STICKY = ("struct", "enum", "trait", "impl", "mod", "fn", "use", "macro_rules", "as", "rules", "attribute")
_TOKENS = ("tokens", ")", "}", "tokens'")
_NAMED = ("attribute", "type", "mod name", "fn name", "static", "path", "path::", ".", "fields", "variants",
          "macro_rules", "use", "union", "struct name", "enum name", "trait name")  # fmt: skip


def _shift(state: State, terminal: str) -> State | None:
    terminal = terminal.partition("/")[0] or terminal
    if isinstance(state, Place):
        return _in_place(state, terminal)
    s = str(state)
    if s == "tokens'":
        return "tokens" if terminal == "_" or terminal[0].isalpha() else None
    if s in _TOKENS:
        return {")": ")", "]": ")", "}": "}", "'": "tokens'"}.get(terminal, "tokens")
    if terminal == "'":
        return "'"
    if terminal == "metavariable":
        return None
    match terminal:
        case "{" | "(" | "[":
            return _opened(s, terminal)
        case "#" if s != "#":
            return "#"
        case "!" if s in ("name", "#"):
            return "macro!" if s == "name" else "#"
        case ";" if s in ("extern", "impl"):
            return None
        case "crate" if s in ("fields", "variants"):
            return None
        case "," if s == "rest":
            return None
        case _ if s in ("struct name", "enum name", "trait name", "fn name", "mod name"):
            return s.removesuffix(" name")
        case "in" if s == "pub(":
            return "path"
        case "as" if s == "use":
            return "use as"
        case "identifier" if s == "use as":
            return "use"
        case "identifier" if s == "variants":
            return "variant"
        case "=" | "]" if s == "attribute":
            return ""
        case _ if s in _STICKY:
            return "" if terminal == "<" else s
        case "match":
            return "match"
        case "=" if s in ("fields", "variants", "variant"):
            return ""
        case "," if s in ("fields", "variants", "list", "arms"):
            return s
        case "::":
            return "path"
        case ".":
            return "."
        case "->":
            return "fn"
        case "as":
            return "as"
        case "async" | "default" | "unsafe":
            return terminal
        case "fn" | "extern" | "const" if s in ("async", "default"):
            return None  # a function's type
        case "unsafe" if s in ("async", "default"):
            return None
        case _ if terminal in _NAMES:
            return "name"
        case "pub":
            return s if s in ("fields", "variants") else "pub"
        case _:
            return ""


def _opened(s: str, bracket: str) -> State | None:
    if s in ("macro!", "rules", "macro_rules"):
        return "rules" if s == "macro_rules" else "tokens"
    if s == "attribute":
        return "tokens"
    if bracket == "[":
        return "attribute" if s == "#" else ""
    if bracket == "(":
        return "pub(" if s == "pub" else ""
    return _BODIES.get(s, Place("block"))


def _in_place(place: Place, terminal: str) -> State | None:
    kind, at = place
    if at == "outer" and terminal in ("}", ";"):
        return None
    if at == "macro)" and kind == "block":
        return Place(kind, ";") if terminal == ";" else "" if terminal == "}" else None
    if kind != "block":
        allowed = _GOES_ON.get(at) or (_STARTS[kind] if at in (*_BETWEEN, "visible") else None)
        if allowed is not None and terminal not in allowed:
            return None
    elif terminal == "metavariable" or (
        terminal in _MODIFIERS and at in _MODIFIERS and terminal not in _GOES_ON[at]
    ):
        return None
    if terminal == ";" and at in ("macro)", *_BETWEEN):
        return Place(kind, ";")
    if at == "#" or terminal == "#":
        return _attribute(place, terminal)
    if at == "extern" and terminal == "{":
        return Place("extern")
    if at == "extern" and terminal == "crate":
        return "use"
    if at == "union" and terminal == "identifier":
        return "struct"
    if terminal in _HEADS and at != "expression":
        return _HEADS[terminal] + (" name" if terminal in _BEHIND_WORD else "")
    if at in ("path", "union", "default", "gen") and terminal == "!":
        return "macro!"
    if terminal == "::":
        return Place(kind, "path::") if kind != "block" else "path"
    if at == "const" and terminal in _MODIFIERS:
        return Place(kind, terminal)
    if at in ("expression", "static", "const") or terminal in ("{", "(", "["):
        return _shift("", terminal)
    if terminal in (*_MODIFIERS, "union", "static"):
        return Place(kind, terminal)
    if at == "extern":
        return place
    if kind != "block" and terminal in _NAMES:
        return Place(kind, "path")
    if terminal == "shebang":
        return place
    return _shift("", terminal)


def _attribute(place: Place, terminal: str) -> State | None:
    if terminal == "#":
        return Place(place.kind, "# first" if place.at == "first" else "#")
    if place.at == "#" and terminal == "!":
        return None
    return "attribute" if terminal == "[" else place


# ---- reductions


def _item(below: State, _: State) -> State:
    return Place(below.kind, "start") if isinstance(below, Place) else below


def _macro(below: State, top: State) -> State:
    if not isinstance(below, Place):
        return _settle(below)
    return Place(below.kind, "macro)" if top == ")" else "start")


def _expression(below: State, top: State) -> State:
    if isinstance(below, Place) and below.kind != "block":
        return top
    return _settle(below)


def _name(below: State, _: State) -> State:
    if isinstance(below, Place):
        return Place(below.kind, "path") if below.kind != "block" else "name"
    return below if below in _STICKY else "name"


def _words(word: str) -> Reduce:
    def reduce(below: State, top: State) -> State:
        return Place(below.kind, word) if isinstance(below, Place) else below

    return reduce


def _visibility(below: State, top: State) -> State | None:
    if top == "name" or (isinstance(top, Place) and top.at == "path"):
        return None  # `crate fn`
    return Place(below.kind, "visible") if isinstance(below, Place) else below


def _settle(below: State) -> State:
    if isinstance(below, Place) and below.kind == "block" and below.at in (*_BETWEEN, "macro)"):
        return Place("block", "expression")
    return "tokens" if below == "tokens'" else below


def _top(_: State, top: State) -> State:
    return top


def _source_file(below: State, top: State) -> State | None:
    return None if isinstance(top, Place) and top.at in ("outer", "macro)") else below


def _rest(below: State, _: State) -> State:
    return "rest" if below == "list" else _settle(below)


def _in_tokens(below: State, top: State) -> State:
    return top if top == "tokens'" else _settle(below)


def _token_tree(below: State, top: State) -> State:
    if below in _TOKENS:
        return "tokens"
    return top if below == "macro!" else _settle(below)  # its last bracket


def _flags(state: State) -> int:
    if isinstance(state, Place):
        is_named = state.at in _NAMED or (state.kind != "block" and state.at in _BETWEEN)
        return DOCS_BIND | (NAME_FOLLOWS if is_named else 0)
    if state in (*_TOKENS, "rules"):
        return NO_BLANK if state == "tokens'" else 0
    return DOCS_BIND | (LABEL | NO_BLANK if state == "'" else NAME_FOLLOWS if state in _NAMED else 0)


_TOKEN_NODES = (
    "_non_special_token_repeat1", "_non_delim_token", "_delim_tokens", "_token_pattern",
    "delim_token_tree_repeat1", "token_tree_repeat1", "token_tree_pattern_repeat1",
)  # fmt: skip
_ITEM_NODES = (
    "empty_statement", "expression_statement", "macro_definition", "mod_item", "foreign_mod_item", "struct_item",
    "union_item", "enum_item", "type_item", "function_item", "function_signature_item", "impl_item", "trait_item",
    "associated_type", "let_declaration", "use_declaration", "extern_crate_declaration", "static_item", "const_item",
)  # fmt: skip

PLACES = StackRule(
    "places",
    Place("file"),
    _shift,
    (
        "expected item, found `;`",
        "expected item, found keyword `let`",
        "expected item after attributes",
        "expected statement after outer attribute",
        "an inner attribute is not permitted in this context",
        "non-item in item list",
        "expected `{}`, found `;`",
        "macros that expand to items must be delimited with braces or followed by a semicolon",
        "expected identifier, found reserved identifier `_`",
        "expected expression, found `$`",
        "cannot use a comma after the base struct",
    ),
    {
        **dict.fromkeys(_ITEM_NODES, _item),
        "attribute_item": _words("outer"),
        "inner_attribute_item": _words("first"),
        "macro_invocation": _macro,
        **dict.fromkeys(_TOKEN_NODES, _in_tokens),
        "token_tree": _token_tree,
        **dict.fromkeys(("_expression", "_expression_except_range"), _expression),
        **dict.fromkeys(
            ("scoped_identifier", "scoped_type_identifier", "generic_type_with_turbofish"), _name
        ),
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
    },
    settle=_settle,
    lex_flags=_flags,
)
