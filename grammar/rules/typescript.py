"""TypeScript as the parser of its compiler 5.9 reads it, above tree-sitter-typescript; TSX is the same with JSX.

The compiler's parser lets through what its checker refuses afterwards: where `break` and `await` may stand, constants
without values, which modifiers go together. So of JavaScript's rules only those hold that the parser has, too.
"""

from __future__ import annotations

import dataclasses

from grammar.rules.javascript import JAVASCRIPT, NUMBERS, OPERATORS
from grammar.rules.javascript import LEXEMES as JAVASCRIPT_LEXEMES
from grammar.rules.javascript import OPENERS as JAVASCRIPT_OPENERS
from grammar.rules.javascript_lists import COMMAS, TRIES
from grammar.rules.jsx import ADJACENT
from grammar.rules.model import LexemeRule
from grammar.rules.typescript_expressions import OPERANDS
from grammar.rules.typescript_lines import HEADERS, LINES, STRINGS
from grammar.rules.typescript_lists import IMPORTS, MEMBERS, PARAMETERS
from grammar.rules.typescript_statements import STARTS
from grammar.rules.typescript_tags import TAGS

_NUMBERS = LexemeRule(
    ("number",),
    NUMBERS,
    ("Octal literals are not allowed.", "Numeric separators are not allowed here."),
)
_NAMES, _ESCAPES = JAVASCRIPT_LEXEMES[1:3]

OPENERS = (
    *JAVASCRIPT_OPENERS, "interface a{", "type a=", "type a={", "a<", "let a:", "function a():", "enum a{",
    "namespace a{", "class a{a:", "(a:", "a as ",
)  # fmt: skip

# The grammars were made for a version of tree-sitter that knows no reserved words. As names of types the parser takes
# them all; the checker does not.
_RESERVED = (
    "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do", "else", "enum",
    "export", "extends", "false", "finally", "for", "function", "if", "import", "in", "instanceof", "new", "null",
    "return", "super", "switch", "this", "throw", "true", "try", "typeof", "var", "void", "while", "with",
)  # fmt: skip
_WORD_PLACES = (
    "_property_name", "primary_type", "_tuple_type_member", "_module_export_name", "import_specifier",
    "export_specifier",
)  # fmt: skip
_WORD_MARKS = (".", "?.")

TYPESCRIPT = dataclasses.replace(
    JAVASCRIPT,
    stack_rules=(LINES, STRINGS, HEADERS, COMMAS, MEMBERS, PARAMETERS, TRIES, STARTS, IMPORTS, OPERANDS),
    lexeme_rules=(_NUMBERS, _NAMES, _ESCAPES),
    openers=tuple(text for text in OPENERS if not text.startswith("<")),
    operators=(*OPERATORS, "&&", "||"),
    reserved=_RESERVED,
    word_places=_WORD_PLACES,
    word_marks=_WORD_MARKS,
    has_elements=False,
)
TSX = dataclasses.replace(
    TYPESCRIPT,
    has_elements=True,
    stack_rules=(*TYPESCRIPT.stack_rules, TAGS, ADJACENT),
    openers=OPENERS,
    word_places=(*_WORD_PLACES, "jsx_attribute", "jsx_namespace_name"),
    word_marks=(*_WORD_MARKS, "<", "</"),
)
