r"""Rust's external tokens: the text of strings, raw strings with their hashes, floating-point literals; and comments.

    r##"a"#b"##     1.5e3f32  1.max(2)  1..2     /* a /* b */ c */

The same as the compiled scanner of tree-sitter-rust, but for what is listed in `DIFFERENCES` (the native core has the
same, see csrc/rust_scanner.cpp). Comments, a rule of several lexemes there, are blanks here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from grammar.errors import GrammarError
from grammar.reference.lexer import Kind, Lexeme, Undecided
from grammar.reference.parse_table import ParseTable
from grammar.reference.scanner import Answer, Decline, External, Place, ScannerState
from grammar.rules.rust_names import RESERVED
from grammar.rules.rust_strings import MAX_HASHES
from grammar.rules.rust_words import DOCS_BIND, LABEL, NAME_FOLLOWS, NO_BLANK, NO_DOCS

DIFFERENCES = (
    f"no raw string has more than {MAX_HASHES} hashes, and no comment is nested deeper than 32 levels",
    "a number whose exponent has no digits is refused, as rustc does",
    "so are hashes behind r, br or cr and anything but a quote, unless they begin a raw name",
    "1._a is an integer and the name of a field",
    "/* //* */ is a comment that is still open, as rustc reads it",
)
MAX_DEPTH = 32
_NUM_EXTERNALS = 11
_HASHES = 15  # as in csrc/rust_scanner.h
_BLANKS = re.compile(r"(?:[^\S\x1c-\x1f]|[\ufeff\u200b\u2060])*")
_STRING = re.compile(r'[^"\\]*')
_RAW_START = re.compile(r'([bc]?r)(#*)("?)')
_NUMBER = re.compile(
    r"[0-9][0-9_]*(?P<point>\.(?![.A-Za-z_\x80-\U0010ffff])(?:[0-9][0-9_]*)?)?"
    r"(?P<exponent>[eE][+-]?_*(?P<digits>[0-9][0-9_]*)?)?"
)
_SUFFIX = re.compile(r"[uif][0-9]+")
_BEGUN_SUFFIX = re.compile(r"[uif]?\Z")
_WORD = re.compile(r"[^\W\d]\w*")
_NO_LABELS = {"mut", *RESERVED} - {"static", "mutable_specifier"}
_CLOSING = ("}", ")", "]")
_DOC = re.compile(r"///(?!/)|/\*\*(?![*/])")
_COMMENT_PART = re.compile(r"/\*|\*/")


class RustScanner:
    """The scanner of tree-sitter-rust's grammar. Its only state is where the text stands; hashes are flags."""

    def __init__(self, table: ParseTable) -> None:
        grammar, self._valid = table.grammar, table.valid_externals
        if len(grammar.external_symbols) != _NUM_EXTERNALS:
            raise GrammarError("expected the external tokens of tree-sitter-rust")
        kinds = [Kind(symbol) for symbol in grammar.external_symbols]
        self._text, self._close, _, self._raw_text, self._raw_end, self._float = kinds[:6]
        self._raw_starts = [Kind(grammar.token_count + hashes) for hashes in range(MAX_HASHES + 1)]
        assert grammar.keyword_capture is not None, "tree-sitter-rust has keywords"
        self._name = Kind(grammar.keyword_capture)

    def start(self) -> ScannerState:
        """Give the only state."""
        return None

    def scan(self, text: str, state: ScannerState, place: Place) -> Answer:
        """Find what begins at a place."""
        string, _, raw, raw_text, raw_end, number, *_ = (
            self._valid(place.external_lex_state) if place.external_lex_state else (False,) * _NUM_EXTERNALS
        )
        hashes = place.flags & _HASHES
        first = text[place.position : place.position + 1]
        if place.flags & NO_BLANK and first and (first == "/" or _BLANKS.fullmatch(first)):
            return None
        if hashes and (raw_text or raw_end):
            found = self._in_raw_string(text, place, '"' + "#" * (hashes - 1), is_end=not raw_text)
        elif string and not number:
            found = self._in_string(text, place)
        else:
            found = self._between_lexemes(text, place, may_be_raw=raw, may_be_float=number)
        return External(found, state) if isinstance(found, Lexeme) else found

    def _in_raw_string(
        self, text: str, place: Place, quote: str, *, is_end: bool
    ) -> Lexeme | Undecided | None:
        kind = self._raw_end if is_end else self._raw_text
        end = text.find(quote, place.position)
        if end != -1:
            return Lexeme(kind, end + len(quote) if is_end else end)
        return None if place.at_end else Undecided(frozenset({kind}))

    def _in_string(self, text: str, place: Place) -> Lexeme | Undecided | Decline | None:
        match = _STRING.match(text, place.position)
        assert match, "the pattern matches the empty text"
        end, is_empty = match.end(), match.end() == place.position
        if end < len(text):
            if not is_empty:
                return Lexeme(self._text, end)
            return Lexeme(self._close, end + 1) if text[end] == '"' else Decline(end)
        if place.at_end:
            return None
        return (
            Decline(end, frozenset({self._text, self._close}))
            if is_empty
            else Undecided(frozenset({self._text}))
        )

    def _between_lexemes(
        self, text: str, place: Place, *, may_be_raw: bool, may_be_float: bool
    ) -> Lexeme | Undecided | Decline | None:
        skipped = _skip_comments(text, place)
        if skipped is None:
            return None
        at = skipped.end
        if skipped.in_block and place.at_end:
            return None
        if not place.at_end and (skipped.is_open or text[at:] == "/"):
            return Undecided(None)
        closes = text[at : at + 1] in _CLOSING if at < len(text) else place.at_end
        if skipped.is_doc and closes and place.flags & DOCS_BIND:
            return None
        if _is_refused_word(text, at, place):
            return None
        char = text[at : at + 1]
        if not char:
            raw = self._raw_starts if may_be_raw and not place.at_end else []
            return Decline(at, frozenset([*raw, self._float] if may_be_float and not place.at_end else raw))
        if may_be_float and char in "0123456789":
            return self._number(text, at, at_end=place.at_end)
        if may_be_raw and char in "rbc":
            return self._raw_start(text, at, at_end=place.at_end)
        return Decline(at)

    def _number(self, text: str, at: int, *, at_end: bool) -> Lexeme | Undecided | Decline | None:
        match = _NUMBER.match(text, at)
        assert match, "a digit is a number"
        end = match.end()
        is_open, maybe = end == len(text) and not at_end, frozenset({self._float})
        if match["exponent"] and not match["digits"]:
            return Undecided(maybe) if is_open else None
        if not match["point"] and not match["exponent"]:
            return Decline(at, maybe if is_open else frozenset())
        if is_open and match["point"] == "." and not match["exponent"]:
            return Decline(at, maybe)
        if match["point"] != "." or match["exponent"]:
            suffix = _SUFFIX.match(text, end)
            if not at_end and (_BEGUN_SUFFIX.match(text, end) or (suffix and suffix.end() == len(text))):
                return Undecided(maybe, Lexeme(self._float, end))
            end = suffix.end() if suffix else end
        return Lexeme(self._float, end)

    def _raw_start(self, text: str, at: int, *, at_end: bool) -> Lexeme | Undecided | Decline | None:
        match = _RAW_START.match(text, at)
        if not match:
            is_begun = not at_end and text[at:] in ("b", "c")
            return Decline(at, frozenset(self._raw_starts) if is_begun else frozenset())
        letters, hashes, quote = match.groups()
        if len(hashes) > MAX_HASHES:
            return None
        if quote:
            return Lexeme(self._raw_starts[len(hashes)], match.end())
        if match.end() == len(text) and not at_end:
            starts = frozenset(self._raw_starts[len(hashes) :])
            if not hashes:
                return Decline(at, starts)
            return Undecided(starts | {self._name} if match[0] == "r#" else starts)
        is_raw_name = hashes == "#" and letters == "r" and text[match.end() : match.end() + 1].isidentifier()
        return Decline(at) if not hashes or is_raw_name else None


