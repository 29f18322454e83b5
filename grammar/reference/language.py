"""A language as the reference reads it: a grammar wheel's tables, with or without the language's rules.

rules on   as the language's own parser reads it; the same tables as the native core gets.
rules off  the tree-sitter grammar as it is: accepted is what tree-sitter parses without an error.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass

from grammar.languages import LANGUAGES
from grammar.reference.tree_sitter_abi import CompiledGrammar
from grammar.rules.compile import RuleTables, SymbolNames, compile_rules


@dataclass(frozen=True)
class ReferenceLanguage:
    """What a recogniser needs. scanner: "" (none), "wheel" (the compiled one), or the name of one of ours."""

    grammar: CompiledGrammar
    tables: RuleTables
    scanner: str
    has_rules: bool


@functools.cache
def load_reference(name: str, *, rules: bool = True) -> ReferenceLanguage:
    """Load a language of the registry. The wheel has to be installed."""
    spec = LANGUAGES[name]
    grammar = CompiledGrammar(getattr(importlib.import_module(spec.wheel), spec.function)())
    if not rules:
        return ReferenceLanguage(
            grammar, RuleTables(), "wheel" if grammar.external_symbols else "", has_rules=False
        )
    tables = compile_rules(spec.rules(), SymbolNames(grammar.symbol_names, grammar.token_count))
    return ReferenceLanguage(grammar, tables, spec.scanner, has_rules=True)
