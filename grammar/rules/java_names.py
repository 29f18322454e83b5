"""Java: what the grammar begins to read and what no program of Java 17 goes on with.

(A a.this) -> 1        the receiver of a lambda; a method may have one
x instanceof A(        a record pattern, x."a": a template; both are newer
"""

from __future__ import annotations

from grammar.rules.java_places import NAMES, TYPES
from grammar.rules.model import StackRule, State

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


# ---- patterns and templates


def _newer_shift(state: State, terminal: str) -> State | None:
    match state:
        case "." if terminal in ('"', '"""'):
            return None
        case "tested" if terminal == "(":
            return None
        case "instanceof" if terminal == "identifier":
            return "tested"
        case "instanceof" | "tested" if terminal in ("final", "."):
            return "instanceof"
        case _:
            return terminal if terminal in (".", "instanceof") else ""


NEWER = StackRule(
    "newer",
    "",
    _newer_shift,
    ("illegal start of expression", "'(' or ';' expected"),
    dict.fromkeys(TYPES, lambda below, top: "tested" if below == "instanceof" else ""),
    settle=lambda below: below if below == "instanceof" else "",
)
