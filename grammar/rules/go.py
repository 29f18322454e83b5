"""Go as go/parser 1.19 reads it, above tree-sitter-go."""

from __future__ import annotations

from grammar.rules.model import LanguageRules

GO = LanguageRules(blanks=" \t\n\r")
