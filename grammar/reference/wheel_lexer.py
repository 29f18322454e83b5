"""Runs the functions that a grammar wheel carries compiled: its lexers and its external scanner.

They see the text one character at a time through a TSLexer whose callbacks are Python. The text here is decoded: a
position counts characters. Beyond the text stands the end of the text; `touched_end` tells that the function saw it,
so that more text could have changed what it did.
"""

from __future__ import annotations

import abc
import ctypes
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grammar.reference.tree_sitter_abi import (
    ADVANCE,
    GET_COLUMN,
    LOG,
    MARK_END,
    PREDICATE,
    CompiledGrammar,
    TSLexer,
)

_BUFFER_SIZE = 1024  # TREE_SITTER_SERIALIZATION_BUFFER_SIZE


@dataclass(frozen=True)
class Reading:
    """What one call did.

    matched      the function's answer: it recognised `symbol`, from `start` (behind the blanks) to `end`.
    read_to      how far it read, whatever it recognised.
    touched_end  it was shown the end of the text.
    """

    matched: bool
    symbol: int
    start: int
    end: int
    read_to: int
    touched_end: bool


class LexerView(abc.ABC):
    """A TSLexer whose callbacks are methods."""

    def __init__(self) -> None:
        self.lexer: Any = TSLexer()
        self.lexer.advance = ADVANCE(self.advance)
        self.lexer.mark_end = MARK_END(self.mark_end)
        self.lexer.get_column = GET_COLUMN(self.column)
        self.lexer.is_at_included_range_start = PREDICATE(_is_at_range_start)
        self.lexer.eof = PREDICATE(self.is_at_end)
        self.lexer.log = LOG(_ignore)
        self.address = ctypes.addressof(self.lexer)

    @abc.abstractmethod
    def advance(self, _: int, skip: bool) -> None:  # noqa: FBT001 the wheel's signature
        """Read the character; `skip`: the lexeme begins behind it."""

    @abc.abstractmethod
    def mark_end(self, _: int) -> None:
        """Note that the lexeme may end here."""

    @abc.abstractmethod
    def is_at_end(self, _: int) -> bool:
        """Say whether the text ends here."""

    def column(self, _: int) -> int:
        """Give the column of the character."""
        return 0


def _is_at_range_start(_: int) -> bool:
    return False


def _ignore(_lexer: int, _format: bytes) -> None:
    pass


class TextReader(LexerView):
    """Shows a text. It reads one at a time: not for several threads."""

    def __init__(self) -> None:
        super().__init__()
        self._text, self._at, self._start, self._touched = "", 0, 0, False
        self._end: int | None = None

    def read(self, text: str, position: int, function: Callable[[Any], bool]) -> Reading:
        """Show the text from a position on to a function, which gets the TSLexer's address."""
        self._text, self._at, self._start, self._end, self._touched = text, position, position, None, False
        self.lexer.result_symbol = 0
        self._look()
        matched = bool(function(self.address))
        end = self._at if self._end is None else self._end  # a function that marks no end has read it all
        return Reading(matched, self.lexer.result_symbol, min(self._start, end), end, self._at, self._touched)

    def is_at_end(self, _: int) -> bool:
        """Say whether the text ends here."""
        return self._at == len(self._text)

    def _look(self) -> None:
        at_end = self._at == len(self._text)
        self._touched |= at_end
        self.lexer.lookahead = 0 if at_end else ord(self._text[self._at])

    def advance(self, _: int, skip: bool) -> None:  # noqa: FBT001 the wheel's signature
        """Move on."""
        if self._at < len(self._text):  # at the end tree-sitter stays where it is
            self._at += 1
            self._look()
            if skip:
                self._start = self._at

    def mark_end(self, _: int) -> None:
        """Note an end; the last one counts."""
        self._end = self._at

    def column(self, _: int) -> int:
        """Give the column, in characters."""
        return self._at - (self._text.rfind("\n", 0, self._at) + 1)


class WheelLexer:
    """The grammar's own lexer, and the keyword lexer that runs over the words it finds."""

    def __init__(self, grammar: CompiledGrammar) -> None:
        self._grammar = grammar
        self._reader = TextReader()

    def read(self, text: str, position: int, lex_state: int) -> Reading:
        """Find the longest lexeme at a position."""
        lex = self._grammar.language.lex_fn
        return self._reader.read(text, position, lambda lexer: lex(lexer, lex_state))

    def keyword(self, text: str, start: int, end: int) -> int | None:
        """Give the keyword that a word is; None when it is none."""
        lex = self._grammar.language.keyword_lex_fn
        reading = self._reader.read(text, start, lambda lexer: lex(lexer, 0))
        return reading.symbol if reading.matched and reading.end == end else None


class CompiledScanner:
    """The wheel's external scanner. Between calls its state lives outside it, serialized."""

    def __init__(self, grammar: CompiledGrammar) -> None:
        self._grammar = grammar
        self._reader = TextReader()
        self._scanner: Any = grammar.language.external_scanner
        self._buffer = ctypes.create_string_buffer(_BUFFER_SIZE)

    def scan(self, text: str, position: int, external_lex_state: int, state: bytes) -> tuple[Reading, bytes]:
        """Ask for an external token; the reading's symbol is a terminal. Gives the scanner's state after it."""
        scanner, language = self._scanner, self._grammar.language
        valid = ctypes.addressof(scanner.states.contents) + external_lex_state * language.external_token_count
        payload = scanner.create()  # a new one each time: deserializing need not reset every field
        try:
            scanner.deserialize(payload, state, len(state))
            reading = self._reader.read(text, position, lambda lexer: scanner.scan(payload, lexer, valid))
            length: int = scanner.serialize(payload, self._buffer)
        finally:
            scanner.destroy(payload)
        if not reading.matched:
            return reading, state
        found = dataclasses.replace(reading, symbol=self._grammar.external_symbols[reading.symbol])
        return found, self._buffer.raw[:length]
