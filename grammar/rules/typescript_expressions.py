"""TypeScript: operands, and what an arrow function ends. Types share most of their lexemes with expressions."""

from __future__ import annotations

from grammar.rules.javascript_lines import LINE_ENDS
from grammar.rules.model import StackRule, State

_SETS = (
    "=",
    "+=",
    "-=",
    "*=",
    "/=",
    "%=",
    "^=",
    "&=",
    "|=",
    ">>=",
    ">>>=",
    "<<=",
    "**=",
    "&&=",
    "||=",
    "??=",
    "=>",
)
# `<` and `>` are also those of types and of JSX; behind `in` of a loop's head anything may stand.
_OPERATORS = ("&&", "||", "??", ">>", ">>>", "<<", "&", "^", "|", "+", "-", "*", "/", "%", "**", "<=", "==", "===",
              "!=", "!==", ">=", "instanceof", "await")  # fmt: skip
_UNARY = ("!", "~", "typeof", "void", "delete")
_UPDATES = ("++", "--")
_OPERANDS = ("operand", "prefix", "unary", "bar", "and")
_GOES_ON = (
    *_OPERATORS,
    *_UPDATES,
    "<",
    ">",
    "in",
    "?",
    ".",
    "optional_chain",
    "?.",
    "(",
    "[",
    "`",
    "as",
    "satisfies",
    "!",
)
_NAMES = ("identifier", ".", "?.", "private_property_identifier", "async", "get", "set", "static", "of", "from", "as",
          "target", "meta", "undefined", "this", "super")  # fmt: skip

# ---- a + b = c, a || b => c, () => {} + 1: what is less than an operand
#
#   operand  behind an operator            unary  behind one that `**` may not follow
#   arrow    behind `=>`                   body   inside the block of an arrow function
#   closed   behind that block: nothing goes on with it, so a line break ends it
#   prefix   behind ++ and --: as operand, and no other one follows
#   updated  behind a++: neither          bar, and  behind | and &, which another one may not follow, but for `a | & b`


def _shift(state: State, terminal: str) -> State | None:
    s = str(state)
    if terminal in _SETS:
        if s in (*_OPERANDS, "closed"):
            return None
        return "arrow" if terminal == "=>" else ""
    if s == "closed" and terminal in _GOES_ON:
        return None
    match terminal:
        case "**" if s == "unary":
            return None
        case "yield":
            return None if s in _OPERANDS else "yield"
        case "*" if s == "yield":
            return ""
        case _ if terminal in _UPDATES:
            return None if s in ("prefix", "updated") else "prefix"
        case _ if terminal in _UNARY:
            return "unary"
        case "|" | "&" if s in ("bar", "and"):
            return "and" if (s, terminal) == ("bar", "&") else None
        case "|" | "&":
            return "bar" if terminal == "|" else "and"
        case "new" if s in ("bar", "and"):
            return s
        case _ if terminal in _OPERATORS:
            return "operand"
        case "{" if s == "arrow":
            return "body"
        case "}":
            return "closed" if s == "body" else ""
        case "_automatic_semicolon":
            return "closed" if s == "closed" else ""
        case _ if terminal in _NAMES and s in _OPERANDS:
            return "operand" if s in ("bar", "and") else s
        case _:
            return ""


def _settle(below: State) -> State:
    return "" if below in ("closed", "yield", "updated") else below


def _closed(below: State, top: State) -> State:
    return top if top in ("closed", "unary", "updated") else _settle(below)


OPERANDS = StackRule(
    "operands",
    "",
    _shift,
    (
        "';' expected.",
        "Function type notation must be parenthesized when used in a union type.",
        "An unary expression is not allowed in the left-hand side of an exponentiation expression.",
    ),
    {
        **dict.fromkeys(("statement_block", "arrow_function", "primary_expression", "expression"), _closed),
        "_for_header": lambda below, top: "",  # for await
        **dict.fromkeys(("unary_expression", "await_expression"), lambda below, top: "unary"),
        "update_expression": lambda below, top: "updated",
    },
    settle=_settle,
    lex_flags=lambda state: LINE_ENDS if state == "closed" else 0,
)
