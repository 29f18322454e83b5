"""Rust: the places where items, members and statements stand, and the words that they begin with and go on with."""

from __future__ import annotations

from typing import NamedTuple

from grammar.rules.model import State

# Flags for the scanner, as in csrc/rust_scanner.h: what follows is a name and not `_`, begins without a blank, is what
# a doc comment before it is about, is a label (with NO_BLANK) or nothing that a doc comment stands before (without).
NAME_FOLLOWS, NO_BLANK, DOCS_BIND, LABEL = 16, 32, 64, 128
NO_DOCS = LABEL


class Place(NamedTuple):
    """Between the elements of a list, or in the first words of one.

    kind  "file", "mod", "impl", "extern", "block"
    at    "first", "start"; "outer" behind an attribute; "visible" behind `pub`; "macro)" behind a macro in parentheses,
          "expression" in a statement; else the words read
    """

    kind: str
    at: str = "first"


BETWEEN = ("first", "start", "outer")
MODIFIERS = ("default", "const", "async", "unsafe", "extern")
NAMES = ("identifier", "self", "super", "crate", "primitive_type", "gen", "union", "default", "metavariable")
MEMBERS = (*MODIFIERS, "pub", "#", "fn", "type", "identifier", "self", "super", "crate", "primitive_type", "gen",
            "union", "::", "metavariable")  # fmt: skip
ITEMS = (*MEMBERS, "mod", "struct", "enum", "impl", "trait", "use", "static", "macro_rules!")
STARTS: dict[str, tuple[str, ...]] = {
    "file": (*ITEMS, "shebang"),
    "mod": (*ITEMS, "}"),
    "impl": (*MEMBERS, "}"),
    "extern": (*MEMBERS, "static", "}"),
}
# What the first words of an item allow, where it is no statement.
GOES_ON: dict[str, tuple[str, ...]] = {
    "default": ("fn", "const", "async", "unsafe", "extern", "!", "::"),
    "const": ("fn", "async", "unsafe", "extern", "identifier", "_"),
    "async": ("fn", "unsafe", "extern"),
    "unsafe": ("fn", "extern", "impl", "trait"),
    "extern": ("fn", "crate", '"', "string_content", "escape_sequence", "{", "_raw_string_literal_end",
               "_raw_string_literal_start"),
    "union": ("identifier", "!", "::"),
    "path": ("!", "::"),
    "path::": ("identifier", "super"),
    "static": ("identifier", "mutable_specifier"),
    "macro)": (";",),
}  # fmt: skip
# Heads of items: they last until the item's list begins.
HEADS = {"struct": "struct", "enum": "enum", "trait": "trait", "impl": "impl", "mod": "mod", "use": "use",
          "fn": "fn", "macro_rules!": "macro_rules", "type": "type"}  # fmt: skip
BEHIND_WORD = ("struct", "enum", "trait", "mod", "fn")  # heads whose name comes first
BODIES: dict[str, State] = {
    "struct": "fields", "enum": "variants", "trait": Place("impl"), "impl": Place("impl"), "mod": Place("mod"),
    "use": "use", "match": "arms", "variant": "fields", "name": "list", "path": "list", "union": "list",
    "fields": "list",
}  # fmt: skip
STICKY = ("struct", "enum", "trait", "impl", "mod", "fn", "use", "macro_rules", "as", "rules", "attribute")
TOKENS = ("tokens", ")", "}", "tokens'")
NAMED = ("attribute", "type", "mod name", "fn name", "static", "path", "path::", ".", "fields", "variants",
          "macro_rules", "use", "union", "struct name", "enum name", "trait name")  # fmt: skip
# Behind these no attribute may stand and no doc comment: in the middle of something.
UNDOCUMENTED = (*STICKY[:-2], "name", "path", "path::", ".", "type", "use as", "variant", "async", "default", "unsafe",
                "const", "extern", "static", "union", "pub", "visible", "#", "# first", "macro!", "struct name",
                "enum name", "trait name", "fn name", "mod name")  # fmt: skip
