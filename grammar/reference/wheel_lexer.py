"""Runs the functions that a grammar wheel carries compiled: its lexers and its external scanner.

They see the text one character at a time through a TSLexer whose callbacks are Python. The text here is decoded: a
position counts characters. Beyond the text stands the end of the text; `touched_end` tells that the function saw it,
so that more text could have changed what it did.
"""

from __future__ import annotations

import ctypes
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
    touched_end  it was shown the end of the text.
    """

    matched: bool
    symbol: int
    start: int
    end: int
    touched_end: bool


class TextReader:
    """The TSLexer of one grammar. It reads one text at a time: not for several threads."""

    def __init__(self) -> None:
        self._text, self._at, self._start, self._touched = "", 0, 0, False
        self._end: int | None = None
        self._lexer: Any = TSLexer()
        self._lexer.advance = ADVANCE(self._advance)
        self._lexer.mark_end = MARK_END(self._mark_end)
        self._lexer.get_column = GET_COLUMN(self._column)
        self._lexer.is_at_included_range_start = PREDICATE(lambda _: False)
        self._lexer.eof = PREDICATE(lambda _: self._at == len(self._text))
        self._lexer.log = LOG(lambda _self, _format: None)

    def read(self, text: str, position: int, function: Callable[[Any], bool]) -> Reading:
        """Show the text from a position on to a function, which gets the TSLexer's address."""
        self._text, self._at, self._start, self._end, self._touched = text, position, position, None, False
        self._lexer.result_symbol = 0
        self._look()
        matched = bool(function(ctypes.addressof(self._lexer)))
        end = self._at if self._end is None else self._end  # a function that marks no end has read it all
        return Reading(matched, self._lexer.result_symbol, min(self._start, end), end, self._touched)

    def _look(self) -> None:
        at_end = self._at == len(self._text)
        self._touched |= at_end
        self._lexer.lookahead = 0 if at_end else ord(self._text[self._at])

    def _advance(self, _: int, skip: bool) -> None:  # noqa: FBT001 the wheel's signature
        if self._at < len(self._text):  # at the end tree-sitter stays where it is
            self._at += 1
            self._look()
            if skip:
                self._start = self._at

    def _mark_end(self, _: int) -> None:
        self._end = self._at

    def _column(self, _: int) -> int:
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


class WheelScanner:
    """The grammar's compiled external scanner. Its state is what it serializes: bytes."""

    START = b""

    def __init__(self, grammar: CompiledGrammar) -> None:
        self._grammar = grammar
        self._reader = TextReader()
        self._scanner: Any = grammar.language.external_scanner
        self._payload: Any = self._scanner.create()
        self._buffer = ctypes.create_string_buffer(_BUFFER_SIZE)

    def scan(self, text: str, position: int, external_lex_state: int, state: bytes) -> tuple[Reading, bytes]:
        """Ask for an external token; the reading's symbol is a terminal. Gives the scanner's state after it."""
        scanner, language = self._scanner, self._grammar.language
        scanner.deserialize(self._payload, state, len(state))
        row = external_lex_state * language.external_token_count
        valid = ctypes.addressof(scanner.states.contents) + row  # one byte a token
        reading = self._reader.read(text, position, lambda lexer: scanner.scan(self._payload, lexer, valid))
        if not reading.matched:
            return reading, state
        length: int = scanner.serialize(self._payload, self._buffer)
        symbol = self._grammar.external_symbols[reading.symbol]
        found = Reading(True, symbol, reading.start, reading.end, reading.touched_end)  # noqa: FBT003
        return found, self._buffer.raw[:length]
