"""What the LR tables of a grammar say: actions, gotos, and how lexing starts in a state."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from grammar.reference.tree_sitter_abi import CompiledGrammar, LexMode

END = 0  # the terminal that stands for the end of the text
START_STATE = 1
_SHIFT, _REDUCE, _ACCEPT = 0, 1, 2


@dataclass(frozen=True)
class Shift:
    """Push the terminal and go to a state."""

    state: int


@dataclass(frozen=True)
class ShiftExtra:
    """Take the terminal and leave the stack as it is (comments)."""


@dataclass(frozen=True)
class Reduce:
    """Pop children and push their nonterminal."""

    symbol: int
    child_count: int


@dataclass(frozen=True)
class Accept:
    """The text is complete."""


Action = Shift | ShiftExtra | Reduce | Accept


class ParseTable:
    """The tables of one grammar. Every answer is kept: the text of a file asks the same few thousand cells."""

    def __init__(self, grammar: CompiledGrammar) -> None:
        self.grammar = grammar
        self.actions = functools.cache(self._actions)
        self.goto = functools.cache(grammar.table_value)
        self.lex_mode = functools.cache(grammar.lex_mode)
        self.reserved = functools.cache(self._reserved)
        self.valid_externals = functools.cache(grammar.valid_externals)

    def _actions(self, state: int, terminal: int) -> tuple[Action, ...]:
        """Give all that may be done; several actions are a fork, none is a syntax error.

        Two kinds of entries are left out, as tree-sitter's parser does: shifts marked `repetition` (it keeps them
        for reusing nodes of an old tree) and error recovery.
        """
        found: list[Action] = []
        for entry in self.grammar.actions(self.grammar.table_value(state, terminal)):
            if entry.type == _SHIFT and not entry.shift.repetition:
                found.append(ShiftExtra() if entry.shift.extra else Shift(entry.shift.state))
            elif entry.type == _REDUCE:
                found.append(Reduce(entry.reduce.symbol, entry.reduce.child_count))
            elif entry.type == _ACCEPT:
                found.append(Accept())
        return tuple(found)

    def _reserved(self, state: int) -> frozenset[int]:
        """Give the keywords that cannot be identifiers in a state."""
        return self.grammar.reserved_words(self.lex_mode(state).reserved_word_set)

    def has_actions(self, state: int, terminal: int) -> bool:
        """Say whether tree-sitter sees any action, one of those left out above included."""
        return self.grammar.table_value(state, terminal) != 0

    def stays(self, state: int, terminal: int) -> bool:
        """Say whether shifting the terminal leaves the state as it is."""
        actions = self.actions(state, terminal)
        return bool(actions) and actions[-1] in (ShiftExtra(), Shift(state))

    def ends_extra(self, state: int) -> bool:
        """Say whether a non-terminal extra ends here: the parser reduces before it lexes."""
        return self.lex_mode(state).lex_state == 0xFFFF


__all__ = ["END", "START_STATE", "Accept", "Action", "LexMode", "ParseTable", "Reduce", "Shift", "ShiftExtra"]
