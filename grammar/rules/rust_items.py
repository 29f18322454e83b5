r"""Rust: semicolons at the top of a file.

use a; ;        expected item, found `;`
m!();           the semicolon is the macro's
"""

from __future__ import annotations

from grammar.rules.model import StackRule, State


def _shift(state: State, terminal: str) -> State | None:
    if terminal == ";" and state in ("items", "impl"):
        return None
    if state == "items" and terminal == "impl":
        return "impl"
    return "impl" if state == "impl" and terminal in ("for", "!", "identifier") else ""


def _macro(below: State, _: State) -> State:
    return "macro" if below == "items" else below


def _expression(_: State, top: State) -> State:
    return top


ITEMS = StackRule(
    "items",
    "items",
    _shift,
    ("expected item, found `;`", "expected `{}`, found `;`"),
    reduce={
        "macro_invocation": _macro,
        "_expression": _expression,
        "_expression_except_range": _expression,
    },
)
