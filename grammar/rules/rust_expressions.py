r"""Rust: operators that do not follow their like, and what `let` of a condition allows.

a < b == c    a .. b .. c                 refused
if let a = b && c {}                      accepted; not `||`, `=` and `..` behind the value
"""

from __future__ import annotations

from grammar.rules import chains
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


CHAINS = StackRule(
    "chains",
    "",
    _chain_shift,
    ("comparison operators cannot be chained", "expected one of `.`, `;`, `?`, or an operator, found `..`"),
    {
        **dict.fromkeys(("binary_expression", "range_expression"), chains.operation(("compare", "range"))),
        **dict.fromkeys(("_expression", "_expression_except_range"), chains.value),
    },
    settle=chains.settle,
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
