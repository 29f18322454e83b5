"""The recogniser: which byte strings begin a program of the language, and which are one.

This is the definition that the native core is compared with. It reads whole texts and tries everything; it keeps no
tables, no windows and no masks.

    text       x = [1, 2
    parses     one Path for each way to read it: parser stack, scanner state, position of the next lexeme
    open       a path whose next lexeme is undecided, because the text ends first
    viable     some open path has a lexeme in reach that its stack can take
"""

from __future__ import annotations

import codecs
import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from grammar.errors import AmbiguityError
from grammar.reference.javascript_scanner import JavaScriptScanner
from grammar.reference.language import ReferenceLanguage, load_reference
from grammar.reference.lexer import Lexeme, Lexer, Undecided
from grammar.reference.parse_table import END, ParseTable
from grammar.reference.python_scanner import PythonScanner
from grammar.reference.rust_scanner import RustScanner
from grammar.reference.scanner import (
    Decline,
    External,
    LineStart,
    NoScanner,
    Place,
    Scanner,
    ScannerState,
    WheelScanner,
)
from grammar.reference.stack import Parser, Stack

MAX_PATHS = 256  # alive at once; real files need fewer than ten
_BYTE_ORDER_MARK = "\ufeff"
_NO_LINE_BREAK = 2  # in the flags of the stack rules, bits 0-1: none may be skipped here


class Path(NamedTuple):
    """One way to read the text up to a position.

    begins_line  a line start has been found here, so the scanner does not look for it again.
    """

    stack: Stack
    scanner_state: ScannerState
    position: int
    begins_line: bool = False


@dataclass(frozen=True)
class Progress:
    """All ways to read a text: those that wait for more of it, and whether it is a program as it is."""

    open: tuple[tuple[Path, Undecided], ...]
    accepted: bool

    @property
    def paths(self) -> list[Path]:
        """Where reading goes on when there is more text."""
        return [path for path, _ in self.open]