def _is_refused_word(text: str, at: int, place: Place) -> bool:
    """Say whether a word is no name where one has to follow: `_`, or one that no label is called."""
    word = _WORD.match(text, at)
    if not word or (word.end() == len(text) and not place.at_end):
        return False
    is_label = place.flags & LABEL and place.flags & NO_BLANK
    return bool((place.flags & NAME_FOLLOWS and word[0] == "_") or (is_label and word[0] in _NO_LABELS))


class Skipped(NamedTuple):
    """Blanks and comments: where they end, whether in a comment that more text goes on with, and what was said.

    is_doc  one of them is a doc comment, so something has to follow.
    """

    end: int
    is_open: bool = False
    in_block: bool = False
    is_doc: bool = False


def _skip_comments(text: str, place: Place) -> Skipped | None:
    """Skip blanks and comments; None: one is nested too deep, or a doc comment where none may stand."""
    at, is_doc = place.position, False
    while True:
        match = _BLANKS.match(text, at)
        assert match, "the pattern matches the empty text"
        at = match.end()
        if _is_forbidden_doc(text, at, place):
            return None
        is_doc |= bool(_DOC.match(text, at))
        if text.startswith("//", at):
            end = text.find("\n", at)
            at = len(text) if end == -1 else end + 1
            if end == -1:
                return Skipped(at, is_open=True, is_doc=is_doc)
        elif text.startswith("/*", at):
            depth, at = 1, at + 2
            while depth:
                part = _COMMENT_PART.search(text, at)
                if part is None:
                    return Skipped(len(text), is_open=True, in_block=True)
                depth, at = depth + (1 if part[0] == "/*" else -1), part.end()
                if depth > MAX_DEPTH:
                    return None
        else:
            return Skipped(at, is_doc=is_doc)


def _is_forbidden_doc(text: str, at: int, place: Place) -> bool:
    """Say whether a doc comment begins where none may stand; with its third character the text may still go on."""
    if not place.flags & NO_DOCS:
        return False
    is_sure = place.at_end or len(text) > at + len("///")
    return text.startswith(("//!", "/*!"), at) or bool(is_sure and _DOC.match(text, at))
