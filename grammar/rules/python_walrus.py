"""Python: where `:=` may stand.

In brackets, in conditions, subjects and decorators; not at the top of a statement, in the iterable of a
comprehension, in a conditional expression, behind a colon.
"""

from __future__ import annotations

from grammar.rules.model import StackRule, State
from grammar.rules.python_layout import OPEN

# "start"   of a statement        ""         where none may stand        "free"     where one may
# "case"    behind `case`         "ternary"  behind `if` in an expression in brackets, "if" in another
# "for", "iterable", "condition"  of a comprehension; "in iterable": in brackets there
_SEQUENCES = (
    "module_repeat1", "_statement", "_simple_statements", "_simple_statements_repeat1", "_match_block_repeat1",
    "case_clause", "decorator", "decorated_definition_repeat1", "decorated_definition", "if_statement",
    "for_statement", "while_statement", "try_statement", "with_statement", "function_definition",
    "class_definition", "match_statement",
)  # fmt: skip


def _shift(state: State, terminal: str) -> State | None:
    s = str(state)
    if terminal in OPEN:
        return "in iterable" if s in ("iterable", "in iterable") else "free"
    match terminal:
        case ":=":
            return s if s in ("free", "condition") else None
        case "_newline" | "_indent" | "_dedent" | ";":
            return "start"
        case "if":
            if s in ("ternary", "if"):
                return None  # a if b if c else d else e
            kinds = {
                "": "if",
                "start": "free",
                "case": "free",
                "iterable": "condition",
                "condition": "condition",
                "free": "ternary",
            }
            return kinds.get(s, s)
        case "elif":
            return "free"
        case "while" | "match" | "@" if s == "start":
            return "free"
        case "case" if s == "start":
            return "case"
        case "for" if s in ("free", "ternary", "iterable", "condition"):
            return "for"
        case "in" if s == "for":
            return "iterable"
        case "else" if s in ("ternary", "if"):
            return "free" if s == "ternary" else ""
        case ":" if s not in ("iterable", "in iterable"):
            return ""
        case _:
            return "" if s == "start" else s


def _sequence(below: State, _: State) -> State:
    return below


WALRUS = StackRule(
    "walrus",
    "start",
    _shift,
    (
        "invalid syntax",
        "assignment expression cannot be used in a comprehension iterable expression",
        "expected 'else' after 'if' expression",
    ),
    dict.fromkeys(_SEQUENCES, _sequence),
    settle=lambda below: "" if below == "start" else below,
)
