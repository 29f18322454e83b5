"""Java: one automaton over a whole file, that knows what may stand where. See java_places.py for its states."""

from __future__ import annotations

from grammar.rules.java_code import shift_inside
from grammar.rules.java_members import shift_constant, shift_file, shift_import, shift_member
from grammar.rules.java_places import CODE, NAMES_A_TYPE, Place
from grammar.rules.java_reductions import REDUCTIONS, settle
from grammar.rules.java_statements import shift_parenthesis, shift_statement
from grammar.rules.model import StackRule, State

_BODIES = {
    "enum": Place("constants"),
    **{kind: Place("members", "start", kind) for kind in ("class", "interface", "record")},
}


def _shift(state: State, terminal: str) -> State | None:
    assert isinstance(state, Place)
    if terminal in ("underscore_pattern", "when", "\\{"):
        return None  # newer than Java 17
    s = state
    if s.kind == "members":
        return shift_member(s, terminal)
    terminal = terminal.removesuffix("/own")
    match s.kind:
        case "file":
            return shift_file(s, terminal)
        case "import":
            return shift_import(s, terminal)
        case "constants":
            return shift_constant(s, terminal)
        case "statement":
            return shift_statement(s, terminal)
        case "paren":
            return shift_parenthesis(s, terminal)
        case "cast":
            return None
        case "header":
            return _header(s, terminal)
        case _:
            return shift_inside(s, terminal)


def _header(s: Place, terminal: str) -> Place:
    if terminal == "{":
        return _BODIES[s.detail]
    if terminal == "(":
        return Place("parameters", "", "header") if s.detail == "record" else CODE
    return s._replace(at="named")


def _flags(state: State) -> int:
    assert isinstance(state, Place)
    return NAMES_A_TYPE if state.at == "record" or (state.kind == "header" and not state.at) else 0


STRUCTURE = StackRule(
    "structure",
    Place("file", "start"),
    _shift,
    (
        "class, interface, enum, or record expected",
        "not a statement",
        "illegal start of expression",
        "variable declaration not allowed here",
        "varargs parameter must be the last parameter",
        "invalid method declaration; return type required",
        "enum constant expected here",
        "= expected",
    ),
    REDUCTIONS,
    settle=settle,
    lex_flags=_flags,
    tops=(Place("file", "start", "imports"), Place("file", "start", "package")),
    sees_own_names=True,
)
