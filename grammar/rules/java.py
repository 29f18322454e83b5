"""Java as javac 17 parses it, above tree-sitter-java."""

from __future__ import annotations

from grammar.rules.model import LanguageRules

JAVA = LanguageRules(blanks=" \t\n\r\f", extras=("line_comment", "block_comment"))
