"""Java: how far a statement got, by its terminals.

start     nothing yet                      name    one identifier: expression, type or label
mods      behind `final`, an annotation    type    behind what can only be a type, or a declared variable
class     behind `abstract`                local   behind a declared name
open      an expression that is no statement yet: a.b, (a)
done      an expression that is one: a = b, a++, f(), new A()
"""

from __future__ import annotations

from grammar.rules.java_places import (
    ASSIGNMENTS,
    BEGINNINGS,
    BLOCK,
    CODE,
    MODIFIERS,
    NAMES,
    OPERATORS,
    PREFIXES,
    PRIMITIVES,
    TYPE_HEADERS,
    Place,
)

_KEYWORDS = {
    "if": Place("condition"),
    "while": Place("condition"),
    "for": Place("for"),
    "do": Place("statement", "start", "single"),
    "else": Place("statement", "start", "single"),
    "try": Place("try"),
    "catch": Place("catch"),
    "finally": Place("try"),
    "switch": Place("switch", "", "single"),
    "synchronized": Place("monitor"),
    **dict.fromkeys(("case", "default"), Place("label")),
    **dict.fromkeys(("return", "throw", "assert", "break", "continue", "yield"), CODE),
}
_NOT_LOCAL = tuple(
    m for m in MODIFIERS if m not in ("final", "abstract", "strictfp", "synchronized", "sealed")
)


def shift_statement(s: Place, terminal: str) -> Place | None:
    """Give the place behind a terminal; None where javac says "not a statement" or "illegal start of ..."."""
    match s.at:
        case "start":
            return _start(s, terminal)
        case "mods" | "class":
            return _modified(s, terminal)
        case _:
            return _rest(s, terminal)


def _start(s: Place, terminal: str) -> Place | None:
    declares = s.detail in ("any", "init")
    if terminal in _KEYWORDS:
        return _KEYWORDS[terminal]
    match terminal:
        case "{":
            return BLOCK
        case ";" | ",":
            return _end(s, terminal)
        case ")":
            return _end(s, terminal)
        case "(":
            return Place("paren")
        case "identifier":
            return s._replace(at="name")
        case "this" | "super":
            return s._replace(at="this")
        case "@" | "final":
            return s._replace(at="mods") if declares else None
        case "abstract" | "strictfp":
            return s._replace(at="class") if declares else None
        case _ if terminal in TYPE_HEADERS:
            return Place("header", "", TYPE_HEADERS[terminal]) if s.detail == "any" else None
        case _ if terminal in BEGINNINGS:
            return s._replace(at=BEGINNINGS[terminal])
        case _ if terminal in PREFIXES or terminal in _NOT_LOCAL or terminal in ("import", "package"):
            return None
        case "++" | "--" | "new" | "<":
            return CODE if terminal != "new" else Place("new")
        case _:
            return s._replace(at="open")


def _modified(s: Place, terminal: str) -> Place | None:
    if terminal in TYPE_HEADERS:
        return Place("header", "", TYPE_HEADERS[terminal])
    if terminal == "record":
        return s._replace(at="record")
    if terminal in ("sealed", "non-sealed"):
        return None
    if terminal in MODIFIERS or terminal == "@":
        return s
    if s.at == "class":
        return None
    return s._replace(at="type") if terminal in PRIMITIVES else s._replace(at="name")


def _rest(s: Place, terminal: str) -> Place | None:
    declares = s.detail in ("any", "init")
    if terminal in NAMES:
        if s.at == "record" and terminal == "identifier":
            return Place("header", "named", "record") if s.detail == "any" else None
        return s._replace(at="local") if declares and s.at in ("name", "type") else None
    match terminal:
        case ":" if s.at == "name" and s.detail in ("any", "single"):
            return Place("statement", "start", "single")
        case ":" if s.detail == "init":
            return Place("for tail")
        case ";" | ",":
            return _end(s, terminal)
        case ")":
            return _end(s, terminal)
        case "<" if declares and s.at in ("name", "type"):
            return CODE
        case "::" if s.at == "type":
            return None
        case "{":
            return BLOCK if s.at == "start" else CODE
        case _ if terminal in OPERATORS or terminal in TYPE_HEADERS:
            return None
        case "@":  # before the brackets of an array's type
            return CODE if declares and s.at in ("name", "type") else None
        case _ if terminal in ASSIGNMENTS or terminal in ("(", "[", ".", "::", "++", "--"):
            return CODE
        case _ if terminal in _KEYWORDS:
            return _KEYWORDS[terminal]
        case _:
            return s


def shift_parenthesis(s: Place, terminal: str) -> Place | None:
    """Read a bracket that begins a statement: (a).b does, (A) b and (A b) -> c do not.

    at  "" and then "operand" behind one; "test" behind `instanceof`, "tested" behind its type
    """
    match terminal:
        case "(" | "[" | "{":
            return CODE
        case ")":
            return Place("cast") if s.at else None
        case "instanceof":
            return s._replace(at="test")
        case "@" | ",":
            return None
        case "final":
            return s if s.at == "test" else None
        case _ if terminal in (*NAMES, *PRIMITIVES):
            if s.at == "operand":
                return None  # parameters of a lambda
            return s._replace(at="tested" if s.at == "test" else "operand")
        case _:
            return s._replace(at="")


def _end(s: Place, terminal: str) -> Place | None:
    """A statement, or an expression of a for's head, ends."""
    if terminal == "," and s.at in ("type", "local"):
        return s._replace(at="type")
    if s.at in ("open", "name", "this", "record", "void"):
        return None  # not a statement
    match s.detail, terminal:
        case "init", ";":
            return Place("for condition")
        case "update", ")":
            return Place("statement", "start", "single")
        case _:
            return s._replace(at="start")


def settle_statement(below: Place) -> Place:
    """Give the state of a node for something that is no statement of its own: an expression, a declared name."""
    if below.at in ("type", "mods", "local"):
        return below._replace(at="type")
    return below._replace(at="open")
