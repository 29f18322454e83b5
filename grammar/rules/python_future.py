"""Python: `from __future__` imports come first, behind one string at most.

"start"   of the file     "("       behind brackets there       "text"   behind a string that is a statement so far
"next"    behind the string or such an import                   "late"   behind anything else
"from"    a word may be `__future__`                            "future"  in such an import
"""

from __future__ import annotations

from grammar.rules.model import StackRule, State

_STRINGS = ("string", "concatenated_string")
_VALUES = ("primary_expression", "expression", "expression_statement", "parenthesized_expression")
_SEQUENCES = ("_simple_statements_repeat1", "_simple_statements", "_statement", "module_repeat1")
_PARTS = ("string_repeat1", "concatenated_string_repeat1", "string_content", "string_content_repeat1")
_IN_STRINGS = ("_string_content", "escape_sequence", "\\", "string_end", ")")


def _shift(state: State, terminal: str) -> State | None:
    match state:
        case "start" | "next" if terminal == "from":
            return "from"
        case "start" | "(" if terminal == "(":
            return "("
        case "start" | "(" | "text" if _is_text(terminal):
            return "text"
        case "from" if terminal == "__future__":
            return "future"
        case "text" if terminal in _IN_STRINGS:
            return "text"
        case "text" if terminal in ("_newline", ";"):
            return "next"
        case "next" if terminal == "_newline":  # behind a semicolon
            return "next"
        case "future":
            return "next" if terminal in ("_newline", ";") else state
        case _:
            return None if terminal == "__future__" else "late"


def _is_text(terminal: str) -> bool:
    """Say whether it begins a string that is neither bytes nor formatted, see python_layout.py."""
    return terminal.startswith("string_start/") and int(terminal.split("/")[1]) < 8


def _text(below: State, top: State) -> State:
    if below in ("start", "(", "text"):
        return "text" if top == "text" else "late"
    return below


def _value(below: State, top: State) -> State:
    return top if below in ("start", "(") and top == "text" else settle(below)


def _import(below: State, top: State) -> State:
    return top if below in ("start", "next") and top == "future" else settle(below)


def _sequence(below: State, top: State) -> State:
    del below
    return top


def settle(below: State) -> State:
    """Give the state of a node that is none of these: at the start of a statement it makes it a late one."""
    return "late" if below in ("start", "next", "(", "text") else below


FUTURE = StackRule(
    "future",
    "start",
    _shift,
    ("from __future__ imports must occur at the beginning of the file",),
    {
        **dict.fromkeys((*_STRINGS, *_PARTS), _text),
        **dict.fromkeys(_VALUES, _value),
        "future_import_statement": _import,
        **dict.fromkeys(_SEQUENCES, _sequence),
    },
    settle=settle,
)
