"""Python: targets of `for` and `del`, the end of a comprehension, lone stars, types."""

from __future__ import annotations

from grammar.rules.model import StackRule, State
from grammar.rules.python_expressions import ARITHMETIC, COMPARISONS, NAMES
from grammar.rules.python_layout import CLOSE, OPEN

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


def _del_shift(state: State, terminal: str) -> State | None:
    if terminal == "del":
        return "start"
    if state == "" or terminal in OPEN or terminal.startswith("string_start"):
        return ""
    match state:
        case "start" | "." if terminal in NAMES:
            return "after"
        case "start" if terminal in _VALUES:
            return "value"
        case "after" | "value" if terminal == ".":
            return "."
        case "after" if terminal == ",":
            return "start"
        case "after" if terminal in ("_newline", ";"):
            return ""
        case _:
            return None


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
        **dict.fromkeys(
            ("argument_list", "call", "string", "concatenated_string", "dictionary", "set"), _del_value
        ),
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
        case "start" | "." if terminal in NAMES:
            return "after"
        case "start" if terminal in _VALUES:
            return "value"
        case "after" | "value" if terminal == ".":
            return "."
        case "after" | "named" if terminal in _WITH_ENDS:
            return _WITH_ENDS[terminal]
        case _:
            return None


def _with_operand(below: State, top: State) -> State:
    if below == "start":
        return "value" if top == "value" else "after"
    return top if top == "named" else _with_settle(below)


def _with_value(below: State, _: State) -> State:
    return "value" if below in ("start", "after", "value") else _with_settle(below)


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
        **dict.fromkeys(
            ("argument_list", "call", "string", "concatenated_string", "dictionary", "set"), _with_value
        ),
        "as_pattern": _named,
    },
    settle=_with_settle,
)


# ---- no star follows `in`, but that of `for`, and in brackets none follows `=` or `:`
#   "", "(", "["  outside brackets, in them      "for"  behind it, outside       "in", "(=", "(in", …  no star here


def _value_shift(state: State, terminal: str) -> State | None:
    s = str(state)
    if terminal == "*" and s[-1:] in ("=", ":", "n"):
        return None
    if terminal in OPEN:
        return "(" if terminal == "(" else "["
    bracket = "" if s in ("", "in", "for") else s[0]
    if terminal == "in":
        return "" if s == "for" else bracket + "in"
    if terminal == "for" and not bracket:
        return "for"
    return bracket + terminal if bracket + terminal in ("(=", "[:") else "for" if s == "for" else bracket


STAR_VALUES = StackRule(
    "values",
    "",
    _value_shift,
    ("invalid syntax",),
    settle=lambda below: "for" if below == "for" else "" if below == "in" else str(below)[:1],
)


# ---- a star: `*a` is no value by itself, and no target; `*a,` is
#   "star"  behind a starred expression       "star."  behind its dot, name or arguments      "star["  in its subscript
#   "star+" behind its operator       "star)" behind the bracket around one     "target" behind a starred target

_NOT_BEHIND_STAR = (
    "=", ":", ":=", "if", "and", "or", "not", "in", "is", "for", "async", *COMPARISONS,
    *(operator + "=" for operator in ARITHMETIC),
)  # fmt: skip


def _star_shift(state: State, terminal: str) -> State | None:
    if state == "star":
        if terminal in _NOT_BEHIND_STAR:
            return None
        if terminal in ARITHMETIC:
            return "star+"
        return {")": "star)", ".": "star.", "[": "star["}.get(terminal, "")
    if state == "star.":
        return "star."
    if state == "star[" and terminal not in OPEN:
        return "star." if terminal == "]" else "star["
    if state == "target":
        return None if terminal in ("=", "in") else {".": "star.", "[": "star["}.get(terminal, "")
    return ""


def _star(below: State, top: State) -> State:
    return "star" if top in ("star", "target", "star.") else _star_settle(below)


def _target(below: State, top: State) -> State:
    return "target" if top == "target" else _star_settle(below)


def _no_star(below: State, top: State) -> State | None:
    return None if top in ("star", "star)") else _star_settle(below)


def _star_settle(below: State) -> State:
    return {"star[": "star[", "star+": "star"}.get(str(below), "")


_EXPRESSIONS = (
    "primary_expression", "expression", "attribute", "subscript", "call", "binary_operator", "_right_hand_side",
    "_collection_elements",
)  # fmt: skip
_WITHOUT_STAR = (
    "expression_statement", "return_statement", "assignment", "augmented_assignment", "yield", "tuple",
    "parenthesized_expression",
)  # fmt: skip

STARS = StackRule(
    "stars",
    "",
    _star_shift,
    ("can't use starred expression here", "starred assignment target must be in a list or tuple"),
    {
        "list_splat": lambda below, top: "star",
        "list_splat_pattern": lambda below, top: "target",
        "pattern": _target,
        "argument_list": lambda below, top: "star." if below in ("star", "target") else _star_settle(below),
        **dict.fromkeys(_EXPRESSIONS, _star),
        **dict.fromkeys(_WITHOUT_STAR, _no_star),
        "parenthesized_list_splat": lambda below, top: None,
    },
    settle=_star_settle,
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
