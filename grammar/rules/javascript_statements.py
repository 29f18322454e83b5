"""JavaScript: what may begin a statement, and where break, continue and default may stand."""

from __future__ import annotations

from grammar.rules.javascript_lines import INSERTED
from grammar.rules.model import Reduce, StackRule, State

# ---- the beginning of a statement
#
#   top      of the file: imports and exports, too        list    of a block or a case
#   if       the one statement of if, else and a label    single  of a loop or with: no declarations
#   block    behind `{` of a block: as list, but the text could still be an object's
#   element  an object's beginning so far, if it is not a block's
_STARTS = ("top", "list", "if", "single", "block")
_NAMES = ("identifier", "get", "set", "async", "static", "of", "from", "as", "target", "meta")
_IN_BLOCK = ("block", "element", "element,")
_EXPRESSION_IMPORTS = ("(", ".")


def _start_shift(state: State, terminal: str) -> State | None:
    s = str(state)
    if s == "import" and terminal not in _EXPRESSION_IMPORTS:
        return None
    if s == "export" and terminal in ("=", ".", "(", "[", ",", ";", INSERTED):
        return None
    if s == "name":  # behind `function` and `class` of declarations
        return None if terminal in ("(", "{", "extends") else "name" if terminal == "*" else ""
    if s in _IN_BLOCK and terminal == "...":
        return None
    match terminal:
        case "@" | "using":
            return None
        case ";" | "_automatic_semicolon":
            return s if s in _STARTS or s == "for" else "end"
        case "{" | "(" | "[":
            return _opened(s, terminal)
        case "${":
            return ""
        case ":":
            return "list" if s in ("case", "default") else "if" if s in ("label", "element") else ""
        case ")":
            return "single" if s == "for" else "body" if s == "catch" else ""
        case "export":
            return "export" if s == "top" else None if s in _STARTS else "word"
        case "import":
            return "" if s == "top" or s not in _STARTS else "import"
        case "function":
            return None if s == "single" else "name" if s in (*_STARTS, "export", "async") else ""
        case "class":
            return None if s in ("if", "single") else "name" if s in (*_STARTS, "export") else ""
        case "const" | "let":
            return None if s in ("if", "single") else ""
        case "async":
            return "async" if s in (*_STARTS, "export") else "element" if s == "element," else ""
        case "default" if s == "export":
            return ""
        case _ if terminal in _HEADS:
            return _HEADS[terminal]
        case "else":
            return "if"
        case "do":
            return "single"
        case "try" | "finally" | "static":
            return "body"
        case "=>":
            return "arrow"
        case ",":
            return "element," if s in ("element", "element,") else s if s == "for" else ""
        case _ if s == "block":
            return "element" if terminal in _NAMES or terminal == "*" else ""
        case _ if s in _STARTS:
            return "label" if terminal in _NAMES else ""
        case _:
            return (
                "element" if s in ("element,", "element") and (terminal in _NAMES or terminal == "*") else ""
            )


_HEADS = {"if": "if head", "for": "for head", "switch": "switch", "case": "case", "default": "default",
          "catch": "catch head", "while": "head", "with": "head"}  # fmt: skip


def _opened(s: str, bracket: str) -> State:
    if bracket == "(":
        return {"for head": "for", "catch head": "catch"}.get(s, "")
    if bracket == "[":
        return ""
    if s in (*_STARTS, "arrow"):
        return "block"
    return "list" if s in ("body", "catch head", "parameters") else ""


def _parenthesized(below: State, _: State) -> State:
    return {"if head": "if", "head": "single"}.get(str(below), _settle(below))


def _settle(below: State) -> State:
    s = str(below)
    return "" if s in ("async", "label", "name", "import", "export", "word", "end") else below


def _not_at_start(below: State, _: State) -> State | None:
    return None if below in (*_STARTS, "arrow") else _settle(below)


def _not_in_block(below: State, _: State) -> State | None:
    return None if below in (*_IN_BLOCK, "async") else _settle(below)


_REDUCE: dict[str, Reduce] = {
    "parenthesized_expression": _parenthesized,
    "_for_header": lambda below, top: "single",
    "formal_parameters": lambda below, top: "parameters",
    "object": _not_at_start,
    "_property_name": _not_in_block,
    # The word is no name, though the grammar has it so.
    "primary_expression": lambda below, top: None if top in ("export", "word") else _settle(below),
    # A statement's function is declared, so nothing goes on with it.
    **dict.fromkeys(
        ("function_expression", "generator_function", "class"),
        lambda below, top: None if below in _STARTS else _settle(below),
    ),
}

STARTS = StackRule(
    "starts",
    "top",
    _start_shift,
    (
        "Function statements require a function name",
        "Lexical declaration cannot appear in a single-statement context",
        "Cannot use import statement outside a module",
        "Unexpected token 'export'",
        "Unexpected token ':'",
        "Invalid or unexpected token",
    ),
    _REDUCE,
    settle=_settle,
)


# ---- break and continue


def _loop_shift(state: State, terminal: str) -> State | None:
    s = str(state)
    if s.startswith("leave "):  # outside of what could be left: only to a label
        return s.removeprefix("leave ") if terminal == "identifier" else None
    match terminal:
        case "for" | "while" | "do":
            return "loop"
        case "switch":
            return "loop" if s == "loop" else "switch"
        case "break":
            return f"leave {s}" if s == "" else s
        case "continue":
            return f"leave {s}" if s != "loop" else s
        case "function" | "=>" | "class":
            return ""
        case _:
            return s


LOOPS = StackRule(
    "loops",
    "",
    _loop_shift,
    ("Illegal break statement", "Illegal continue statement: no surrounding iteration statement"),
    {"formal_parameters": lambda below, top: ""},
)


# ---- switch: one default


DEFAULTS = StackRule(
    "defaults",
    "",
    lambda state, terminal: None if state == "seen" and terminal == "default" else "",
    ("More than one default clause in switch statement",),
    {
        "switch_default": lambda below, top: "seen",
        "switch_body_repeat1": lambda below, top: top if top == "seen" else below,
    },
)

STATEMENTS = (STARTS, LOOPS, DEFAULTS)
