"""JavaScript: operands, what `??` may stand beside, and what an arrow function ends."""

from __future__ import annotations

from grammar.rules import chains
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
# `<` and `>` are JSX's, too; behind `in` of a loop's head anything may stand.
_OPERATORS = ("&&", "||", "??", ">>", ">>>", "<<", "&", "^", "|", "+", "-", "*", "/", "%", "**", "<=", "==", "===",
              "!=", "!==", ">=", "instanceof", "await", "new", "extends")  # fmt: skip
_UNARY = ("!", "~", "typeof", "void", "delete")
_UPDATES = ("++", "--")
_OPERANDS = ("operand", "prefix", "unary")
_GOES_ON = (*_OPERATORS, *_UPDATES, "<", ">", "in", "?", ".", "optional_chain", "(", "[", "`")
_NAMES = ("identifier", ".", "optional_chain", "private_property_identifier", "async", "get", "set", "static", "of",
          "from", "as", "target", "meta", "undefined", "this", "super")  # fmt: skip

# ---- a + b = c, a || b => c, () => {} + 1: what is less than an operand
#
#   operand  behind an operator            unary  behind one that `**` may not follow
#   arrow    behind `=>`                   body   inside the block of an arrow function
#   closed   behind that block: nothing goes on with it, so a line break ends it
#   prefix   behind ++ and --: as operand, and no other one follows
#   value    behind what ++ and -- cannot change


def _operand_shift(state: State, terminal: str) -> State | None:
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
            return None if s in ("prefix", "value") else "prefix"
        case "number" | "true" | "false" | "null":
            return "value"
        case _ if terminal in _UNARY:
            return "unary"
        case _ if terminal in _OPERATORS:
            return "operand"
        case "{" if s == "arrow":
            return "body"
        case "}":
            return "closed" if s == "body" else ""
        case "_automatic_semicolon":
            return "closed" if s == "closed" else ""
        case _ if terminal in _NAMES and s in _OPERANDS:
            return s
        case _:
            return ""


def _closed(below: State, top: State) -> State:
    return top if top in ("closed", "unary", "value") else _settle(below)


def _settle(below: State) -> State:
    return "" if below in ("closed", "yield", "value") else below


OPERANDS = StackRule(
    "operands",
    "",
    _operand_shift,
    (
        "Invalid left-hand side in assignment",
        "Malformed arrow function parameter list",
        "Invalid left-hand side expression in postfix operation",
        "Unary operator used immediately before exponentiation expression",
    ),
    {
        **dict.fromkeys(("statement_block", "arrow_function", "primary_expression", "expression"), _closed),
        "_for_header": lambda below, top: "",  # for await
        **dict.fromkeys(("unary_expression", "await_expression"), lambda below, top: "unary"),
        **dict.fromkeys(
            ("update_expression", "string", "array", "object", "regex"), lambda below, top: "value"
        ),
    },
    settle=_settle,
    lex_flags=lambda state: LINE_ENDS if state == "closed" else 0,
)


# ---- a ?? b || c: parentheses are needed

_LOGICAL = {"??": "??", "||": "||", "&&": "||"}


def _mix_shift(state: State, terminal: str) -> State | None:
    if terminal not in _LOGICAL:
        return ""
    other = "||" if terminal == "??" else "??"
    # Behind `a || b` nothing is known of a yet where b is still open: `a || b ?? c` is refused at `??`.
    return None if state in (other, f"{other} done") else _LOGICAL[terminal]


MIXES = StackRule(
    "mixes",
    "",
    _mix_shift,
    ("Unexpected token '||'", "Unexpected token '??'"),
    {
        "binary_expression": chains.operation(("??", "||")),
        "expression": chains.value,
    },
    settle=chains.settle,
)

EXPRESSIONS = (OPERANDS, MIXES)
