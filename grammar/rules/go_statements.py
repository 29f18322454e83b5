"""Go: where a line may break, and what statements and their headers may be."""

from __future__ import annotations

from grammar.rules.go_declarations import NEWLINE, TERMINATORS, TYPES
from grammar.rules.model import StackRule, State

LINE_MUST_GO_ON = 2  # flag for the lexer: a line break here is refused

# ---- line breaks: behind these lexemes a line break is a semicolon, so where none may stand it is an error

_ENDS = ("identifier", "blank_identifier", "int_literal", "float_literal", "imaginary_literal", "rune_literal", "nil",
         "true", "false", "iota", "break", "continue", "fallthrough", "return", "++", "--", ")", "]", "}")  # fmt: skip


def _line_shift(state: State, terminal: str) -> State | None:
    if terminal in ('"', "`"):
        return "end" if state == terminal else terminal
    if state in ('"', "`"):
        return state
    return "end" if terminal in _ENDS else ""


LINES = StackRule(
    "lines",
    "",
    _line_shift,
    ("missing ',' before newline", "unexpected semicolon or newline", "string literal not terminated"),
    settle=lambda below: "" if below == "end" else below,
    lex_flags=lambda state: LINE_MUST_GO_ON if state in ("end", '"') else 0,
)


# ---- import "a b": the path is not empty, and of characters that a path may have (an escape is refused, too)


def _import_shift(state: State, terminal: str) -> State | None:
    match state:
        case "":
            return terminal if terminal == "import" else ""
        case "import":
            return terminal if terminal in ('"', "`") else state
        case '"' | "`":
            return f"path{state}" if terminal.endswith("_content/1") else None
        case _:
            return "import" if terminal == str(state)[-1] else None


IMPORTS = StackRule("imports", "", _import_shift, ("invalid import path",))


# ---- a comma needs something before it


def _neighbour_shift(state: State, terminal: str) -> State | None:
    if state == "open" and terminal == ",":
        return None
    return "open" if terminal in ("(", "{", "[") else ""


NEIGHBOURS = StackRule(
    "neighbours",
    "",
    _neighbour_shift,
    ("expected operand, found ','", "expected ')', found ','"),
    settle=lambda _: "",
)


# ---- ~T: only where an element of an interface or a constraint begins


def _tilde_shift(state: State, terminal: str) -> State | None:
    match terminal:
        case "~":
            return "" if state in ("element", "[name") else None
        case "[":
            return "["
        case "{" | "|":
            return "element"
        case "identifier" if state == "[":
            return "[name"
        case "," if state in ("[", "[name"):
            return "["
        case _:
            return "element" if terminal in TERMINATORS else ""


TILDES = StackRule(
    "tildes",
    "",
    _tilde_shift,
    ("expected type, found '~'", "expected operand, found '~'"),
    settle=lambda below: "" if below == "element" else below,
)


# ---- T[int | string]: alternatives only where a parameter of a type is constrained; a name leads it


def _union_shift(state: State, terminal: str) -> State | None:
    if terminal == "|" and state == "type":
        return None
    return "open" if terminal == "[" or (terminal == "," and state in ("open", "type")) else ""


UNIONS = StackRule(
    "unions",
    "",
    _union_shift,
    ("missing ',' in type argument list",),
    dict.fromkeys(
        (*TYPES, "_simple_type", "type_elem"),
        lambda below, top: "type" if below == "open" else below,
    ),
)


# ---- f(a...): nothing but a comma follows


def _spread_shift(state: State, terminal: str) -> State | None:
    match state:
        case "spread":
            return {",": "spread,", ")": ""}.get(terminal)
        case "spread,":
            return "" if terminal == ")" else None
        case _:
            return ""


SPREADS = StackRule(
    "spreads",
    "",
    _spread_shift,
    ("can only use ... with final argument in list",),
    {
        "variadic_argument": lambda below, top: "spread",
        "argument_list_repeat1": lambda below, top: top if top == "spread" else "",
    },
    settle=lambda _: "",
)


