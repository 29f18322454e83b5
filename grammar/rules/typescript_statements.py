r"""TypeScript: what may begin a statement.

{ a: 1, b: 2 }     a block there, never an object
x => { a: 1, b }   the same, but `(x) => { a: b }` may be a type: there the parameters are no signature to the grammar
function () {}     declared, so it has a name
"""

from __future__ import annotations

from grammar.rules.javascript_lines import NO_INSERTION
from grammar.rules.model import StackRule, State

# start   of a statement          block   behind the brace of a block: a statement may begin, too
# arrow, signature, paren         behind `=>`, a signature, the `)` of `catch (e)`: `{` is a block
# parameters                      `=>` behind them is that of a type
# module, namespace               behind these words: `{` is a block; module's name changes nothing
# named   behind `namespace` and a name: a block has to follow
# head    behind `if` and the like: parentheses and then a statement follow
# export, export as, async        behind these words at the beginning of a statement
# name    behind `function` of a declaration
# word    behind a word that is no name, though the grammar has it so
_STARTS = ("start", "block")
_BEFORE_BLOCK = (*_STARTS, "arrow", "signature", "paren", "module", "named")
_PASSING = (
    "arrow",
    "signature",
    "parameters",
    "paren",
    "head",
    "export",
    "export as",
    "async",
    "name",
    "word",
)
_SHIFTED = {"=>": "arrow", ")": "paren", "if": "head", "while": "head", "with": "head", "switch": "head",
            **dict.fromkeys((";", "_automatic_semicolon", "else", "do", "try", "finally", "catch",
            "static"), "start"),
            "new": "word", "namespace": "namespace", "module": "module", "global": "module"}  # fmt: skip


def _shift(state: State, terminal: str) -> State | None:
    s = str(state)
    match terminal:
        case "{":
            return "block" if s in _BEFORE_BLOCK else ""
        case "hash_bang_line":
            return s
        case "=>" if s == "parameters":
            return ""
        case "(" | "<" if s == "name":
            return None
        case "*" if s == "name":
            return s
        case "function":
            return "name" if s in (*_STARTS, "export", "async") else ""
        case "async":
            return "async" if s in (*_STARTS, "export") else ""
        case "export":
            return "export" if s in _STARTS else "word"
        case "as" if s == "export":
            return "export as"
        case "namespace" if s == "export as":
            return ""
        case ":" if s in ("export", "word"):
            return None
        case _ if s in ("export", "word") and "=" in terminal and (s, terminal) != ("export", "="):
            return None
        case '"' | "'" if s == "namespace":
            return None
        case "identifier" if s == "namespace":
            return "named"
        case "identifier" | "string_fragment" | "." | '"' | "'" if s in ("module", "named"):
            return s
        case _:
            return _SHIFTED.get(terminal, "")


def _settle(below: State) -> State:
    return "" if below in _PASSING else below


def _not_at_start(below: State, _: State) -> State | None:
    return None if below in (*_STARTS, "arrow") else _settle(below)


def _not_in_block(below: State, _: State) -> State | None:
    return None if below == "block" else _settle(below)


def _not_a_word(below: State, top: State) -> State | None:
    return None if top in ("export", "word") else _settle(below)


def _declared(below: State, _: State) -> State | None:
    return None if below in _STARTS else _settle(below)


STARTS = StackRule(
    "starts",
    "start",
    _shift,
    (
        "Identifier expected.",
        "Declaration or statement expected.",
        "';' expected.",
        "'{' expected.",
        "Expression expected.",
    ),
    {
        "parenthesized_expression": lambda below, top: "start" if below == "head" else _settle(below),
        "_for_header": lambda below, top: "start",
        "formal_parameters": lambda below, top: "parameters",
        "_call_signature": lambda below, top: "signature",
        "nested_identifier": lambda below, top: "named" if below == "namespace" else _settle(below),
        "_module": lambda below, top: None if top == "named" else _settle(below),
        **dict.fromkeys(("primary_expression", "_augmented_assignment_lhs"), _not_a_word),
        **dict.fromkeys(("type_arguments", "statement_block"), lambda below, top: ""),
        **dict.fromkeys(("object", "object_pattern"), _not_at_start),
        **dict.fromkeys(
            ("_property_name", "pair", "pair_pattern", "spread_element", "method_definition"),
            _not_in_block,
        ),
        # What is declared is no operand: nothing goes on with it.
        **dict.fromkeys(("function_expression", "generator_function", "class"), _declared),
    },
    settle=_settle,
    lex_flags=lambda state: NO_INSERTION if state == "named" else 0,
)
