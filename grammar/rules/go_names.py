"""Go: one reading of T(x) is enough.

The grammar reads `f(x)` both as a call and as a conversion to a type named f, and nested calls double the number
of parses with each level. Whatever the conversion accepts for a plain, qualified or generic name the call accepts,
so a name that was taken for a type may not be followed by a bracket.
"""

from __future__ import annotations

from grammar.rules.model import StackRule, State

_NAME, _TYPE = "name", "type name"


def _shift(state: State, terminal: str) -> State | None:
    if state == _TYPE and terminal == "(":
        return None
    return _NAME if terminal == "identifier" else ""


def _type(_: State, top: State) -> State:
    return _TYPE if top in (_NAME, _TYPE) else ""


CONVERSIONS = StackRule(
    "conversions",
    "",
    _shift,
    reduce={
        "_simple_type": _type,
        "qualified_type": lambda below, top: _TYPE,
        "generic_type": lambda below, top: _TYPE,
    },
    settle=lambda _: "",
)