# ---- x, y := ...: only identifiers on the left

NAMES = ("identifier", "nil", "true", "false", "iota")  # what is predeclared may be declared anew
_STARTS = ("{", ":", "if", "for", "switch", "case", "else", *TERMINATORS)


def _define_shift(state: State, terminal: str) -> State | None:
    if terminal in _STARTS:
        return "start"
    match state:
        case "start" | "names," if terminal in NAMES:
            return "names"
        case "names" if terminal == ",":
            return "names,"
        case "names" if terminal == ":=":
            return ""
        case _:
            return None if terminal == ":=" else ""


DEFINE = StackRule(
    "define",
    "",
    _define_shift,
    ("expected identifier on left side of :=",),
    {
        "_expression": lambda below, top: top if top == "names" else below,
        "expression_list": lambda below, top: top if top == "names" else below,
        "expression_list_repeat1": lambda below, top: top if top == "names" else "",
    },
)


# ---- const: the first of a group has a value


def _const_shift(state: State, terminal: str) -> State | None:
    match state:
        case "first" if terminal == "=":
            return "value"
        case "":
            return "first" if terminal == "const" else ""
        case _:
            return "" if terminal in ("[", "{") else state


def _const_spec(below: State, top: State) -> State | None:
    return (top if top == "value" else None) if below == "first" else below


CONSTANTS = StackRule(
    "constants",
    "",
    _const_shift,
    ("missing constant value",),
    {
        "const_spec": _const_spec,
        "const_declaration_repeat1": lambda below, top: top if below == "first" else below,
    },
)


# ---- go and defer: only calls


def _call(below: State, _: State) -> State:
    return "call" if below in ("go", "call") else below


def _is_call(below: State, top: State) -> State | None:
    return below if top == "call" else None


CALLS = StackRule(
    "calls",
    "",
    lambda state, terminal: (
        "go"
        if terminal in ("go", "defer")
        else "go"
        if state in ("go", "call") and terminal not in ("(", "[", "{")
        else ""
    ),
    ("function must be invoked in go statement", "function must be invoked in defer statement"),
    {
        "call_expression": _call,
        "type_conversion_expression": _call,
        "_expression": lambda below, top: top if below == "go" and top == "call" else below,
        "go_statement": _is_call,
        "defer_statement": _is_call,
    },
    settle=lambda below: "go" if below == "call" else below,
)


# ---- if x == T{1} {: in a header a literal of a named type needs parentheses


def _header_shift(state: State, terminal: str) -> State | None:
    match state:
        case "" | "body":
            if terminal == "{":
                return state
            return "header" if terminal in ("if", "for", "switch") else ""
        case "header" if terminal == "{":
            return "body"
        case "header" | "header literal" if terminal in ("func", "struct", "interface"):
            return "header braces"
        case _ if terminal in ("{", "(", "["):
            return ""
        case "header literal":
            return "header"
        case _:
            return state


def _literal_type(below: State, _: State) -> State:
    return "header literal" if below == "header" else below


def _not_in_header(below: State, _: State) -> State | None:
    return None if below in ("header", "body") else below


HEADERS = StackRule(
    "headers",
    "",
    _header_shift,
    ("cannot use composite literal in header", "expected statement"),
    {
        **dict.fromkeys(
            ("slice_type", "array_type", "implicit_length_array_type", "map_type", "struct_type"),
            _literal_type,
        ),
        "literal_value": lambda below, _: None if below == "header" else below,
        "literal_element": _not_in_header,
    },
)

STATEMENTS = (LINES, IMPORTS, NEIGHBOURS, TILDES, UNIONS, SPREADS, DEFINE, CONSTANTS, CALLS, HEADERS)

__all__ = ["NEWLINE", "STATEMENTS"]
