"""External scanners: what no finite automaton reads. They are asked before the grammar's own lexer.

A scanner's state belongs to one parse and is never changed; forks share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from grammar.reference.lexer import Kind, Lexeme, Undecided
from grammar.reference.parse_table import ParseTable
from grammar.reference.wheel_lexer import CompiledScanner

ScannerState = object  # hashable


@dataclass(frozen=True)
class Place:
    """Where and how a scanner is asked.

    parser_state  of the stack's top, and what the grammar knows there: `external_lex_state` (0: nothing external).
    flags         what the stack rules tell scanners here (for Python: grammar/rules/python_layout.py).
    begins_line   a line start has just been found here.
    at_end        the text is complete; otherwise more may follow.
    """

    position: int
    parser_state: int
    external_lex_state: int
    flags: int
    begins_line: bool
    at_end: bool


@dataclass(frozen=True)
class External:
    """An external lexeme, and the scanner's state behind it."""

    lexeme: Lexeme
    state: ScannerState


@dataclass(frozen=True)
class Line:
    """Where a line's text begins, counted as CPython does: tabs to the next multiple of 8, and tabs as one blank."""

    column: int
    alt_column: int


@dataclass(frozen=True)
class LineStart:
    """A line's text starts at `end`; `ends_line`: a logical line has to be ended first."""

    line: Line
    end: int
    ends_line: bool


@dataclass(frozen=True)
class Decline:
    """Nothing external: the grammar's own lexer reads from here.

    also     what it cannot know that it may become.
    instead  an external lexeme that this may turn out to be, and the rest of the text behind it.
    """

    position: int
    also: frozenset[Kind] = frozenset()
    instead: Lexeme | None = None


Answer = External | Undecided | LineStart | Decline | None  # None: no lexeme begins so


class Scanner(Protocol):
    """An external scanner."""

    def start(self) -> ScannerState:
        """Give the state before the text."""
        ...

    def scan(self, text: str, state: ScannerState, place: Place) -> Answer:
        """Find what begins at a place."""
        ...


class NoScanner:
    """Of a grammar without external tokens."""

    def start(self) -> ScannerState:
        """Give the only state."""
        return None

    def scan(self, text: str, state: ScannerState, place: Place) -> Answer:
        """Leave everything to the lexer."""
        del text, state
        return Decline(place.position)


class WheelScanner:
    """The scanner that the wheel carries compiled. Its state is what it serializes."""

    def __init__(self, table: ParseTable) -> None:
        self._table, self._scanner = table, CompiledScanner(table.grammar)

    def start(self) -> ScannerState:
        """Give the state of a new scanner."""
        return b""

    def scan(self, text: str, state: ScannerState, place: Place) -> Answer:
        """Ask the compiled scanner. What it would do with more text it does not tell: then everything is in reach."""
        assert isinstance(state, bytes)
        if place.external_lex_state == 0:
            return Decline(place.position)
        reading, after = self._scanner.scan(text, place.position, place.external_lex_state, state)
        if reading.touched_end and not place.at_end:
            return Undecided(None)
        is_idle = reading.end <= place.position and after == state
        if not reading.matched or (is_idle and self._table.stays(place.parser_state, reading.symbol)):
            return Decline(place.position)  # an empty token that changes nothing would come again and again
        return External(Lexeme(Kind(reading.symbol), reading.end), after)
