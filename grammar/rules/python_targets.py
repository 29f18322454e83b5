"""Python: targets of `for`, `del` and `with`, the end of a comprehension, types."""

from __future__ import annotations

from grammar.rules.model import StackRule, State
from grammar.rules.python_expressions import NAMES
from grammar.rules.python_layout import CLOSE, OPEN

_NO_TARGETS = ("argument_list", "call", "string", "concatenated_string", "dictionary", "set")
_VALUES = ("integer", "float", "true", "false", "none", "ellipsis")
_ENDS_NAME = {"start": "after", "(start": "(after"}  # a whole operand stands behind the start of a target

# ---- for: its targets are names, attributes, items and calls, in brackets whatever fits there; no comma follows a
# comprehension's iterable or condition.
#   ""  "("   outside and inside brackets                 "start"  of a target
#   "after"   behind one         "."  behind its dot      with "(" in front: of a comprehension
#   "iter"    behind its `in`


def _for_shift(state: State, terminal: str) -> State | None:
    s = str(state)
    if terminal in OPEN or terminal.startswith("string_start"):
        return "("
    if terminal == "for":
        return "start" if s == "" else "(start"
    if s in ("", "("):
        return s
    if s == "iter":
        return None if terminal == "," else "(" if terminal in CLOSE else "iter"
    bracket, at = ("(", s[1:]) if s[0] == "(" else ("", s)
    match at:
        case "start" if terminal == "*":
            return s
        case "start" | "." if terminal in NAMES or terminal in _VALUES:
            return bracket + "after"
        case "after" if terminal == ".":
            return bracket + "."
        case "after" if terminal == ",":
            return bracket + "start"
        case "start" | "after" if terminal == "in":
            return "iter" if bracket else ""
        case _:
            return None


FOR_TARGETS = StackRule(
    "for targets",
    "",
    _for_shift,
    ("cannot assign to expression", "Generator expression must be parenthesized", "invalid syntax"),
    settle=lambda state: _ENDS_NAME.get(str(state), state),
)


# ---- del: names, attributes and items; what is called is none by itself
#   "start"  of a target       "after"  behind one       "value"  behind a literal or a call       "."  behind a dot


def _target_shift(state: State, terminal: str) -> State | None:
    """Read one target of `del` or `with`, up to what ends it. None: no target goes on so."""
    match state:
        case "start" | "." if terminal in NAMES:
            return "after"
        case "start" if terminal in _VALUES:
            return "value"
        case "after" | "value" if terminal == ".":
            return "."
        case _:
            return None


def _del_shift(state: State, terminal: str) -> State | None:
    if terminal == "del":
        return "start"
    if state == "" or terminal in OPEN or terminal.startswith("string_start"):
        return ""
    match state:
        case "after" if terminal == ",":
            return "start"
        case "after" if terminal in ("_newline", ";"):
            return ""
        case _:
            return _target_shift(state, terminal)


def _del_operand(below: State, top: State) -> State:
    return ("value" if top == "value" else "after") if below in ("start", "value") else below


def _del_value(below: State, _: State) -> State:
    return "value" if below in ("start", "after", "value") else below


DEL_TARGETS = StackRule(
    "del targets",
    "",
    _del_shift,
    ("cannot delete function call", "cannot delete literal", "cannot delete expression"),
    {
        **dict.fromkeys(("primary_expression", "expression"), _del_operand),
        **dict.fromkeys(_NO_TARGETS, _del_value),
        "delete_statement": lambda below, top: None if top == "value" else below,
    },
    settle=lambda state: "after" if state == "start" else state,
)


# ---- with … as: a target; behind `with`, brackets may hold the items

#   "with"  behind it or its bracket    "next"  behind a comma     "item"  in one      "named"  behind its target
#   "start", "after", "value", "."  of a target, as with `del`

_WITH_ENDS = {",": "next", ")": "item", ":": ""}


def _with_shift(state: State, terminal: str) -> State | None:
    s = str(state)
    if terminal == "with":
        return "with"
    if s == "with" and terminal == "(":
        return "with("
    if s == "":
        return s
    if terminal in OPEN or terminal.startswith("string_start"):
        return None if s == "named" else "inner"
    match s:
        case "inner":
            return None if terminal == "as" else s
        case "with" | "with(" | "next" | "item":
            return {"as": "start", ",": "next", ":": ""}.get(terminal, "item")
        case "after" | "named" if terminal in _WITH_ENDS:
            return _WITH_ENDS[terminal]
        case _:
            return _target_shift(s, terminal)


def _with_operand(below: State, top: State) -> State:
    if below == "start":
        return "value" if top == "value" else "after"
    return top if top == "named" else _with_settle(below)


def _with_value(below: State, top: State) -> State:
    value = _del_value(below, top)
    return value if value == "value" else _with_settle(below)


def _named(below: State, top: State) -> State | None:
    if below not in ("with", "with(", "next", "item"):
        return below
    return None if top == "value" else "named"


def _with_settle(below: State) -> State:
    return {"start": "after", "with": "item", "with(": "item", "next": "item"}.get(str(below), below)


WITH_TARGETS = StackRule(
    "with targets",
    "",
    _with_shift,
    ("cannot assign to function call", "cannot assign to expression", "cannot assign to literal"),
    {
        **dict.fromkeys(("primary_expression", "expression"), _with_operand),
        **dict.fromkeys(_NO_TARGETS, _with_value),
        "as_pattern": _named,
    },
    settle=_with_settle,
)


# ---- a type: behind one no colon follows, but that of the function whose result it is


def _type_shift(state: State, terminal: str) -> State | None:
    if state == "type" and terminal == ":":
        return None
    return "->" if terminal == "->" else ""


TYPES = StackRule(
    "types",
    "",
    _type_shift,
    ("invalid syntax",),
    {"type": lambda below, top: "" if below == "->" else "type"},
    settle=lambda _: "",
)
