"""Python: what a line break means, and which string's text is being read. Feeds the scanner.

    x = f(          in a bracket: a line break is a blank
    f"a{b}c"        text of the string, then a field, then text again
Flags: bits 0-1 line breaks (0 end the line, 1 blank, 2 refused); bits 2-7 one more than the kind of the string
whose text is read; bit 8: no backslash in it, 9: no single quote, 10: no double one.
Kinds: 4 * prefix (none, r, b, br, f, fr) + 2 * triple + double quote.
"""

from __future__ import annotations

from typing import NamedTuple

from grammar.rules.model import LexemeVariant, StackRule, State

NUM_STRING_KINDS = 24
NO_BACKSLASH, NO_SINGLE, NO_DOUBLE = 256, 512, 1024
OPEN, CLOSE = ("(", "[", "{"), (")", "]", "}")


# What a format specifier contains: 1 no quote, 2 single ones, 3 double ones, 0 both.
SPECIFIERS = LexemeVariant(
    "format_specifier_token1", (r"([^'\"\\]|\\.)*", r"([^\"\\]|\\.)*", r"([^'\\]|\\.)*")
)
_QUOTES_IN = {"1": (), "2": ("'",), "3": ('"',), "0": ("'", '"')}


class Place(NamedTuple):
    """Where the text stands.

    kind     "line", "bracket", "text" (of a string), "field" (of an f-string);
             "closed": just behind a bracket or a string.
    outer    bracket, text, closed: kind of the place around ("line", "bracket" or "field").
    string   text and field: the string's kind.
    quotes   what the f-strings around forbid: a quote character, or "t'" and 't"': only three of them in a row.
    one_line inside a field of a one-line string, at any depth.
    """

    kind: str
    outer: str = ""
    string: int = -1
    quotes: tuple[str, ...] = ()
    one_line: bool = False


def _shift(state: State, terminal: str) -> State | None:
    assert isinstance(state, Place)
    at = state
    if at.kind == "closed":  # the stack below knows the outer place; a finite state only its kind
        at = at._replace(kind=at.outer, outer="bracket" if at.outer == "bracket" else "")
    if terminal.startswith("string_start/"):
        return _open_string(at, int(terminal.split("/")[1]))
    if at.kind == "text":
        if terminal == "string_end":
            return Place("closed", at.outer, -1, at.quotes, at.one_line)
        if at.quotes and terminal in ("escape_sequence", "\\"):
            return None  # f-string expression part cannot include a backslash
        if terminal == "{":
            quotes = tuple(sorted({*at.quotes, _own(at)}))
            return at._replace(kind="field", outer="", quotes=quotes, one_line=_one_line(at))
        return at
    if terminal.startswith("format_specifier_token1/"):
        return None if any(quote in at.quotes for quote in _QUOTES_IN[terminal[-1]]) else at
    if at.quotes and terminal in ("comment", "line_continuation"):
        return None  # f-string expression part cannot include '#' or a backslash
    if terminal in OPEN:
        return at._replace(kind="bracket", outer=at.kind, string=-1)
    if terminal in CLOSE:
        if at.kind == "field":  # the end of the field: text again
            return at._replace(kind="text", outer="bracket", quotes=_outer_quotes(at), one_line=False)
        return at._replace(kind="closed") if at.kind == "bracket" else at
    return at


def _one_line(at: Place) -> bool:
    return at.one_line or not at.string & 2


def _own(at: Place) -> str:
    quote = '"' if at.string % 2 else "'"
    return "t" + quote if at.string & 2 else quote


def _outer_quotes(at: Place) -> tuple[str, ...]:
    return tuple(q for q in at.quotes if q != _own(at))


def _open_string(at: Place, kind: int) -> State | None:
    quote = '"' if kind % 2 else "'"
    if at.kind == "text" or quote in at.quotes or (kind & 2 and "t" + quote in at.quotes):
        return None
    outer = "line" if at.kind == "line" else "bracket"
    return Place("text", outer, kind, at.quotes, at.one_line)


def _flags(state: State) -> int:
    assert isinstance(state, Place)
    if state.kind == "text":
        quotes = (NO_SINGLE if "'" in state.quotes else 0) | (NO_DOUBLE if '"' in state.quotes else 0)
        backslash = NO_BACKSLASH if state.quotes else 0
        return (state.string + 1) << 2 | (2 if state.one_line else 0) | backslash | quotes
    kind = state.outer if state.kind == "closed" else state.kind
    if kind == "line":
        return 0
    return 2 if state.one_line else 1


LAYOUT = StackRule(
    "layout",
    Place("line"),
    _shift,
    ("f-string expression part cannot include a backslash", "f-string: expecting '}'"),
    lex_flags=_flags,
    sees_extras=True,
)
