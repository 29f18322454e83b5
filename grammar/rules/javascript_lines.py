r"""JavaScript: what the scanner is told, above all of semicolons that a line break stands for.

    const f = () => {}⏎
    g()

The grammar wants two semicolons here, one behind every block and one behind the declaration. tree-sitter's scanner
gives both without reading anything; ours has read the line break with the first, so it has to be told for the second.
"""

from __future__ import annotations

from grammar.rules.model import StackRule, State

# Flags, as in csrc/javascript_scanner.h.
NO_INSERTION, LINE_CROSSED, ONE_LINE, LINE_ENDS = 1, 2, 4, 8
INSERTED = "_automatic_semicolon"

# What may end with the block of a function, and then with a semicolon.
_ENDS_WITH_BLOCK = (
    "statement_block", "arrow_function", "function_expression", "generator_function", "primary_expression",
    "expression", "new_expression", "assignment_expression", "augmented_assignment_expression", "_initializer",
    "ternary_expression", "binary_expression", "unary_expression", "await_expression", "yield_expression",
    "sequence_expression", "sequence_expression_repeat1", "variable_declarator", "variable_declaration_repeat1",
    "field_definition",
)  # fmt: skip


def _shift(_: State, terminal: str) -> State:
    return "crossed" if terminal == INSERTED else ""


LINES = StackRule(
    "lines",
    "",
    _shift,
    reduce=dict.fromkeys(_ENDS_WITH_BLOCK, lambda _, top: top),
    settle=lambda _: "",
    lex_flags=lambda state: LINE_CROSSED if state == "crossed" else 0,
)


# ---- strings end on their line, and what is thrown begins on it


def _string_shift(state: State, terminal: str) -> State:
    if state in ('"', "'"):
        return "" if terminal == state else state
    return terminal if terminal in ('"', "'", "throw") else ""


STRINGS = StackRule(
    "strings",
    "",
    _string_shift,
    ("Invalid or unexpected token", "Illegal newline after throw"),
    settle=lambda below: "" if below == "throw" else below,
    lex_flags=lambda state: ONE_LINE if state else 0,
)


# ---- for (a; b; c): only semicolons that are written


def _header_shift(state: State, terminal: str) -> State:
    match terminal:
        case "for":
            return "for"
        case "await" if state == "for":
            return "for"
        case "(" if state == "for":
            return "header"
        case "(" | "[" | "{" | "${" | ")":
            return ""
        case _:
            return state


HEADERS = StackRule(
    "headers",
    "",
    _header_shift,
    ("Unexpected token ')'",),
    settle=lambda below: "" if below == "for" else below,
    lex_flags=lambda state: NO_INSERTION if state == "header" else 0,
)
