"""Java: what a place becomes when something that stands in it is complete."""

from __future__ import annotations

from grammar.rules.java_code import SINGLE
from grammar.rules.java_members import declared
from grammar.rules.java_places import (
    ANNOTATIONS,
    BLOCK,
    CODE,
    COMPLETE,
    MEMBERS,
    STATEMENTS,
    STATIC_RECORD,
    TYPES,
    Place,
)
from grammar.rules.java_statements import settle_statement
from grammar.rules.model import Reduce, State

_DIAMOND = Place("new", "<>")  # behind new A<>: no array


def settle(below: State) -> State:
    """Give the state of a node that ends nothing but itself."""
    assert isinstance(below, Place)
    match below.kind:
        case "file":
            return below._replace(at="end")  # an expression: nothing can make a declaration of it
        case "statement":
            return settle_statement(below)
        case "members":
            return below._replace(at="type") if below.at in ("start", "mods") else below
        case "label":
            return below._replace(at="")
        case "paren":
            return below._replace(at="tested" if below.at == "test" else "operand")
        case "new":
            return below if below.at in ("primitive", "<>") else below._replace(at="name")
        case "instance" | "arrow" | "last" | "varargs":
            return CODE if below.kind != "last" else below
        case _:
            return below


def _statement(below: State, top: State) -> State | None:
    assert isinstance(below, Place)
    assert isinstance(top, Place)
    match below.kind:
        case "statement" if below.at == "start":
            if below.detail == "init":  # the declaration in a for's head, with its semicolon
                return Place("for condition")
            return below
        case "members" if below.at == "start":
            return below
        case "file":
            return _in_file(below, top)
        case _:
            return settle(below)


def _member(below: State, top: State) -> State | None:
    assert isinstance(below, Place)
    if below.kind == "members":
        return below._replace(at="start", detail=below.detail.removeprefix("static "))
    return _statement(below, top)


def _in_file(below: State, top: State) -> State:
    """Something of the file's top level ends; its parts pass on where it led."""
    assert isinstance(below, Place)
    assert isinstance(top, Place)
    if below.kind != "file":
        return below
    return top if top.kind == "file" else below._replace(at="types")


def _annotation(below: State, top: State) -> State | None:
    assert isinstance(below, Place)
    assert isinstance(top, Place)
    match below.kind:
        case "file":
            if top.kind == "file" and top.at in ("mods", "noted"):
                return top
            return below._replace(at="noted" if below.at in ("start", "noted") else "mods")
        case "statement" if below.at in ("start", "mods", "class"):
            if top.kind in ("monitor", "label"):
                return None  # `synchronized` and `default` begin no declaration here
            if top.kind == "statement" and top.at in ("mods", "class"):
                return top
            return below._replace(at="mods") if below.at == "start" else below
        case "members" if below.at in ("start", "mods"):
            is_static = below.detail == "record" and top.detail == STATIC_RECORD
            return below._replace(at="mods", detail=STATIC_RECORD if is_static else below.detail)
        case "constants":
            return below
        case _:
            return settle(below)


def _type(below: State, top: State) -> State | None:
    """A type is read; `void` stays what it is, and so does `int` behind new."""
    assert isinstance(below, Place)
    assert isinstance(top, Place)
    match below.kind:
        case "statement" if below.at in ("start", "mods"):
            return below._replace(at="void" if top.kind == "statement" and top.at == "void" else "type")
        case "members" if top.kind == "members" and top.at == "void":
            return below._replace(at="void")
        case "new" if top in (Place("new", "primitive"), _DIAMOND):
            return top
        case "label":
            return below._replace(at="type")
        case _:
            return settle(below)


def _complete(below: State, _: State) -> State | None:
    assert isinstance(below, Place)
    if below.kind == "statement" and below.at == "start":
        return below._replace(at="done")
    return settle(below)


def _expression(below: State, top: State) -> State | None:
    return top if isinstance(top, Place) and top.kind == "statement" and top.at == "done" else settle(below)


def _arguments(below: State, _: State) -> State | None:
    assert isinstance(below, Place)
    if below.kind == "new":
        return Place("instance")
    if below.kind == "statement" and below.at == "this":
        return below._replace(at="done")
    return below if below.kind == "constants" else settle(below)


def _parenthesized(below: State, _: State) -> State | None:
    assert isinstance(below, Place)
    return SINGLE if below.kind == "condition" else settle(below)


