"""Text to lexemes: the wheel's lexer decides, the lexeme rules of the language check what it found.

Maximal munch, keywords, and what an unfinished lexeme may still become:

    "retur"   the text ends while the lexer can read on: undecided; `reach` has identifier and return
    "return " decided: identifier, keyword return        "1_"  undecided; reach has integer; accepted was "1"
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from grammar.reference.lex_automaton import LexAutomaton, sample_characters
from grammar.reference.tree_sitter_abi import CompiledGrammar
from grammar.reference.wheel_lexer import Reading, WheelLexer
from grammar.rules.compile import LexemeTable, RuleTables
from grammar.rules.regex import NUM_CLASSES

_DEAD = 255  # in a lexeme rule's table


class Kind(NamedTuple):
    """What a lexeme is: a terminal, and the keyword that its text is where the terminal is the word token."""

    terminal: int
    keyword: int | None = None


@dataclass(frozen=True)
class Lexeme:
    """A decided lexeme that ends at a position."""

    kind: Kind
    end: int


@dataclass(frozen=True)
class Undecided:
    """The text ended first.

    reach     what the lexeme may be when some text follows; None: anything.
    accepted  what it is if the characters behind it turn out to belong to the next lexemes.
    """

    reach: frozenset[Kind] | None
    accepted: Lexeme | None = None


class _Open(NamedTuple):
    """A lexer part-way: state of the lexer, of the keyword lexer (None: no keyword), of each lexeme rule."""

    state: int
    keyword: int | None
    rules: tuple[int, ...]


class Lexer:
    """The lexer of a grammar under a language's lexeme rules."""

    def __init__(self, grammar: CompiledGrammar, tables: RuleTables) -> None:
        self._capture, self._tables = grammar.keyword_capture, tables
        self._column = functools.cache(self._find_column)
        self._wheel = WheelLexer(grammar)
        self._glued = {(t, chr(c)) for t, c in zip(tables.glued[::2], tables.glued[1::2], strict=True)}
        sample = sample_characters()
        self._main = LexAutomaton(grammar.language.lex_fn, sample)
        keywords = grammar.language.keyword_lex_fn
        self._keywords = LexAutomaton(keywords, sample) if grammar.has_keywords else None
        self.alphabet = _one_of_each(self.behaviour, sample)
        self._reach = functools.cache(self._find_reach)
        self._successors = functools.cache(self._find_successors)

    def behaviour(self, char: str) -> object:
        """Give a value that is equal for characters that no lexer of the grammar can tell apart."""
        return (
            self._column(ord(char)),
            self._main.behaviour(char),
            self._keywords.behaviour(char) if self._keywords else None,
        )

    def read(
        self, text: str, position: int, lex_state: int, *, at_end: bool, one_line: bool = False
    ) -> Lexeme | Undecided | None:
        """Find the lexeme at a position; None when no lexeme begins so.

        at_end    the text is complete; otherwise a lexeme that touches its end is undecided.
        one_line  no line break may be skipped before the lexeme.
        """
        reading = self._wheel.read(text, position, lex_state)
        if one_line and "\n" in text[position : reading.start]:
            return None
        if at_end or not reading.touched_end:
            return self._checked(text, position, reading)
        return self._unfinished(text, position, lex_state, one_line=one_line)

    # ---- a lexeme that the wheel found

    def _checked(self, text: str, position: int, reading: Reading) -> Lexeme | None:
        start, end, terminal = reading.start, reading.end, reading.symbol
        if not reading.matched or not self._are_blanks(text[position:start]):
            return None
        lexeme = text[start:end]
        variant = terminal
        for rule in self._tables.lexeme_filters:
            if terminal not in rule.terminals:
                continue
            matched = self._match(rule, lexeme, text[end : reading.read_to])
            if rule.variants:
                variant = rule.variants[matched]
            elif not matched:
                return None
        if (terminal, text[end : end + 1]) in self._glued:
            return None
        is_word = terminal == self._capture
        return Lexeme(Kind(variant, self._wheel.keyword(text, start, end) if is_word else None), end)

    def _are_blanks(self, skipped: str) -> bool:
        blanks = self._tables.blanks.decode()
        return not blanks or set(skipped) <= set(blanks)

    # ---- a lexeme that is still open

    def _unfinished(self, text: str, position: int, lex_state: int, *, one_line: bool) -> Undecided | None:
        """Follow the automaton to the end of the text; for the wheel a program would end there."""
        at: _Open | None = self._open(lex_state)
        accepted = self._accepted(at, None, position)
        for end, char in enumerate(text[position:], position + 1):
            before = at
            at = self._step(before, char)
            if at is None or (one_line and char == "\n" and self._skips(before, char)):
                return None  # a blank that is not allowed here
            accepted = self._accepted(at, accepted, end)
        return Undecided(self._reach(at), accepted)

    def _accepted(self, at: _Open, before: Lexeme | None, end: int) -> Lexeme | None:
        if self._main.accepts(at.state) is not None:
            kind = self._accepts(at)
            return Lexeme(kind, end) if kind else None
        for rule, state in zip(self._tables.lexeme_filters, at.rules, strict=True):
            if before and before.kind.terminal in rule.terminals and state != _DEAD and rule.commit[state]:
                return None  # a terminal with variants has no such rule
        return before

    def _open(self, lex_state: int) -> _Open:
        return _Open(lex_state, 0 if self._keywords else None, (0,) * len(self._tables.lexeme_filters))

    def _step(self, at: _Open, char: str) -> _Open | None:
        step = self._main.step(at.state, char)
        if step is None or (step.skips and not self._are_blanks(char)):
            return None
        if step.skips:
            return self._open(step.state)
        keyword = None
        if self._keywords and at.keyword is not None:
            after = self._keywords.step(at.keyword, char)
            keyword = after.state if after else None
        rules = zip(self._tables.lexeme_filters, at.rules, strict=True)
        return _Open(step.state, keyword, tuple(self._rule_step(*rule, char) for rule in rules))

    def _skips(self, at: _Open, char: str) -> bool:
        step = self._main.step(at.state, char)
        return step is not None and step.skips

    def _accepts(self, at: _Open) -> Kind | None:
        terminal = self._main.accepts(at.state)
        if terminal is None:
            return None
        variant = terminal
        for rule, state in zip(self._tables.lexeme_filters, at.rules, strict=True):
            if terminal not in rule.terminals:
                continue
            matched = 0 if state == _DEAD else rule.accepting[state]
            if rule.variants:
                variant = rule.variants[matched]
            elif not matched:
                return None
        if terminal != self._capture or self._keywords is None or at.keyword is None:
            return Kind(variant)
        return Kind(variant, self._keywords.accepts(at.keyword))

    def _find_successors(self, at: _Open) -> frozenset[_Open]:
        return frozenset(after for char in self.alphabet if (after := self._step(at, char)))

    def _find_reach(self, start: _Open) -> frozenset[Kind]:
        seen, waiting = {start}, [start]
        while waiting:
            new = self._successors(waiting.pop()) - seen
            seen |= new
            waiting += new
        return frozenset(kind for at in seen if (kind := self._accepts(at)))

    # ---- lexeme rules

    def _match(self, rule: LexemeTable, lexeme: str, read_on: str) -> int:
        """Give 0 where a rule refuses the lexeme, as it does where `commit` forbids to fall back to it."""
        state = functools.reduce(lambda at, char: self._rule_step(rule, at, char), lexeme, 0)
        matched = 0 if state == _DEAD else rule.accepting[state]
        for char in read_on:
            state = self._rule_step(rule, state, char)
            if state != _DEAD and rule.commit[state]:
                return 0
        return matched

    def _rule_step(self, rule: LexemeTable, state: int, char: str) -> int:
        return _DEAD if state == _DEAD else rule.next[state * NUM_CLASSES + self._column(ord(char))]

    def _find_column(self, code: int) -> int:
        sets = enumerate(self._tables.character_sets)
        return code if code < 128 else 128 + sum(1 << k for k, ends in sets if _contains(ends, code))


def _contains(ends: list[int], code: int) -> bool:
    return any(first <= code <= last for first, last in zip(ends[::2], ends[1::2], strict=True))


def _one_of_each(key: Callable[[str], object], chars: Iterable[str]) -> list[str]:
    kinds: dict[object, str] = {}
    for char in chars:
        kinds.setdefault(key(char), char)
    return list(kinds.values())
