"""Rust as rustc's parser reads it (edition 2021), above tree-sitter-rust.

Comments, raw strings and floating-point literals belong to the scanner (csrc/rust_scanner.cpp).
"""

from __future__ import annotations

from grammar.rules.model import LanguageRules
from grammar.rules.rust_expressions import EXPRESSIONS
from grammar.rules.rust_names import RESERVED, WORD_MARKS, WORD_PLACES
from grammar.rules.rust_places import PLACES
from grammar.rules.rust_strings import RAW_STRINGS, VARIANTS

# prefix `a` is unknown: no quote and no hash directly behind a name; b"…" and r#a are lexemes of their own.
OPERATORS = ('identifier"', "identifier#")

RUST = LanguageRules(
    stack_rules=(RAW_STRINGS, PLACES, *EXPRESSIONS),
    reserved=RESERVED,
    word_places=WORD_PLACES,
    word_marks=WORD_MARKS,
    variants=VARIANTS,
    operators=OPERATORS,
    extras=(),
)
