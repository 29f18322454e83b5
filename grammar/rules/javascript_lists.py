"""JavaScript: commas, rest elements, declarations that need a value, getters and setters."""

from __future__ import annotations

from typing import NamedTuple

from grammar.rules.javascript_lines import LINE_ENDS
from grammar.rules.model import StackRule, State

# ---- f(a,,b), {,}: only arrays have holes


class List(NamedTuple):
    """The bracket around, and whether an element is still to come."""

    bracket: str = ""
    is_open: bool = False


def _comma_shift(state: State, terminal: str) -> State | None:
    assert isinstance(state, List)
    match terminal:
        case "(" | "{":
            return List("(", is_open=True)
        case "[" | "${":
            return List()
        case "," if state.bracket:
            return None if state.is_open else List("(", is_open=True)
        case _:
            return List(state.bracket)


COMMAS = StackRule(
    "commas",
    List(),
    _comma_shift,
    ("Unexpected token ','",),
    dict.fromkeys(
        ("array_repeat1", "object_repeat1", "array_pattern_repeat1", "object_pattern_repeat1"),
        lambda below, top: top,
    ),
    settle=lambda below: List(below.bracket) if isinstance(below, List) else below,
)


# ---- (a, ...b): the last one, and without a value


def _rest_shift(state: State, terminal: str) -> State | None:
    return None if state == "rest" and terminal in (",", "=") else ""


RESTS = StackRule(
    "rests",
    "",
    _rest_shift,
    ("Rest parameter must be last formal parameter", "Rest element must be last element"),
    {
        **dict.fromkeys(("rest_pattern",), lambda below, top: "rest"),
        **dict.fromkeys(
            ("pattern", "array_pattern_repeat1", "object_pattern_repeat1", "formal_parameters_repeat1"),
            lambda below, top: top,
        ),
    },
    settle=lambda _: "",
)


# ---- const x = 1: constants and patterns have a value, unless a loop gives it


def _value_shift(state: State, terminal: str) -> State | None:
    match terminal:
        case "const":
            return "const"
        case "let" | "var":
            return "let"
        case ",":
            return state if state in ("const", "let") else ""
        case "{":
            # The grammar would take a pattern for a name there.
            return None if state == "braces" else "braces" if state in ("const", "let") else ""
        case _ if state in ("const", "let") and terminal != "[":
            return f"{state} name"
        case _:
            return ""


def _pattern(below: State, top: State) -> State:
    return "pattern" if below in ("const", "let") else below


def _declarator(below: State, top: State) -> State | None:
    return None if top in ("const name", "pattern") else below


VALUES = StackRule(
    "values",
    "",
    _value_shift,
    (
        "Missing initializer in const declaration",
        "Missing initializer in destructuring declaration",
    ),
    {"object_pattern": _pattern, "array_pattern": _pattern, "variable_declarator": _declarator},
    settle=lambda below: below if below in ("const", "let") else "",
    lex_flags=lambda state: LINE_ENDS if state == "let name" else 0,
)


# ---- get a() {}  set a(b) {}

_NAMED = {"get": "getter", "set": "setter"}


def _accessor_shift(state: State, terminal: str) -> State | None:
    match state:
        case "getter" | "setter":
            return f"{state}(" if terminal == "(" else ""
        case "getter(":
            return "" if terminal == ")" else None
        case "setter(":
            return None if terminal in (")", "...") else ""
        case _:
            return terminal if terminal in _NAMED else "get" if terminal == "static get" else ""


ACCESSORS = StackRule(
    "accessors",
    "",
    _accessor_shift,
    ("Getter must not have any formal parameters.", "Setter must have exactly one formal parameter."),
    {"_property_name": lambda below, top: _NAMED.get(str(below), "")},
    settle=lambda _: "",
)


# ---- try {}: something has to catch


def _try_shift(state: State, terminal: str) -> State | None:
    if state == "tried" and terminal not in ("catch", "finally"):
        return None
    return "try" if terminal == "try" else ""


TRIES = StackRule(
    "tries",
    "",
    _try_shift,
    ("Missing catch or finally after try",),
    {
        "statement_block": lambda below, top: "tried" if below == "try" else "",
        **dict.fromkeys(("catch_clause", "finally_clause"), lambda below, top: ""),
        "try_statement": lambda below, top: None if top == "tried" else "",
    },
    settle=lambda _: "",
)

LISTS = (COMMAS, RESTS, VALUES, ACCESSORS, TRIES)