def _declarator(below: State, top: State) -> State | None:
    assert isinstance(below, Place)
    assert isinstance(top, Place)
    return declared(below, top) if below.kind == "members" else settle(below)


def _declared_name(below: State, _: State) -> State | None:
    assert isinstance(below, Place)
    match below.kind:
        case "members":
            return None if below.at == "void" else below._replace(at="name")
        case "varargs":
            return below
        case _:
            return settle(below)


def _spread(below: State, _: State) -> State | None:
    assert isinstance(below, Place)
    return below._replace(kind="last") if below.kind in ("parameters", "code") else settle(below)


def _receiver(below: State, _: State) -> State | None:
    assert isinstance(below, Place)
    # A lambda has none, a record neither; a method's comes first.
    return below if below == below._replace(kind="parameters", at="") and below.detail != "header" else None


def _parameter_list(below: State, top: State) -> State | None:
    return top if isinstance(top, Place) and top.kind == "last" else settle(below)


def _soft_name(below: State, top: State) -> State | None:
    assert isinstance(below, Place)
    assert isinstance(top, Place)
    return top if top.kind == below.kind else settle(below)


def _head(below: State, top: State) -> State | None:
    assert isinstance(below, Place)
    assert isinstance(top, Place)
    if below.kind != "members":
        return settle(below)
    if top.at == "void rest" or below.at in ("void name", "own"):
        return Place("members", "void rest")  # or a constructor: no brackets follow
    return Place("members", "rest")


def _constant(below: State, _: State) -> State | None:
    assert isinstance(below, Place)
    return below._replace(at="done") if below.kind == "constants" else below


def _type_arguments(below: State, top: State) -> State | None:
    return top if top == _DIAMOND else settle(below)


def _type_parameters(below: State, _: State) -> State | None:
    assert isinstance(below, Place)
    return below._replace(at="mods") if below.kind == "members" else settle(below)


def _scoped(below: State, _: State) -> State | None:
    assert isinstance(below, Place)
    if below == Place("module"):
        return below._replace(at="name")
    return below._replace(at="dot") if below.kind == "import" else settle(below)


def _label(below: State, _: State) -> State | None:
    return Place("cases", "", "single") if below == BLOCK else settle(below)  # the second of two labels


def _file_part(at: str) -> Reduce:
    def reduce(below: State, _: State) -> State | None:
        assert isinstance(below, Place)
        return below._replace(at=at) if below.kind == "file" else None

    return reduce


def _import(below: State, top: State) -> State | None:
    assert isinstance(below, Place)
    return below if below.at == "no module" else _file_part("imports")(below, top)


def _refuse(below: State, top: State) -> None:
    del below, top


def _labels(below: State, top: State) -> State | None:
    """Labels with their colons: statements follow, or another label."""
    del below, top
    return BLOCK


REDUCTIONS: dict[str, Reduce] = {
    **dict.fromkeys(STATEMENTS, _statement),
    **dict.fromkeys(MEMBERS, _member),
    **dict.fromkeys(ANNOTATIONS, _annotation),
    **dict.fromkeys(TYPES, _type),
    **dict.fromkeys(COMPLETE, _complete),
    "expression": _expression,
    "primary_expression": _expression,
    "for_statement_repeat1": _expression,
    "for_statement_repeat2": _expression,
    "argument_list_repeat1": _expression,
    "argument_list": _arguments,
    "parenthesized_expression": _parenthesized,
    "variable_declarator": _declarator,
    "_variable_declarator_id": _declared_name,
    "_reserved_identifier": _soft_name,
    "receiver_parameter": _receiver,
    "spread_parameter": _spread,
    "formal_parameters_repeat1": _parameter_list,
    **dict.fromkeys(
        ("formal_parameters", "_method_declarator", "_method_header", "_constructor_declarator"), _head
    ),
    "enum_constant": _constant,
    "type_arguments": _type_arguments,
    "type_parameters": _type_parameters,
    "scoped_identifier": _scoped,
    "switch_label": _label,
    "switch_block_statement_group_repeat1": _labels,
    "package_declaration": _file_part("no module"),
    "import_declaration": _import,
    "module_declaration": _file_part("end"),
    "program_repeat1": _in_file,
    "_toplevel_statement": _in_file,
    **dict.fromkeys(
        ("type_pattern", "record_pattern", "record_pattern_body", "template_expression"), _refuse
    ),
}
