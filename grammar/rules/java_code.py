"""Java: places inside statements and expressions, by their terminals.

code        expressions, types, arguments      new, instance   behind `new`, behind its arguments
arrow       behind a lambda's or a rule's      parameters, last, varargs   of a method, a record
condition   behind `if` and `while`            for, for condition, for tail
switch, cases, label                           try, catch, caught, monitor     monitor: behind `synchronized`
"""

from __future__ import annotations

from collections.abc import Callable

from grammar.rules.java_places import BLOCK, CODE, MODIFIERS, NAMES, PRIMITIVES, Place

SINGLE = Place("statement", "start", "single")
_NOT_HERE = tuple(m for m in MODIFIERS if m not in ("final", "sealed"))


def shift_inside(s: Place, terminal: str) -> Place | None:
    """Give the place behind a terminal; None where javac refuses it."""
    return _OTHERS.get(s.kind, _code)(s, terminal)


def _code(_: Place, terminal: str) -> Place | None:
    match terminal:
        case "new":
            return Place("new")
        case "->":
            return Place("arrow")
        case "switch":
            return Place("switch", "", "code")
        case "...":
            return Place("varargs")
        case _:
            return None if terminal in _NOT_HERE else CODE


def _new(s: Place, terminal: str) -> Place | None:
    """Class or array: new A(...) {, new int[..], new A<>(...)."""
    if s.kind == "instance":  # behind the arguments
        return Place("members", "start", "anonymous") if terminal == "{" else _code(s, terminal)
    if terminal in ("(", "[", "{"):
        return (
            None if (terminal == "(" and s.at == "primitive") or (terminal == "[" and s.at == "<>") else CODE
        )
    if terminal == "void_type":
        return None
    if terminal == "<":
        return s._replace(at="<")
    if terminal == ">" and s.at == "<":
        return s._replace(at="<>")
    return s._replace(at="primitive" if terminal in PRIMITIVES and not s.at else "name")


def _parameters(s: Place, terminal: str) -> Place | None:
    """The head of a method or a record."""
    match terminal:
        case ")":
            return Place("header", "named", "record") if s.detail == "header" else Place("members", "rest")
        case "final" if s.detail == "header":
            return None  # record components cannot have modifiers
        case "..." | "(" | "[" | "{":
            return _code(s, terminal)
        case ",":
            return s._replace(at="next")
        case _:
            return None if terminal in _NOT_HERE else s


def _last(s: Place, terminal: str) -> Place | None:
    """Behind a parameter with dots: it must be the last one."""
    if terminal == ",":
        return None
    return _parameters(s._replace(kind="parameters"), terminal) if s.detail else _code(s, terminal)


def _for(s: Place, terminal: str) -> Place | None:
    if terminal in ("(", "[", "{") and s.kind != "for":
        return CODE
    match s.kind, terminal:
        case "for", "(":
            return Place("statement", "start", "init")
        case "for condition", ";":
            return Place("statement", "start", "update")
        case "for tail", ")":
            return SINGLE
        case _:
            inner = _code(s, terminal)
            return s if inner == CODE else inner


def _module(s: Place, terminal: str) -> Place | None:
    match s.at:
        case "":
            return s._replace(at="name") if terminal in NAMES else None
        case "name":
            if terminal == "{":
                return s._replace(at="body")
            return s if terminal == "." or terminal in NAMES else None
        case _:
            return s


def _switch(s: Place, terminal: str) -> Place | None:
    """A switch, its block, its labels; detail: what a rule's arrow leads to."""
    match s.kind, terminal:
        case "switch", "{":
            return s._replace(kind="cases")
        case "cases", ":":
            return BLOCK
        case "cases", "->":
            return SINGLE if s.detail == "single" else Place("arrow")
        case "cases", "case" | "default":
            return Place("label")
        case "label", _ if terminal in NAMES:
            return None if s.at == "type" else s._replace(at="type")
        case "label", "->":
            return None  # a lambda is no label
        case "label", "(" | "[" | "{" | "new":
            return _code(s, terminal)
        case "label", _:
            return s._replace(at="")
        case _:
            return CODE


def _braces(s: Place, terminal: str) -> Place | None:
    match s.kind, terminal:
        case "catch", "(":
            return Place("caught")
        case "caught", ")":
            return Place("try")
        case "caught", _:
            return None if terminal in _NOT_HERE else CODE if terminal == "(" else s
        case "arrow" | "try" | "monitor", "{":
            return BLOCK
        case "try", "catch":
            return Place("catch")
        case "try", "finally":
            return s
        case "monitor", "(":
            return CODE
        case "monitor", _:
            return None
        case "arrow", _:
            return _code(s, terminal)
        case _:
            return CODE


def _varargs(s: Place, terminal: str) -> Place | None:
    return None if terminal == "=" else CODE if terminal in ("@", "(") else s


def _condition(_: Place, terminal: str) -> Place | None:
    del terminal
    return CODE


_OTHERS: dict[str, Callable[[Place, str], Place | None]] = {
    "new": _new,
    "instance": _new,
    "parameters": _parameters,
    "last": _last,
    "varargs": _varargs,
    **dict.fromkeys(("for", "for condition", "for tail"), _for),
    **dict.fromkeys(("switch", "cases", "label"), _switch),
    **dict.fromkeys(("catch", "caught", "arrow", "try", "monitor"), _braces),
    "module": _module,
    "condition": _condition,
}
