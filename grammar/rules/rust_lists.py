r"""Rust: parameters of functions, and commas with nothing before them.

fn f(a: u8, &self)        accepted        fn f(u8)      expected one of `:`, `@`, or `|`, found `)`
f(a,)                     accepted        f(,)          expected expression, found `,`
"""

from __future__ import annotations

from grammar.rules.model import StackRule, State

# ---- fn f(a: u8): patterns with types; a type alone is a parameter of `fn(u8)` only
#
#   fn, name      the head of a function        parameters, pattern   before a pattern, behind a name of one
#   reference     behind `&'a`: self follows

_NO_PATTERNS = ("dyn", "impl", "fn", "*", "!", "unsafe", "extern", "for", "?", "async", ";")
_NAMES = ("identifier", "primitive_type", "self", "super", "crate", "gen", "union", "default")


def _parameter_shift(state: State, terminal: str) -> State | None:
    match state:
        case "fn":
            return "" if terminal == "(" else "name"
        case "name":
            return "parameters" if terminal == "(" else ""
        case "#":
            return ""
        case "reference":
            return state if terminal in ("mutable_specifier", "self") else None
        case "pattern" if terminal == "!":
            return ""
        case "pattern" if terminal == "<":
            return None
        case "parameters" | "pattern":
            if terminal in _NO_PATTERNS:
                return None
            if terminal in _NAMES:
                return "pattern"
            return "#" if terminal == "#" else "" if terminal in (":", "{", "<", "'") else "parameters"
        case _:
            return "fn" if terminal == "fn" else ""


PARAMETERS = StackRule(
    "parameters",
    "",
    _parameter_shift,
    ("expected one of `:`, `@`, or `|`, found `)`",),
    {
        "_type": lambda below, top: None if below == "parameters" else below,
        "lifetime": lambda below, top: "reference" if below == "parameters" else below,
        "scoped_type_identifier": lambda below, top: "pattern" if below == "parameters" else below,
        "parameters": lambda below, top: "",
    },
)


# ---- f(,), A {,}


def _comma_shift(state: State, terminal: str) -> State | None:
    if state == "tokens":
        return state
    match terminal:
        case "," if state == "open":
            return None
        case "!" | "#" | "macro_rules!":
            return "macro"
        case "(" | "[" | "{":
            return "tokens" if state == "macro" else "open"
        case "identifier" if state == "macro":
            return state
        case _:
            return ""


COMMAS = StackRule(
    "commas",
    "",
    _comma_shift,
    ("expected expression, found `,`", "expected identifier, found `,`"),
    settle=lambda below: "" if below == "open" else below,
)

LISTS = (PARAMETERS, COMMAS)
