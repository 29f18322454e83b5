r"""Rust: words that are no names where the parser reads them; in macros and attributes every word may stand.

    let use = 1;      expected identifier, found keyword `use`
    m!(a else b)      accepted

Not told apart: `struct _;`, because a lexeme that may be a keyword has no variants.
"""

from __future__ import annotations

# Of edition 2021; `union`, `default`, `gen` and `raw` are names, too.
RESERVED = (
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern", "false",
    "fn", "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mutable_specifier", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "unsafe", "use", "where",
    "while", "yield",
)  # fmt: skip
# Between the brackets of macros and attributes, where the grammar has `else`, `dyn`, … as names and as nothing else.
WORD_PLACES = ("token_tree", "token_tree_pattern", "_token_pattern", "_delim_tokens", "_non_delim_token",
               "attribute")  # fmt: skip
WORD_MARKS = ("'", "crate")  # 'static, extern crate self
