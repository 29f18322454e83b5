r"""Rust: words that are no names where the parser reads them; in macros and attributes every word may stand.

    let use = 1;      expected identifier, found keyword `use`
    m!(a else b)      accepted

Not expressible: `struct _;`. A lexeme that may be a keyword has no variants.
"""

from __future__ import annotations

# Of edition 2021; `union`, `default`, `gen` and `raw` are names, too. Left out, because in macros the grammar has them as
# names and as nothing else: dyn, else, extern, in, move, ref, try, yield.
RESERVED = (
    "as", "async", "await", "break", "const", "continue", "crate", "enum", "false", "fn", "for", "if", "impl", "let", "loop",
    "match", "mod", "mutable_specifier", "pub", "return", "self", "static", "struct", "super", "trait", "true", "type",
    "unsafe", "use", "where", "while",
)  # fmt: skip
# Behind these any word is a name: 'static.
WORD_MARKS = ("'",)
