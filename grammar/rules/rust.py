"""Rust as rustc's parser reads it, above tree-sitter-rust.

Comments, raw strings and floating-point literals belong to the scanner (csrc/rust_scanner.cpp).
"""

from __future__ import annotations

from grammar.rules.model import LanguageRules
from grammar.rules.rust_strings import RAW_STRINGS, VARIANTS

RUST = LanguageRules(stack_rules=(RAW_STRINGS,), variants=VARIANTS, extras=())
