"""Rust as rustc's parser reads it (edition 2021), above tree-sitter-rust.

Comments, raw strings and floating-point literals belong to the scanner (csrc/rust_scanner.cpp).
"""

from __future__ import annotations

from grammar.rules.model import LanguageRules, LexemeRule
from grammar.rules.rust_expressions import EXPRESSIONS
from grammar.rules.rust_lists import LISTS
from grammar.rules.rust_names import RESERVED, WORD_MARKS, WORD_PLACES
from grammar.rules.rust_places import PLACES
from grammar.rules.rust_strings import RAW_STRINGS, VARIANTS

# prefix `a` is unknown: no quote and no hash directly behind a name; b"…" and r#a are lexemes of their own.
OPERATORS = ('identifier"', "identifier#")

_HEX = "[0-9a-fA-F]"
# Up to six digits and no surrogate.
_FOUR = rf"([0-9a-ce-fA-CE-F]{_HEX}{{3}}|[dD][0-7]{_HEX}{{2}})"
_CODE_POINT = rf"(0{{0,2}}{_FOUR}|{_HEX}{{1,3}}|0?[1-9a-fA-F]{_HEX}{{4}}|10{_HEX}{{4}})"
_PLAIN = r"[^\\'\n\r\t]"

LEXEMES = (
    LexemeRule(
        ("char_literal",),
        rf"b?'({_PLAIN}|\\([nrt0\\'\"]|x{_HEX}{{2}}|u\{{{_CODE_POINT}\}}))'",
        (
            "empty character literal",
            "character constant must be escaped",
            "unknown character escape",
            "invalid unicode character escape",
        ),
    ),
    LexemeRule(
        ("escape_sequence",),
        rf"\\([nrt0\\'\"\n\r]|x{_HEX}{{2}}|u\{{{_CODE_POINT}\}})",
        ("unknown character escape", "invalid unicode character escape", "overlong unicode escape"),
    ),
    LexemeRule(
        ("integer_literal",),
        r"[1-9](.|\n)*|0([^xob](.|\n)*)?|0[xob]_*[0-9a-fA-F](.|\n)*",
        ("no valid digits found for number",),
    ),
)

# Behind attributes and doc comments something has to stand: an item or a statement, a field, a variant, an arm.
ENDINGS = ("fn a();", "a:a", "a", "a=>a")

OPENERS = (
    "a", "a ", "a(", "a[", "(", "[", "{", "a{", "a{a:", "a=", "a,", "a.", "a:", "a::", "a(a,", "a!(", "a![", "a!{",
    "|a|", "|a|{", "let a=", "let a:", "let (", "if a{", "if a{}else ", "if let a=", "if ", "match a{", "match a{a=>",
    "match a{a=>{", "while a{", "for a in ", "for a in a{", "loop{", "unsafe{", "return ", "&", "*", "#[a(", "#[", "\"",
    "'", "/*", "//", "\nfn a(){", "\nfn a(", "\nfn a(a:", "\nfn a<", "\nfn a()->", "\nfn ", "\nstruct a{",
    "\nstruct a{a:", "\nstruct a(", "\nenum a{", "\nenum a{a(", "\nenum a{a{", "\nimpl a{", "\nimpl a{fn a(){",
    "\nimpl a{fn a(", "\nimpl a for ", "\nimpl ", "\ntrait a{", "\ntrait a{fn a(", "\nmod a{", "\nmod a{fn a(){",
    "\nuse a::{", "\nuse a::", "\nuse ", "\nconst a:a=", "\nconst a:", "\nstatic a:a=", "\ntype a=", "\npub ",
    "\nmacro_rules! a{(", "\nmacro_rules! a{()=>{", "\nextern \"C\"{", "a::<", "a<", "=>",
)  # fmt: skip

RUST = LanguageRules(
    stack_rules=(RAW_STRINGS, PLACES, *EXPRESSIONS, *LISTS),
    lexeme_rules=LEXEMES,
    reserved=RESERVED,
    word_places=WORD_PLACES,
    word_marks=WORD_MARKS,
    variants=VARIANTS,
    operators=OPERATORS,
    endings=ENDINGS,
    openers=OPENERS,
    extras=(),
)
