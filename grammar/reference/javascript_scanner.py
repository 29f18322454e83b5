r"""JavaScript's and TypeScript's external tokens: semicolons that line breaks stand for, `?`, text of templates, JSX.

    x = 1 // note⏎     where a semicolon may come, blanks, line breaks and comments mean nothing but a line break;
      /* and */        the first characters of what follows decide. Either way reading goes on behind the blanks.
    y = 2

The same as the compiled scanners of tree-sitter-javascript and tree-sitter-typescript, but for what is listed in
`DIFFERENCES` (the native core has the same, see csrc/javascript_scanner.cpp).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from grammar.errors import GrammarError
from grammar.reference.lexer import Kind, Lexeme, Undecided
from grammar.reference.parse_table import ParseTable
from grammar.reference.scanner import Answer, Decline, External, Place, ScannerState
from grammar.rules.javascript_lines import LINE_CROSSED, LINE_ENDS, NO_INSERTION, ONE_LINE

DIFFERENCES = (
    "a comment over several lines counts as a line break",
    "a lone carriage return is a line break",
    "a word that begins with `in` and goes on with a digit, _, $ or a letter beyond ASCII begins a statement",
    "HTML-like comments are not read",
    "every blank that the grammar's lexer skips is a blank",
    "with types: a line break ends a type or the name of a member before * and `in`, and a type before <, too",
    "with types: no semicolon is inserted before } behind a member that may be a pattern's",
    "with types: `?`, blanks and a point are an operator and what follows",
)
_EXTERNALS = ("_automatic_semicolon", "string_fragment", "?", "html_comment", "||", "escape_sequence",
              "regex_pattern", "jsx_text")  # fmt: skip
_TYPED_EXTERNALS = (*_EXTERNALS, "_function_signature_automatic_semicolon", "__error_recovery")
_GOES_ON = "`,:;*%><=[(?^|&"
_LINE_BREAKS = "\n\r\u2028\u2029"
_BLANKS = " \t\n\v\f\r\u00a0\u1680\u202f\u205f\u3000\ufeff\u2028\u2029\u200b\u2060" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_BLANK_RUN = re.compile(f"[{_BLANKS}]*")
_TEMPLATE = re.compile(r"(?:[^`\\$]|\$(?!\{))*")
_JSX = re.compile(r"[^<>{}&]*")
_IN = ("in", "instanceof")


class JavaScriptScanner:
    """The scanner of tree-sitter-javascript's grammar, and of TypeScript's. Its only state is where the text stands."""

    def __init__(self, table: ParseTable) -> None:
        grammar, self._valid = table.grammar, table.valid_externals
        names = tuple(grammar.symbol_names[symbol] for symbol in grammar.external_symbols)
        if names not in (_EXTERNALS, _TYPED_EXTERNALS):
            raise GrammarError(
                f"expected the external tokens {', '.join(_EXTERNALS)}; got {', '.join(names)}"
            )
        self._table, self._has_types = table, names == _TYPED_EXTERNALS
        kinds = [Kind(symbol) for symbol in grammar.external_symbols]
        self._semicolon, self._template, self._question, self._jsx = kinds[0], kinds[1], kinds[2], kinds[7]
        self._takes = functools.cache(self._takes_at)

    def start(self) -> ScannerState:
        """Give the only state."""
        return None

    def scan(self, text: str, state: ScannerState, place: Place) -> Answer:
        """Find what begins at a place."""
        valid: dict[str, bool] = dict(
            zip(_TYPED_EXTERNALS, self._valid(place.external_lex_state), strict=False)
        )
        if place.external_lex_state == 0:
            found = Decline(place.position)
        elif valid["string_fragment"]:
            found = self._in_template(text, place)
        elif valid["jsx_text"]:
            found = self._in_jsx(text, place)
        else:
            may_insert = valid["_automatic_semicolon"] and not place.flags & NO_INSERTION
            goes_on = self._goes_on(valid, place)
            found = self._between_lexemes(text, place, goes_on, may_insert=may_insert, may_ask=valid["?"])
        return External(found, state) if isinstance(found, Lexeme) else found

    def _goes_on(self, valid: Mapping[str, bool], place: Place) -> str:
        """Give the characters that a statement goes on with behind a line break, so that no semicolon is inserted."""
        ends = "([`" if place.flags & LINE_ENDS else ""
        if self._has_types and not valid["||"]:
            ends += "([*i"  # behind a type or a member's name, not an operand
            ends += "" if self._is_name_ended(place.parser_state) else "<"
        body = "{" if self._has_types and valid["_function_signature_automatic_semicolon"] else ""
        return "".join(char for char in _GOES_ON + "/i" if char not in ends) + body

    def _is_name_ended(self, parser_state: int) -> bool:
        """Say whether what has been read may be the name of a member: `?` may follow, and no operator."""
        return self._takes(parser_state, "?") > 0 and self._takes(parser_state, "||") == 0

    def _needs_no_semicolon(self, parser_state: int) -> bool:
        """Say whether a member of `{a}`, which may turn out to be a pattern, has been read."""
        return self._is_name_ended(parser_state) and self._takes(parser_state, "}") > 1

    def _takes_at(self, parser_state: int, name: str) -> int:
        """Count what may be done with a terminal of the grammar's own lexer."""
        names = self._table.grammar.symbol_names[: self._table.grammar.token_count]
        terminal = next(i for i, other in enumerate(names) if other == name and i != self._question.terminal)
        return len(self._table.actions(parser_state, terminal))

    # ---- between lexemes

    def _between_lexemes(  # noqa: C901, PLR0911 - a list of cases, as in the native scanner
        self, text: str, place: Place, goes_on: str, *, may_insert: bool, may_ask: bool
    ) -> Lexeme | Undecided | Decline | None:
        crossed, at = bool(place.flags & LINE_CROSSED), place.position
        if may_insert:
            skipped = _skip_comments(text, at)
            if skipped is None:
                return None if place.at_end else Undecided(None)  # inside a comment
            at, is_line_open = skipped
            crossed = crossed or any(char in _LINE_BREAKS for char in text[place.position : at])
            if not place.at_end and (is_line_open or text[at:] == "/"):
                return Undecided(None)  # perhaps a comment
            if at == len(text) and place.at_end:
                return Lexeme(self._semicolon, at)
        elif may_ask:
            at = _skip_blanks(text, at)
        elif place.flags & ONE_LINE and re.search(r"[\r\n]", text[at : _skip_blanks(text, at)]):
            return None
        char = text[at : at + 1]
        if not char:
            also = {self._semicolon} if may_insert else set[Kind]()
            return Decline(at, frozenset(also | ({self._question} if may_ask else set[Kind]())))
        if may_ask and char == "?":
            return self._question_mark(text, at, at_end=place.at_end)
        if may_insert and char == "}":
            needs_none = self._has_types and self._needs_no_semicolon(place.parser_state)
            return Decline(at) if needs_none else Lexeme(self._semicolon, at)
        if may_insert and crossed:
            if char == "i" or char not in goes_on:
                return self._behind_line(text, at, at_end=place.at_end, may_be_in="i" in goes_on)
            return Decline(at)
        return Decline(at)

    def _question_mark(self, text: str, at: int, *, at_end: bool) -> Lexeme | Decline:
        mark = Lexeme(self._question, at + 1)
        if self._has_types:
            end = _skip_blanks(text, at + 1)
            char = text[end : end + 1]
            if char and char in ":),":  # an optional parameter's
                return Decline(at)
            if not char and not at_end and end > at + 1:
                return Decline(at, instead=mark)
        match text[at + 1 : at + 3]:
            case "" if not at_end:
                return Decline(at, frozenset({self._question}))
            case "." if not at_end:
                return Decline(at, instead=mark)
            case behind if behind[:1] == "?" or (behind[:1] == "." and not _is_digit(behind[1:])):
                return Decline(at)
            case _:
                return mark

    def _behind_line(self, text: str, at: int, *, at_end: bool, may_be_in: bool) -> Lexeme | Decline:
        """Decide by the first characters behind a line break."""
        semicolon, char, behind = Lexeme(self._semicolon, at), text[at], text[at + 1 : at + 2]
        if char in ".+-!":
            if not behind and not at_end:
                return Decline(at, instead=semicolon)
            inserts = {".": _is_digit(behind), "!": behind != "="}.get(char, behind == char)
            return semicolon if inserts else Decline(at)
        if not may_be_in:
            return semicolon
        word = next(
            (n for n in range(len(_IN[1])) if text[at + n : at + n + 1] != _IN[1][n]), len(_IN[1])
        )  # characters of "instanceof"
        end = at + word
        if end == len(text) and word and not at_end:
            return Decline(at, instead=semicolon)
        is_operator = _IN[1][:word] in _IN and not _is_word(text[end : end + 1])
        return Decline(at) if is_operator else semicolon

    # ---- text

    def _in_template(self, text: str, place: Place) -> Lexeme | Undecided | Decline | None:
        match = _TEMPLATE.match(text, place.position)
        assert match, "the pattern matches the empty text"
        end = match.end()
        if end < len(text):
            return Lexeme(self._template, end) if end > place.position else Decline(end)
        if place.at_end:
            return None
        if text.endswith("$") and end > place.position:
            if end - 1 > place.position:  # `${` may be what has begun, behind the text
                return Undecided(frozenset({self._template}), Lexeme(self._template, end - 1))
            return Decline(place.position, frozenset({self._template}))
        if end > place.position:
            return Undecided(frozenset({self._template}))
        return Decline(end, frozenset({self._template}))

    def _in_jsx(self, text: str, place: Place) -> Lexeme | Undecided | Decline | None:
        match = _JSX.match(text, place.position)
        assert match, "the pattern matches the empty text"
        end, is_text = match.end(), not _is_layout(match.group())
        if end < len(text):
            return Lexeme(self._jsx, end) if is_text else Decline(end)
        if place.at_end:
            return None
        return (
            Undecided(frozenset({self._jsx})) if is_text else Decline(place.position, frozenset({self._jsx}))
        )


def _skip_blanks(text: str, at: int) -> int:
    match = _BLANK_RUN.match(text, at)
    assert match, "the pattern matches the empty text"
    return match.end()


def _skip_comments(text: str, at: int) -> tuple[int, bool] | None:
    """Give the place behind blanks and comments, and whether a line comment lasts to there; None: inside one."""
    while True:
        at = _skip_blanks(text, at)
        if text.startswith("//", at):
            ends = [end for char in _LINE_BREAKS if (end := text.find(char, at)) != -1]
            if not ends:
                return len(text), True
            at = min(ends)
        elif text.startswith("/*", at):
            end = text.find("*/", at + 2)
            if end == -1:
                return None
            at = end + 2
        else:
            return at, False


def _is_digit(text: str) -> bool:
    return text[:1] != "" and text[0] in "0123456789"


def _is_word(char: str) -> bool:
    return bool(char) and (char in "_$\\" or (char.isalnum() if char < "\x80" else char not in _BLANKS))


def _is_layout(text: str) -> bool:
    """Say whether a text is nothing but line breaks and the blanks behind them."""
    return text == "" or (text[0] == "\n" and all(char in _BLANKS for char in text))
