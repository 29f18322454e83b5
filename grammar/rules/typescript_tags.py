"""TSX: `<>` is closed by `</>`, and nothing else is. Names of elements are not compared."""

from __future__ import annotations

from grammar.rules.model import StackRule, State

_OPEN = ("element", "fragment")


def _shift(state: State, terminal: str) -> State | None:
    match terminal:
        case "<":
            return "<"
        case ">":
            return None if state == "/element" else "<>" if state == "<" else ""
        case _ if state == "/fragment":
            return None
        case "</" if state in _OPEN:
            return f"/{state}"
        case "jsx_text" | "html_character_reference":
            return state
        case _:
            return ""


TAGS = StackRule(
    "tags",
    "",
    _shift,
    ("Identifier expected.", "Expected corresponding closing tag for JSX fragment."),
    {"jsx_opening_element": lambda below, top: "fragment" if top == "<>" else "element"},
    settle=lambda below: below if below in _OPEN else "",
)
