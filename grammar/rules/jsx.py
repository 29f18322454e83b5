"""JSX, in JavaScript and TSX: an element is followed by no other one but inside of an element, and it has a name.

x = < />        nothing
x = <a/> <b/>   to the grammar a comparison of <a/> with b; to the compilers two elements without one around them
"""

from __future__ import annotations

from grammar.rules.model import StackRule, State

# open  behind the opening tag of an element and among its children      jsx  behind an element elsewhere


def _shift(state: State, terminal: str) -> State | None:
    match terminal:
        case "<":
            return None if state == "jsx" else "<"
        case "/>" if state == "<":
            return None
        case "jsx_text" | "html_character_reference":
            return state
        case _:
            return ""


def _settle(below: State) -> State:
    return below if below == "open" else ""


def _element(below: State, _: State) -> State:
    return "open" if below == "open" else "jsx"


ADJACENT = StackRule(
    "adjacent elements",
    "",
    _shift,
    ("JSX expressions must have one parent element.", "Identifier expected."),
    {
        "jsx_opening_element": lambda below, top: "open",
        **dict.fromkeys(("jsx_element", "jsx_self_closing_element"), _element),
        "expression": lambda below, top: "jsx" if top == "jsx" else _settle(below),
    },
    settle=_settle,
)
