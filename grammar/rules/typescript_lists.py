"""TypeScript: what imports and classes list."""

from __future__ import annotations

from grammar.rules.model import StackRule, State

# ---- import type a from 'b': something is imported; { typeof a }: another language's


def _import_shift(state: State, terminal: str) -> State | None:
    match terminal:
        case "import" | "export":
            return terminal
        case "typeof" if state in ("import", "specifiers"):
            return None
        case "type" if state == "import":
            return "type"
        case '"' | "'" if state == "type":
            return None
        case "{":
            return "specifiers" if state in ("import", "type", "export") else ""
        case "," if state in ("import", "type", "specifiers"):
            return state
        case _:
            return ""


IMPORTS = StackRule(
    "imports",
    "",
    _import_shift,
    ("'=' expected.", "Identifier expected."),
    settle=lambda below: below if below == "specifiers" else "",
)


# ---- class A { a, b }: semicolons; type A = {| a |}: no such braces


def _member_shift(state: State, terminal: str) -> State | None:
    return None if terminal in ("{|", "|}") or (terminal == "," and state == "member") else ""


MEMBERS = StackRule(
    "members",
    "",
    _member_shift,
    ("Unexpected keyword or identifier.", "Property or signature expected."),
    dict.fromkeys(("public_field_definition", "abstract_method_signature"), lambda below, top: "member"),
    settle=lambda _: "",
)


# ---- function f(a.b, ...0!) {}: a parameter is a name or a pattern


def _no_target(below: State, top: State) -> State | None:
    return None if top == "target" else ""


PARAMETERS = StackRule(
    "parameters",
    "",
    lambda state, terminal: "",
    ("',' expected.", "Identifier expected."),
    {
        **dict.fromkeys(
            ("member_expression", "subscript_expression", "non_null_expression"), lambda below, top: "target"
        ),
        **dict.fromkeys(("pattern", "rest_pattern"), lambda below, top: "target" if top == "target" else ""),
        "_parameter_name": _no_target,
    },
    settle=lambda _: "",
)
