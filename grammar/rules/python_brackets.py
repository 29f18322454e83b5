"""Python: targets of `del` and `with`, also in brackets: names, attributes, items, and brackets that hold such.

States of a target, outside of brackets as they are and directly inside of its brackets behind a "(":

    "start"  of one      "after"  behind one      "value"  behind a literal, a call, an operation      "."  behind a dot
    "(bad"   inside brackets that are no target themselves, though `(1).b` is one

A language's rule adds states of its own, among them the one inside calls and items, where everything is free.
"""

from __future__ import annotations

from grammar.rules.model import Reduce, State
from grammar.rules.python_expressions import NAMES
from grammar.rules.python_layout import CLOSE, OPEN

VALUES = ("integer", "float", "true", "false", "none", "ellipsis")
IN_BRACKETS = ("(start", "(after", "(value", "(.", "(bad")
"""The states directly inside a target's brackets."""

_NO_TARGETS = (
    "argument_list", "call", "string", "concatenated_string", "dictionary", "set",
    "list_comprehension", "set_comprehension", "dictionary_comprehension", "generator_expression",
)  # fmt: skip
# What begins with an operand or an operator: outside of brackets no such text is let begin.
_OPERATIONS = (
    "binary_operator", "unary_operator", "not_operator", "boolean_operator", "comparison_operator",
    "conditional_expression", "lambda", "named_expression", "await", "yield",
)  # fmt: skip
_BRACKETS = ("parenthesized_expression", "tuple", "list", "parenthesized_list_splat")
_ELEMENTS = ("list_splat", "list_splat_pattern", "_collection_elements", "_collection_elements_repeat1")


def shift(state: str, terminal: str, free: State, *, starred: bool) -> State | None:
    """Read on in a target. None: no target goes on so.

    free     the state inside calls, items, strings and braces
    starred  whether brackets may hold `*name`
    """
    bracket = "(" if state in IN_BRACKETS else ""
    at = state.removeprefix("(")
    if bracket and terminal == "as":
        return None
    if terminal in OPEN or terminal.startswith("string_start"):
        return "(start" if at == "start" and terminal in ("(", "[") else free
    match at:
        case "start" | "." if terminal in NAMES:
            return f"{bracket}after"
        case "start" if terminal in VALUES:
            return f"{bracket}value"
        case "after" | "value" if terminal == ".":
            return f"{bracket}."
        case _:
            return _inside(at, terminal, starred=starred) if bracket else None


def _inside(at: str, terminal: str, *, starred: bool) -> State:
    """Read what a target's brackets may hold beside targets; anything else makes them no target."""
    match at:
        case "start" if terminal in CLOSE:  # empty, or behind a comma
            return "(after"
        case "start" if terminal == "*" and starred:
            return "(start"
        case "after" if terminal == ",":
            return "(start"
        case "after" | "value" if terminal in CLOSE:
            return f"({at}"
        case _:
            return "(bad"


def _operand(below: State, top: State) -> State:
    if top == "(bad":  # a star
        return top
    if below in ("start", "(start"):
        return _at(below, "value" if str(top).lstrip("(") == "value" else "after")
    return below


def _value(below: State, top: State) -> State:
    del top
    return _at(below, "value") if str(below).lstrip("(") in ("start", "after", "value") else below


def _operation(below: State, top: State) -> State:
    del top
    return "(value" if below == "(start" else below


def _bracket(below: State, top: State) -> State:
    return _at(below, "after" if top == "(after" else "value") if below in ("start", "(start") else below


def _element(below: State, top: State) -> State:
    return top if below in IN_BRACKETS else below


def _at(below: State, name: str) -> State:
    return f"({name}" if str(below).startswith("(") else name


def settle(state: State) -> State:
    """Give the state of any other node: at the start of a target it is one."""
    return _at(state, "after") if state in ("start", "(start") else state


REDUCE: dict[str, Reduce] = {
    **dict.fromkeys(("primary_expression", "expression"), _operand),
    **dict.fromkeys(_NO_TARGETS, _value),
    **dict.fromkeys(_OPERATIONS, _operation),
    **dict.fromkeys(_BRACKETS, _bracket),
    **dict.fromkeys(_ELEMENTS, _element),
}
