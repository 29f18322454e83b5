"""Go: where a line may break, and what statements and their headers may be."""

from __future__ import annotations

from typing import NamedTuple

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

_BINARY = ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "&^", "&&", "||", "==", "!=", "<", "<=", ">", ">=", "!",
           "<-")  # fmt: skip


def _call_shift(state: State, terminal: str) -> State | None:
    if terminal in ("go", "defer"):
        return "go"
    if state not in ("go", "call") or terminal in ("(", "[", "{"):
        return ""
    return None if terminal in _BINARY else "go"


def _call(below: State, _: State) -> State:
    return "call" if below in ("go", "call") else below


def _is_call(below: State, top: State) -> State | None:
    return below if top == "call" else None


CALLS = StackRule(
    "calls",
    "",
    _call_shift,
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


# ---- if x == T{1} {: in a header a literal of a named type needs parentheses, so a brace opens the body


class Header(NamedTuple):
    """Where in a header the text stands.

    kind  "if", "for", "switch"; "" where only the body is still to come: behind `if x := f();`, `for … range`
    at    "list": behind a comma, "set": behind `=` or `:=`, "1": behind one semicolon of a `for`; none of them goes
          on with a body
    type  "literal": behind a type that a literal of its own may follow, "braces": behind `struct`
    """

    kind: str = ""
    at: str = ""
    type: str = ""


_BODY = "body"
_SETS = ("=", ":=", *(op + "=" for op in ("<<", ">>", "&^", "+", "-", "*", "/", "%", "&", "|", "^")))


def _header_shift(state: State, terminal: str) -> State | None:
    if not isinstance(state, Header):
        if terminal == "{":
            return state
        return Header(terminal) if terminal in ("if", "for", "switch") else ""
    h = state
    if h.type:
        if terminal in ("{", "(", "["):
            return ""
        return h._replace(type="") if h.type == "literal" else h
    match terminal:
        case "{":
            return _BODY if not h.at else None
        case "(" | "[":
            return ""
        case "func" | "struct" | "interface":
            return h._replace(type="braces")
        case "range" if h.kind == "for":
            return Header()
        case "," if h.kind and h.at != "set":
            return h._replace(at="list")
        case _ if terminal in _SETS and h.kind:
            return h._replace(at="set")
        case _ if terminal in TERMINATORS:
            return Header("for", "1") if h.kind == "for" and h.at != "1" else Header()
        case _:
            return h


def _literal_type(below: State, _: State) -> State:
    return below._replace(type="literal") if isinstance(below, Header) else below


def _not_in_header(below: State, _: State) -> State | None:
    return None if isinstance(below, Header) or below == _BODY else below


HEADERS = StackRule(
    "headers",
    "",
    _header_shift,
    ("cannot use composite literal in header", "expected statement", "expected for loop condition"),
    {
        **dict.fromkeys(
            ("slice_type", "array_type", "implicit_length_array_type", "map_type", "struct_type"),
            _literal_type,
        ),
        "literal_value": lambda below, _: None if isinstance(below, Header) and not below.type else below,
        "literal_element": _not_in_header,
        "_type_switch_header": lambda below, _: Header() if isinstance(below, Header) else below,
    },
)

STATEMENTS = (LINES, IMPORTS, NEIGHBOURS, TILDES, UNIONS, SPREADS, DEFINE, CONSTANTS, CALLS, HEADERS)

__all__ = ["NEWLINE", "STATEMENTS"]