class ReferenceRecognizer:
    """Recognises texts of one language. Slow: some 10 µs a byte, and 1 ms where a text is open at its end.

    Raises AmbiguityError from every question about a text that has more than MAX_PATHS parses alive at once.
    """

    def __init__(self, language: ReferenceLanguage) -> None:
        grammar, tables = language.grammar, language.tables
        self._table = ParseTable(grammar)
        self._lexer = Lexer(grammar, tables)
        self._parser = Parser(self._table, tables, grammar.token_count)
        self._scanner = _make_scanner(language.scanner, self._table)
        self._ends_like_nul = language.has_rules
        self._blanks = tables.blanks.decode()
        self._starts = functools.cache(self._find_start)
        self._start = self._starts(0)
        self._completions = functools.cache(self._find_completions)

    def _find_start(self, top: int) -> Path:
        return Path(self._parser.start(top), self._scanner.start(), 0)

    def is_viable_prefix(self, data: bytes, top: int = 0) -> bool:
        """Say whether some program begins with the bytes, as far as grammar and rules can tell.

        top  what text behind them asks for, a level of StackRule.tops.
        """
        return self._is_viable([self._starts(top)], data)

    def can_end(self, data: bytes) -> bool:
        """Say whether the bytes are a program."""
        text, pending = _decode(data) or ("", b"?")
        return not pending and self._read([self._start], text, at_end=True).accepted

    def allowed_tokens(self, prefix: bytes, vocabulary: Sequence[bytes | None]) -> list[bool]:
        """Give for every token whether a program may begin with prefix and token. None is never allowed."""
        text, _ = _decode(prefix) or ("", b"")
        # A mark of byte order is not part of the text, so positions count from behind it; it may be incomplete.
        paths = self._read([self._start], text, at_end=False).paths if text else [self._start]
        return [token is not None and self._is_viable(paths, prefix + token) for token in vocabulary]

    # ---- whole texts

    def _is_viable(self, paths: Iterable[Path], data: bytes) -> bool:
        decoded = _decode(data)
        if decoded is None:
            return False
        text, pending = decoded
        if not pending:
            return self._has_viable(paths, text)
        if not text and _BYTE_ORDER_MARK.encode().startswith(data):
            return True
        return any(self._has_viable(paths, text + char) for char in self._completions(pending))

    def _has_viable(self, paths: Iterable[Path], text: str) -> bool:
        progress = self._read(paths, text, at_end=False)
        return any(self._is_open_viable(path, undecided, text) for path, undecided in progress.open)

    def _is_open_viable(self, path: Path, undecided: Undecided, text: str) -> bool:
        if undecided.reach is None or any(self._parser.step(path.stack, *kind) for kind in undecided.reach):
            return True
        # What was read may turn out to be a shorter lexeme and the beginning of others.
        accepted = undecided.accepted
        return accepted is not None and self._has_viable(self._after(path, accepted, text), text)

    def _find_completions(self, pending: bytes) -> list[str]:
        """Give the characters that begin with the bytes, one of each kind that the lexers can tell apart."""
        length = 4 if pending[0] >= 0xF0 else 3 if pending[0] >= 0xE0 else 2
        kinds: dict[object, str] = {}
        for rest in itertools.product(range(0x80, 0xC0), repeat=length - len(pending)):
            text, _ = _decode(pending + bytes(rest), drop_mark=False) or ("", b"")
            if text:
                kinds.setdefault(self._lexer.behaviour(text), text)
        return list(kinds.values())

    # ---- the parses of a text

    def _read(self, paths: Iterable[Path], text: str, *, at_end: bool) -> Progress:
        """Read on from every path to the end of the text."""
        waiting, seen = list(paths), set(paths)
        still_open: list[tuple[Path, Undecided]] = []
        accepted = False
        while waiting:
            if len(waiting) > MAX_PATHS:
                raise AmbiguityError(f"expected at most {MAX_PATHS} parses at once, at {waiting[0].position}")
            path = min(waiting, key=lambda waiting_path: waiting_path.position)
            waiting.remove(path)
            found, scanner_state = self._next(path, text, at_end=at_end)
            after: list[Path] = []
            match found:
                case Undecided():
                    still_open.append((path, found))
                case Lexeme(kind) if kind.terminal == END:
                    accepted |= self._ends(path, text)
                case Lexeme():
                    after = self._after(path._replace(scanner_state=scanner_state), found, text)
                case LineStart():
                    after = self._after_line_start(path, found)
                case None:
                    pass
            waiting += [new for new in dict.fromkeys(after) if new not in seen]
            seen.update(after)
        return Progress(tuple(still_open), accepted)

    def _ends(self, path: Path, text: str) -> bool:
        if self._parser.accepts_end(path.stack):
            return True
        if not self._ends_like_nul:
            return False
        # Go's grammar ends a statement at the end of the text by a terminal for NUL; its compiled lexer gives the
        # end symbol instead after a name. tree-sitter then reports an error; Go does not.
        mode = self._table.lex_mode(path.stack.state)
        found = self._lexer.read(text + "\0", path.position, mode.lex_state, at_end=True)
        if not isinstance(found, Lexeme) or found.end <= len(text):
            return False
        return any(self._parser.accepts_end(after.stack) for after in self._after(path, found, text))

    def _next(
        self, path: Path, text: str, *, at_end: bool
    ) -> tuple[Lexeme | Undecided | LineStart | None, ScannerState]:
        state = path.stack.state
        mode = self._table.lex_mode(state)
        flags = self._parser.rules.lex_flags(path.stack.context)
        place = Place(path.position, state, mode.external_lex_state, flags, path.begins_line, at_end)
        answer = self._scanner.scan(text, path.scanner_state, place)
        if isinstance(answer, External):
            return answer.lexeme, answer.state
        if not isinstance(answer, Decline):
            return answer, path.scanner_state
        one_line = flags & 3 == _NO_LINE_BREAK and isinstance(self._scanner, NoScanner)
        found = self._lexer.read(text, answer.position, mode.lex_state, at_end=at_end, one_line=one_line)
        if answer.also or answer.instead:
            reach = found.reach if isinstance(found, Undecided) and found.reach else frozenset()
            accepted = found.accepted if isinstance(found, Undecided) else found
            found = Undecided(reach | answer.also, answer.instead or accepted)
        return found, path.scanner_state

    def _after(self, path: Path, lexeme: Lexeme, text: str) -> list[Path]:
        spelled = text[path.position : lexeme.end].lstrip(self._blanks)
        stacks = self._parser.step(path.stack, *lexeme.kind, spelled)
        return [Path(stack, path.scanner_state, lexeme.end) for stack in stacks]

    def _after_line_start(self, path: Path, found: LineStart) -> list[Path]:
        assert isinstance(self._scanner, PythonScanner)
        resolved = self._scanner.resolve(self._parser, path.stack, path.scanner_state, found)
        return [Path(stack, indentation, found.end, begins_line=True) for stack, indentation in resolved]


@functools.cache
def load_recognizer(name: str, *, rules: bool = True) -> ReferenceRecognizer:
    """Give the recogniser of a language of the registry; what it found out about the lexer is shared by all users."""
    return ReferenceRecognizer(load_reference(name, rules=rules))


def _make_scanner(name: str, table: ParseTable) -> Scanner:
    match name:
        case "wheel":
            return WheelScanner(table)
        case "python":
            return PythonScanner(table)
        case "javascript" | "typescript":
            return JavaScriptScanner(table)
        case "rust":
            return RustScanner(table)
        case _:
            return NoScanner()


def _decode(data: bytes, *, drop_mark: bool = True) -> tuple[str, bytes] | None:
    """Give the text and the bytes of an unfinished character behind it; None for invalid UTF-8 and for NUL."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(data)
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    pending, _ = decoder.getstate()
    return text.removeprefix(_BYTE_ORDER_MARK) if drop_mark else text, pending
