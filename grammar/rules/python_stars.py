"""Python: where a star may stand, and what may follow a starred expression."""

from __future__ import annotations

from grammar.rules.model import StackRule, State
from grammar.rules.python_expressions import ARITHMETIC, COMPARISONS
from grammar.rules.python_layout import OPEN

# ---- no star follows `in`, but that of `for`, and in brackets none follows `=` or `:`, but that of `*a: *b`
#   "", "(", "["  outside brackets, in them      "for"  behind it, outside       "in", "(=", "(:", …  no star here
#   "(*"  behind `*a` in round brackets          "(*:"  behind its colon: a star may follow
#   "lambda", "lambda:", "->"  behind these outside of brackets: no star is the value, or the result


def _value_shift(state: State, terminal: str) -> State | None:
    s = str(state)
    if terminal in ("*", "**") and s[-1:] in ("=", ":", "n", ">"):
        return "(" if s == "(*:" and terminal == "*" else None
    if terminal in OPEN:
        return "(" if terminal == "(" else "["
    bracket = s[0] if s[:1] in ("(", "[") else ""
    if terminal == "in":
        return "" if s == "for" else bracket + "in"
    if terminal in ("for", "lambda", "->") and not bracket:
        return terminal
    if s == "lambda":
        return "lambda:" if terminal == ":" else s
    if s == "(*" and terminal == ":":
        return "(*:"
    return (
        bracket + terminal if bracket + terminal in ("(=", "[:", "(:") else "for" if s == "for" else bracket
    )


def _value_settle(below: State) -> State:
    s = str(below)
    return s if s in ("for", "lambda") else s[:1] if s[:1] in ("(", "[") else ""


STAR_VALUES = StackRule(
    "values",
    "",
    _value_shift,
    ("invalid syntax",),
    {"list_splat_pattern": lambda below, top: "(*" if below == "(" else _value_settle(below)},
    settle=_value_settle,
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
    return "target" if top in ("target", "star", "star.") else _star_settle(below)


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


# ---- targets: at most one star among those of a level; in round brackets a comma makes it one
#   "*"  behind a starred target or a list with one      "*,"  behind its comma      "("  behind a bracket
#   "(*" behind a starred target that is first in round brackets


def _one_star_shift(state: State, terminal: str) -> State | None:
    match terminal:
        case "." | "[" if state == "starred":
            return None
        case "(":
            return "("
        case ")" if state == "(*":
            return None
        case "," if "*" in str(state):
            return "*,"
        case _:
            return ""


def _one_star_target(below: State, top: State) -> State | None:
    if top == "starred":
        return {"*,": None, "(": "(*"}.get(str(below), "*")
    return "*" if below == "*," else ""


def _more_targets(below: State, top: State) -> State:
    return "(*" if top == "(*" else "*" if below in ("*", "(*") or top in ("*", "*,") else ""


def _starred(below: State, _: State) -> State:
    return "starred"


def _starred_target(below: State, top: State) -> State:
    return top if top == "starred" else _one_star_settle(below)


def _one_star_settle(below: State) -> State:
    return below if below in ("*,", "(") else ""


ONE_STAR = StackRule(
    "one star",
    "",
    _one_star_shift,
    ("multiple starred expressions in assignment", "cannot use starred expression here"),
    {
        "list_splat_pattern": _starred,
        "pattern": _one_star_target,
        "primary_expression": _starred_target,
        **dict.fromkeys(("_patterns_repeat1", "_patterns"), _more_targets),
    },
    settle=_one_star_settle,
)
