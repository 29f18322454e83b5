"""Python: targets of `for`, `del` and `with`, the end of a comprehension, types."""

from __future__ import annotations

from grammar.rules import python_brackets as brackets
from grammar.rules.model import Reduce, StackRule, State
from grammar.rules.python_expressions import NAMES
from grammar.rules.python_layout import CLOSE, OPEN

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
        case "start" | "." if terminal in NAMES or terminal in brackets.VALUES:
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


# ---- del: names, attributes and items, see python_brackets.py; what is called is none by itself


def _del_shift(state: State, terminal: str) -> State | None:
    s = str(state)
    if terminal == "del":
        return "start"
    if s == "":
        return ""
    match s:
        case "after" if terminal == ",":
            return "start"
        case "after" if terminal in ("_newline", ";"):
            return ""
        case _:
            return brackets.shift(s, terminal, "", starred=False)


def _del_list(below: State, top: State) -> State:
    """Keep what the last target is; behind a comma there is none."""
    return brackets.settle(top) if below in ("start", "after", "value") else below


DEL_TARGETS = StackRule(
    "del targets",
    "",
    _del_shift,
    (
        "cannot delete function call", "cannot delete literal", "cannot delete expression", "cannot delete starred",
    ),
    {
        **brackets.REDUCE,
        **dict.fromkeys(("expression_list", "assert_statement_repeat1"), _del_list),
        "delete_statement": lambda below, top: None if top == "value" else below,
    },
    settle=brackets.settle,
)  # fmt: skip


# ---- with … as: a target; behind `with`, brackets may hold the items

#   "with"  behind it or its bracket    "next"  behind a comma     "item"  in one      "named"  behind its target
#   "next+", "item+"  the same, an item before has a target        "closed"  behind a bracket that held such items
#   "start" and others  of a target, see python_brackets.py        "inner"  in brackets of something else

_WITH_ENDS = {",": "next+", ")": "closed", ":": ""}
_ITEMS = ("with", "with(", "next", "item", "next+", "item+")


def _with_shift(state: State, terminal: str) -> State | None:
    s = str(state)
    if terminal == "with":
        return "with"
    if s == "with" and terminal == "(":
        return "with("
    if s == "":
        return s
    if s in _ITEMS or s == "inner":
        return _item_shift(s, terminal)
    if s == "closed":
        return "" if terminal == ":" else None
    if s in ("after", "named") and terminal in _WITH_ENDS:
        return _WITH_ENDS[terminal]
    return None if s == "named" else brackets.shift(s, terminal, "inner", starred=True)


def _item_shift(s: str, terminal: str) -> State | None:
    if terminal in OPEN or terminal.startswith("string_start"):
        return "inner"
    if s == "inner":
        return None if terminal == "as" else s
    more = "+" if s.endswith("+") else ""
    ends = {"as": "start", ",": f"next{more}", ":": "", ")": "closed" if more else "item"}
    return ends.get(terminal, f"item{more}")


def _with(reduce: Reduce) -> Reduce:
    """Let a node among the items be one; what ends an item or the items keeps that."""

    def reduced(below: State, top: State) -> State | None:
        if top in ("named", "closed") and below in _ITEMS:
            return top
        return _item(reduce(below, top))

    return reduced


def _named(below: State, top: State) -> State | None:
    if below not in _ITEMS:
        return below
    return None if top == "value" else "named"


def _item(state: State | None) -> State | None:
    return {"with": "item", "with(": "item", "next": "item", "next+": "item+"}.get(str(state), state)


def _with_settle(below: State) -> State:
    item = _item(brackets.settle(below))
    assert item is not None
    return item


WITH_TARGETS = StackRule(
    "with targets",
    "",
    _with_shift,
    ("cannot assign to function call", "cannot assign to expression", "cannot assign to literal"),
    {
        **{name: _with(reduce) for name, reduce in brackets.REDUCE.items()},
        "with_item": _with(lambda below, _: below),
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
