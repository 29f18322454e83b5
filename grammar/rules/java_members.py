"""Java: the top of a file, bodies of classes and enums.

File: "start", "noted" (behind an annotation), "imports", "no module" (behind a package clause or a semicolon; imports
may follow), "types", "mods", "end" (behind a module).
Member: "start", "mods", "id" (a type), "own" (the same, or a constructor's name), "type", "void", "name", "void name",
"rest" (behind the parameters), "throws", "value" (behind a declared variable).
"""

from __future__ import annotations

from grammar.rules.java_places import (
    BEGINNINGS,
    BLOCK,
    CODE,
    MODIFIERS,
    NAMES,
    OWN_NAME,
    STATIC_RECORD,
    TYPE_HEADERS,
    Place,
)

# Place("file", …, detail): what may stand before right context that still has imports, or the package.
_IMPORTS = ("imports", "no module")
_TOPS = {"imports": ("package", "import", "@", ";"), "package": ("@",)}


def shift_file(s: Place, terminal: str) -> Place | None:
    """Give the place behind a terminal; None where javac says "class, interface, enum, or record expected"."""
    if s.detail and (terminal not in _TOPS[s.detail] or (terminal == "@" and s.at in _IMPORTS)):
        return None
    match s.at:
        case "end":
            return None
        case "record":
            return Place("header", "named", "record") if terminal == "identifier" else None
        case "open":
            return Place("module") if terminal == "module" else None
        case _:
            pass
    if terminal in TYPE_HEADERS:
        return Place("header", "", TYPE_HEADERS[terminal])
    match terminal:
        case "record":
            return s._replace(at="record")
        case "@":
            return CODE
        case "package":
            return CODE if s.at in ("start", "noted") else None
        case "import":
            return Place("import") if s.at in ("start", *_IMPORTS) else None
        case "open" | "module":
            if s.at not in ("start", "noted", "imports", "mods"):
                return None
            return s._replace(at="open") if terminal == "open" else Place("module")
        case ";":
            return (
                s if s.at == "types" else s._replace(at="no module") if s.at in ("start", *_IMPORTS) else None
            )
        case _:
            return s._replace(at="mods") if terminal in MODIFIERS else None


def shift_import(s: Place, terminal: str) -> Place | None:
    """An imported name has a dot."""
    match terminal:
        case ".":
            return s._replace(at="dot")
        case ";":
            return s if s.at else None
        case _:
            return s


def _parameters(s: Place) -> Place:
    return Place("parameters", "", s.detail)


def shift_member(s: Place, terminal: str) -> Place | None:
    """Give the place behind a terminal of a class body."""
    if terminal == "{":
        if s.at == "start":
            return None if s.detail == "record" else BLOCK
        if s.at == "own" and s.detail == "record":
            return BLOCK  # a compact constructor
        return BLOCK if s.at not in ("id", "own") else None
    if terminal == OWN_NAME and s.at in ("start", "mods"):
        return s._replace(at="own")
    terminal = "identifier" if terminal == OWN_NAME else terminal
    match s.at:
        case "start" | "mods":
            return _member_start(s, terminal)
        case "id" if terminal == "(":
            return None  # return type required
        case "own" if terminal == "(":
            return None if s.detail in ("anonymous", "interface") else _parameters(s)
        case "id" | "own" | "type" | "record" if terminal in NAMES:
            if s.at == "record" and terminal == "identifier":
                return Place("header", "named", "record")
            return s._replace(at="name")
        case "void":
            return s._replace(at="void name") if terminal in NAMES else None
        case "void name":
            return _parameters(s) if terminal == "(" else None
        case "name" if terminal == "(":
            return _parameters(s)
        case "name" if terminal == "=":
            return None if s.detail == "record" else CODE
        case "value" if terminal == ",":
            return s._replace(at="type")
        case "void rest" if terminal == "[":
            return None
        case "rest" | "void rest":
            if terminal == "@":
                return None
            return s._replace(at="throws") if terminal == "throws" else s if terminal == ";" else CODE
        case "throws":
            return (
                s if terminal in ("identifier", ".", ",", ";", *NAMES) else CODE if terminal == "@" else None
            )
        case _:
            return CODE


def _member_start(s: Place, terminal: str) -> Place | None:
    match terminal:
        case ";":
            return s
        case "static":
            return s._replace(detail=STATIC_RECORD) if s.detail == "record" else s
        case "@" | "<":
            return CODE
        case "identifier":
            return s._replace(at="id")
        case "import" | "package":
            return None
        case _ if terminal in TYPE_HEADERS:
            return Place("header", "", TYPE_HEADERS[terminal])
        case _ if terminal in BEGINNINGS:
            return s._replace(at=BEGINNINGS[terminal])
        case _ if terminal in MODIFIERS:
            return s._replace(at="mods")
        case _:
            return CODE


def declared(below: Place, top: Place) -> Place | None:
    """Reduce a declared variable of a class; in an interface it has a value."""
    if below.at in ("void", "start") or below.detail == "record":
        return None
    if below.detail == "interface" and top.kind == "members":
        return None  # = expected
    return below._replace(at="value")


def shift_constant(s: Place, terminal: str) -> Place | None:
    """Give the place behind a terminal of an enum's constants."""
    match terminal:
        case "identifier":
            return s._replace(at="name")
        case "(" | "@":
            return CODE
        case "{":
            return Place("members", "start", "anonymous")
        case ",":
            return s._replace(at="")
        case ";":
            return Place("members", "start", "class")
        case _:
            return None if terminal in MODIFIERS else s
