"""TypeScript: what the scanner is told, as in JavaScript, but that `throw` may end its line."""

from __future__ import annotations

import dataclasses

from grammar.rules.javascript_lines import HEADERS, ONE_LINE
from grammar.rules.javascript_lines import LINES as JAVASCRIPT_LINES
from grammar.rules.model import StackRule, State

LINES = dataclasses.replace(
    JAVASCRIPT_LINES,
    reduce={
        {"field_definition": "public_field_definition"}.get(name, name): reduce
        for name, reduce in JAVASCRIPT_LINES.reduce.items()
    },
)


def _string_shift(state: State, terminal: str) -> State:
    if state in ('"', "'"):
        return "" if terminal == state else state
    return terminal if terminal in ('"', "'") else ""


STRINGS = StackRule(
    "strings",
    "",
    _string_shift,
    ("Unterminated string literal.",),
    settle=lambda below: below,
    lex_flags=lambda state: ONE_LINE if state else 0,
)

__all__ = ["HEADERS", "LINES", "STRINGS"]
