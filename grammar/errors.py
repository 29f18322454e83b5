"""Errors of the grammar package.

GrammarError
├── UnknownLanguageError   a name that is not in the registry
├── LanguageNotInstalledError   the grammar's wheel is missing
├── RuleError              a rule names a symbol that the grammar does not have, or has too many states
├── VocabularyError        tokens, stop ids and width do not fit together
├── MaskShapeError         a bitmask row cannot hold the vocabulary
├── UnknownAbiError        a grammar wheel of another tree-sitter ABI than 14 and 15
├── NotRegularError        a compiled lexer that is no finite automaton
└── AmbiguityError         more parses alive at once than the bound
"""

from __future__ import annotations


class GrammarError(Exception):
    """Any error of this package that a caller may want to catch."""


class UnknownLanguageError(GrammarError):
    """No grammar is registered under the name."""


class LanguageNotInstalledError(GrammarError):
    """The wheel that carries the grammar cannot be imported."""


class RuleError(GrammarError):
    """A rule does not fit its grammar."""


class VocabularyError(GrammarError):
    """The tokens cannot be used as a vocabulary."""


class MaskShapeError(GrammarError):
    """The bitmask does not have the shape or type that the vocabulary needs."""


class UnknownAbiError(GrammarError):
    """The grammar was compiled for a tree-sitter ABI that is not known here."""


class NotRegularError(GrammarError):
    """The grammar's compiled lexer does not behave like a finite automaton."""


class AmbiguityError(GrammarError):
    """The text has more parses alive at once than the bound allows."""
