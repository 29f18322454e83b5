r"""Rust: operators that do not follow their like, and what `let` of a condition allows.

a < b == c    a .. b .. c                 refused
if let a = b && c {}                      accepted; not `||`, `=` and `..` behind the value
"""

from __future__ import annotations

from grammar.rules.model import StackRule, State

# ---- a < b < c, a..b..c
#
#   compare, range   behind the operator          …: done   behind its right side

_KINDS = {
    **dict.fromkeys(("<", ">", "<=", ">=", "==", "!="), "compare"),
    **dict.fromkeys(("..", "..=", "..."), "range"),
}


def _chain_shift(state: State, terminal: str) -> State | None:
    kind = _KINDS.get(terminal, "")
    return None if kind and state == f"{kind} done" else kind


def _operation(below: State, top: State) -> State:
    return f"{top} done" if top in ("compare", "range") else _settle(below)


def _expression(below: State, top: State) -> State:
    return top if str(top).endswith("done") else _settle(below)


def _settle(below: State) -> State:
    return "" if str(below).endswith("done") else below


CHAINS = StackRule(
    "chains",
    "",
    _chain_shift,
    ("comparison operators cannot be chained", "expected one of `.`, `;`, `?`, or an operator, found `..`"),
    {
        "binary_expression": _operation,
        "range_expression": _operation,
        "_expression": _expression,
        "_expression_except_range": _expression,
    },
    settle=_settle,
)


# ---- if let a = b || c
#
#   condition  of if, while and match arms        let  its pattern        value  behind its `=`

_NO_VALUES = ("||", "=", "..", "..=", "...", "+=", "-=", "*=", "/=", "%=", "^=", "&=", "|=", "<<=", ">>=")


def _condition_shift(state: State, terminal: str) -> State | None:
    match terminal:
        case "if" | "while":
            return "condition"
        case "{" | "(" | "[" | "=>" | "," | ";" | "|":
            return ""
        case "let" if state in ("condition", "value"):
            return "let"
        case "=" if state == "let":
            return "value"
        case _ if state == "value" and terminal in _NO_VALUES:
            return None
        case _:
            return state


CONDITIONS = StackRule(
    "conditions",
    "",
    _condition_shift,
    (
        "`||` operators are not supported in let chain conditions",
        "expected expression, found `let` statement",
    ),
)

EXPRESSIONS = (CHAINS, CONDITIONS)
