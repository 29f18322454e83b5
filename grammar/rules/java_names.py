"""Java: what the grammar begins to read and what no program of Java 17 goes on with.

(A a.this) -> 1        the receiver of a lambda; a method may have one
x instanceof A(        a record pattern, x."a": a template; both are newer
A<B>.class             a literal of a class has no arguments
A text block            begins on the line behind its quotes
"""

from __future__ import annotations

from grammar.rules.java_places import NAMES, TYPES
from grammar.rules.model import LexemeVariant, StackRule, State

# ---- receivers: a name behind a type is followed by a dot only in the parameters of a method
#   "id"  behind a name      "type"  behind a type      "name"  behind a name behind a type
#   "params", "params type", "params name"              the same between the brackets behind a name


def _receiver_shift(state: State, terminal: str) -> State | None:
    s = str(state)
    if s == "name" and terminal == ".":
        return None
    match terminal:
        case "(":
            return "params" if s in ("id", "name", "params name") else ""
        case ",":
            return "params" if s.startswith("params") else ""
        case _ if terminal in NAMES:
            return {"type": "name", "params type": "params name"}.get(s, "id")
        case _:
            return ""


def _type(below: State, _: State) -> State:
    return "params type" if str(below).startswith("params") else "type"


RECEIVERS = StackRule(
    "receivers",
    "",
    _receiver_shift,
    ("lambda expressions cannot have a receiver parameter", "illegal start of type"),
    dict.fromkeys(TYPES, _type),
    settle=lambda below: below if below == "params" else "",
)


# ---- patterns, templates, literals of classes


def _newer_shift(state: State, terminal: str) -> State | None:
    match state:
        case "." if terminal in ('"', '"""'):
            return None
        case "A<B>." if terminal == "class":
            return None
        case "A<B>" if terminal == ".":
            return "A<B>."
        case "tested" if terminal == "(":
            return None
        case "instanceof" if terminal == "identifier":
            return "tested"
        case "instanceof" | "tested" if terminal in ("final", "."):
            return "instanceof"
        case _:
            return terminal if terminal in (".", "instanceof") else ""


def _read_type(below: State, top: State) -> State:
    return "tested" if below == "instanceof" else "A<B>" if top == "A<B>" else ""


NEWER = StackRule(
    "newer",
    "",
    _newer_shift,
    ("illegal start of expression", "'(' or ';' expected"),
    {**dict.fromkeys(TYPES, _read_type), "generic_type": lambda below, top: _read_type(below, "A<B>")},
    settle=lambda below: below if below == "instanceof" else "",
)


# ---- text blocks: "open" behind the quotes, "text" in one; only there a line goes on behind a backslash

TEXT_BLOCK_STARTS = LexemeVariant("_multiline_string_fragment_token1", (r"[ \t\f]*\r?\n(.|\n)*",))
JOINED_LINES = tuple(
    LexemeVariant(terminal, (r"\\(\n|\r)",)) for terminal in ("escape_sequence", "_escape_sequence_token1")
)


def _block_shift(state: State, terminal: str) -> State | None:
    if terminal == '"""':
        return {"": "open", "text": ""}.get(str(state))
    if state == "open":
        return "text" if terminal == "_multiline_string_fragment_token1/1" else None
    if terminal in ("escape_sequence/1", "_escape_sequence_token1/1"):
        return state if state == "text" else None
    return state


TEXT_BLOCKS = StackRule(
    "text blocks",
    "",
    _block_shift,
    ("illegal text block open delimiter sequence, missing line terminator", "illegal escape character"),
    dict.fromkeys(("multiline_string_fragment", "_multiline_string_literal_repeat1"), lambda below, top: top),
)
