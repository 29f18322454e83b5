r"""Rust: what may stand as an item, as a member and as a statement, behind attributes, and in macros' brackets.

fn f() {}  use a;          items of a file or a module; members of impl, trait and extern; statements of a block
#[a] fn f() {}             an item has to follow
#![a]                      before the first item alone
m!(a);  m!{}               parentheses ask for a semicolon, braces refuse it
"""

from __future__ import annotations

from grammar.rules.model import StackRule, State
from grammar.rules.rust_reductions import REDUCE, flags, settle
from grammar.rules.rust_words import (
    BEHIND_WORD,
    BETWEEN,
    BODIES,
    GOES_ON,
    HEADS,
    MODIFIERS,
    NAMES,
    STARTS,
    STICKY,
    TOKENS,
    Place,
)


def _shift(state: State, terminal: str) -> State | None:
    terminal = terminal.partition("/")[0] or terminal
    if isinstance(state, Place):
        return _in_place(state, terminal)
    s = str(state)
    if s == "tokens'":
        return "tokens" if terminal == "_" or terminal[0].isalpha() else None
    if s in TOKENS:
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
        case _ if s in STICKY:
            return "" if terminal in ("<", ";") else s
        case _:
            return _in_code(s, terminal)


def _in_code(s: str, terminal: str) -> State | None:
    """Shift a word that no head of an item is open for."""
    match terminal:
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
        case _ if terminal in NAMES:
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
    return BODIES.get(s, Place("block"))


def _in_place(place: Place, terminal: str) -> State | None:
    kind, at = place
    if at == "outer" and terminal in ("}", ";"):
        return None
    if at == "macro)" and kind == "block":
        return Place(kind, ";") if terminal == ";" else "" if terminal == "}" else None
    if kind != "block":
        allowed = GOES_ON.get(at) or (STARTS[kind] if at in (*BETWEEN, "visible") else None)
        if allowed is not None and terminal not in allowed:
            return None
    elif terminal == "metavariable" or (
        terminal in MODIFIERS and at in MODIFIERS and terminal not in GOES_ON[at]
    ):
        return None
    if terminal == ";" and at in ("macro)", *BETWEEN):
        return Place(kind, ";")
    if at == "#" or terminal == "#":
        return _attribute(place, terminal)
    if at == "extern" and terminal == "{":
        return Place("extern")
    if at == "extern" and terminal == "crate":
        return "use"
    if at == "union" and terminal == "identifier":
        return "struct"
    if terminal in HEADS and at != "expression":
        return HEADS[terminal] + (" name" if terminal in BEHIND_WORD else "")
    if at in ("path", "union", "default", "gen") and terminal == "!":
        return "macro!"
    if terminal == "::":
        return Place(kind, "path::") if kind != "block" else "path"
    if at == "const" and terminal in MODIFIERS:
        return Place(kind, terminal)
    if at in ("expression", "static", "const") or terminal in ("{", "(", "["):
        return _shift("", terminal)
    if terminal in (*MODIFIERS, "union", "static"):
        return Place(kind, terminal)
    if at == "extern":
        return place
    if kind != "block" and terminal in NAMES:
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
    REDUCE,
    settle=settle,
    lex_flags=flags,
)
