r"""Python's external tokens as CPython's tokenizer sees them: line starts and indentation, strings, f-strings.

The scanner is asked first where a lexeme may begin. What it is told comes from the rule contexts on the stack
(grammar/rules/python_layout.py): what a line break means here, and which string's text is being read. Its only own
state is the indentation.

    x = 1\n           the line break, the blank lines and comment lines behind it and the blanks of the next line are
    # note\n          one line start; its column decides what comes first: a newline token, and then an indent,
    \n                dedents, or nothing
        y
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, cast

from grammar.errors import GrammarError
from grammar.reference.lexer import Kind, Lexeme, Undecided
from grammar.reference.parse_table import ParseTable
from grammar.reference.scanner import (
    Answer,
    Decline,
    External,
    Line,
    LineStart,
    Place,
    ScannerState,
)
from grammar.reference.stack import Parser, Stack
from grammar.rules.python_layout import NO_BACKSLASH, NO_DOUBLE, NO_SINGLE

_EXTERNALS = ("_newline", "_indent", "_dedent", "string_start", "_string_content", "escape_interpolation",
              "string_end")  # fmt: skip
_PREFIXES = ("", "r", "b", "br", "f", "fr")  # kind of string = 4 * index + 2 * triple + double quote
_OPENING = re.compile(r"(?i:(?P<prefix>br|rb|fr|rf|r|u|b|f|))(?P<quote>['\"]?)")
_LINE_ENDS, _BLANK, _FORBIDDEN = 0, 1, 2  # what a line break means: bits 0-1 of the flags


Indentation = tuple[Line, ...]
Found = Lexeme | Undecided | LineStart | Decline | None


class _String(NamedTuple):
    """A string that is being read."""

    prefix: str
    triple: bool
    quote: str

    @classmethod
    def of_kind(cls, kind: int) -> _String:
        return cls(_PREFIXES[kind // 4], bool(kind & 2), "'\""[kind & 1])

    def is_special(self, char: str) -> bool:
        """Say whether the character may be more than text."""
        is_escape = char == "\\" and "r" not in self.prefix
        return char == self.quote or is_escape or (char in "{}" and "f" in self.prefix)


class PythonScanner:
    """The scanner of tree-sitter-python's grammar, under CPython's rules."""

    def __init__(self, table: ParseTable) -> None:
        grammar, self._valid = table.grammar, table.valid_externals
        symbols = grammar.external_symbols[: len(_EXTERNALS)]
        names = tuple(grammar.symbol_names[symbol] for symbol in symbols)
        if names != _EXTERNALS:
            raise GrammarError(
                f"expected the external tokens {', '.join(_EXTERNALS)}; got {', '.join(names)}"
            )
        self.newline, self.indent, self.dedent, _, self._content, self._escape, self._end = map(Kind, symbols)
        self._first_kind = grammar.token_count

    def start(self) -> Indentation:
        """Give the indentation before the text."""
        return (Line(0, 0),)

    def scan(self, text: str, state: ScannerState, place: Place) -> Answer:
        """Find what begins at a place."""
        found = self._find(text, place)
        return External(found, state) if isinstance(found, Lexeme) else found

    def _find(self, text: str, place: Place) -> Found:
        valid = self._valid(place.external_lex_state)
        string = place.flags >> 2 & 63
        if string and valid[_EXTERNALS.index("_string_content")]:
            return self._in_string(text, place, _String.of_kind(string - 1))
        if place.position == 0 and not place.begins_line:
            return self._line_start(text, 0, ends_line=False, at_end=place.at_end)
        return self._between_lexemes(text, place, string_fits=valid[_EXTERNALS.index("string_start")])

    # ---- between lexemes

    def _between_lexemes(self, text: str, place: Place, *, string_fits: bool) -> Found:
        line_break, at_end = place.flags & 3, place.at_end
        at = _skip(text, place.position, " \t\f\r\n" if line_break == _BLANK else " \t\f")
        ends_line = line_break == _LINE_ENDS and not place.begins_line
        if text[at : at + 1] in ("\r", "\n") and at < len(text):
            return self._line_start(text, at, ends_line=True, at_end=at_end) if ends_line else None
        if at == len(text) and at_end:
            if ends_line:
                return LineStart(Line(0, 0), at, ends_line=True)
            return Decline(at) if place.begins_line else None
        opening = self._opening(text, at, at_end=at_end) if string_fits else frozenset[Kind]()
        if not isinstance(opening, frozenset):
            return opening
        if at == len(text) and ends_line:
            opening |= {self.newline, self.indent}
        return Decline(at, opening)

    def _line_start(self, text: str, position: int, *, ends_line: bool, at_end: bool) -> Found:
        """Read blanks, comment lines and line breaks up to the first lexeme of a line."""
        at, column, alt_column, joined = position, 0, 0, -1
        while at < len(text):
            match text[at]:
                case " ":
                    column, alt_column = column + 1, alt_column + 1
                case "\t":
                    column, alt_column = (column // 8 + 1) * 8, alt_column + 1
                case "\f" | "\n" | "\r":  # CPython reads \r, \n and \r\n as line ends
                    column = alt_column = 0
                case "#":
                    at = _skip_to(text, at, "\r\n") - 1
                case "\\" if column == 0:  # the line goes on, and its column is still to come
                    at += text.startswith("\r", at + 1)
                    if at + 1 < len(text) and text[at + 1] != "\n":
                        return None
                    if at + 1 >= len(text):
                        break
                    at += 1
                    joined = at + 1
                case _:
                    return LineStart(Line(column, alt_column), at, ends_line)
            at += 1
        if at_end:
            return LineStart(Line(0, 0), at, ends_line) if joined < at == len(text) else None
        return Undecided(frozenset({self.newline, self.indent}) if ends_line else None)

    def resolve(
        self, parser: Parser, stack: Stack, state: ScannerState, found: LineStart
    ) -> Iterator[tuple[Stack, Indentation]]:
        """Give the stacks behind the newline, indent and dedent tokens of a line start; none if it is refused."""
        indentation = cast(Indentation, state)
        stacks = [stack]
        if found.ends_line:
            top = indentation[-1]
            indented = parser.step(stack, self.indent.terminal)
            if indented:  # a block has to follow
                if found.line.column > top.column and found.line.alt_column > top.alt_column:
                    yield from ((after, (*indentation, found.line)) for after in indented)
                return
            stacks = parser.step(stack, self.newline.terminal)
        while found.line.column < indentation[-1].column:
            stacks = [after for node in stacks for after in parser.step(node, self.dedent.terminal)]
            indentation = indentation[:-1]
        if found.line == indentation[-1]:
            yield from ((node, indentation) for node in stacks)

    # ---- strings

    def _kind(self, prefix: str, quote: str) -> int:
        letters = "".join(sorted(prefix.lower().replace("u", "")))
        return self._first_kind + 4 * _PREFIXES.index(letters) + (quote == '"')

    def _opening(self, text: str, at: int, *, at_end: bool) -> Lexeme | Undecided | frozenset[Kind]:
        """Read a string's opening; if none is here, give those that it may become (none, unless the text ends)."""
        match = _OPENING.match(text, at)
        assert match, "the pattern matches the empty text"
        prefix, quote, end = match["prefix"], match["quote"], match.end()
        if not quote:
            return self._openings_with(prefix) if end == len(text) and not at_end else frozenset()
        single = Kind(self._kind(prefix, quote))
        triple = Kind(single.terminal + 2)
        if text.startswith(quote * 2, end):
            return Lexeme(triple, end + 2)
        lexeme = Lexeme(single, end)
        rest = text[end:]
        if at_end or rest not in ("", quote):
            return lexeme  # of '' too: an empty string
        return Undecided(frozenset({single, triple} if not rest else {triple}), lexeme)

    def _openings_with(self, letters: str) -> frozenset[Kind]:
        """Give the openings whose prefix begins with the letters read so far."""
        prefixes = [
            p for p in ("", "r", "u", "b", "br", "rb", "f", "fr", "rf") if p.startswith(letters.lower())
        ]
        kinds = [self._kind(prefix, quote) for prefix in prefixes for quote in "'\""]
        return frozenset(Kind(kind + triple) for kind in kinds for triple in (0, 2))

    def _in_string(self, text: str, place: Place, string: _String) -> Found:
        """Read a string's text up to the next character that means something, or that character's token."""
        # In a field of a one-line f-string even a triple quoted string has to stay on its line.
        one_line = place.flags & 3 == _FORBIDDEN or not string.triple
        at = place.position
        while at < len(text):
            char = text[at]
            if char == "\\" and place.flags & NO_BACKSLASH:
                return Lexeme(self._content, at) if at > place.position else None
            if (char == "'" and place.flags & NO_SINGLE) or (char == '"' and place.flags & NO_DOUBLE):
                return None
            if string.is_special(char):
                if at > place.position:
                    return Lexeme(self._content, at)
                found = self._special(text, at, string, at_end=place.at_end)
            elif char == "\\":
                found = _behind_raw_backslash(text, at, string.quote)
            elif (char in "\r\n" and one_line) or (ord(char) >= 128 and "b" in string.prefix):
                return None
            else:
                found = at + 1
            if not isinstance(found, int):
                return found
            at = found
        return None if place.at_end else Undecided(None)

    def _special(self, text: str, at: int, string: _String, *, at_end: bool) -> Found | int:
        """Give the token of a special character, or the position behind it where it is text after all."""
        char, behind = text[at], text[at + 1 : at + 2]
        if char == string.quote:
            if not string.triple or text.startswith(char * 3, at):
                return Lexeme(self._end, at + (3 if string.triple else 1))
            return at + 1 + (behind == char)
        if char == "\\":
            if "b" not in string.prefix:
                return Decline(at)
            if behind in ("N", "u", "U", ""):
                return at + 2  # no escapes in bytes: the backslash stands for itself
            return Decline(at)
        if behind == char:
            return Lexeme(self._escape, at + 2)
        return Decline(at, frozenset() if behind or at_end else frozenset({self._escape}))


def _behind_raw_backslash(text: str, at: int, quote: str) -> int:
    """Give the position behind a backslash that means nothing, but takes a quote or line break with it."""
    behind = text[at + 1 : at + 3]
    if behind == "\r\n":
        return at + 3
    return at + 1 + (behind[:1] in (quote, "\\", "\n", "\r"))


def _skip(text: str, at: int, chars: str) -> int:
    while at < len(text) and text[at] in chars:
        at += 1
    return at


def _skip_to(text: str, at: int, chars: str) -> int:
    while at < len(text) and text[at] not in chars:
        at += 1
    return at
