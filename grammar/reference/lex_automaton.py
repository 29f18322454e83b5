"""The finite automaton inside a compiled lexer, found by experiment.

A compiled lexer can be started in every one of its states, but does not tell which state a character leads to. So a
state is known by what it does: an experiment feeds it a word and notes, character by character, whether it marks a
terminal, advances, skips or stops. A tree of words sorts states by their outcomes; the state behind (state,
character) is sorted the same way, its outcomes being what remains after that first character.

    word "a": stops?  --yes--> word "1": ...          two states of one leaf whose characters lead to different
                      --no---> leaf {3, 17}           leaves are told apart by one longer word, until none differ

The leaves are then the classes of equal behaviour (Nerode; the method is Kearns and Vazirani 1994 with states that
can be entered at will).
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from grammar.errors import NotRegularError
from grammar.reference.wheel_lexer import LexerView

CompiledLexer = Callable[[int, int], bool]
Word = tuple[int, ...]
Outcome = tuple[tuple[int | None, str], ...]  # by character: terminal marked before it, what was done with it

_SOMETHING_ELSE = 0x7FFFFFF0  # a code point no lexer knows stands behind the word
_IDLE_STATES = 50  # state numbers are dense: so many idle ones in a row are past the last


class Step(NamedTuple):
    """Where a character leads; `skips`: it is a blank before the lexeme."""

    state: int
    skips: bool


@dataclass(eq=False)
class _Node:
    states: list[int]
    parent: _Node | None = None
    word: Word | None = None  # None: a leaf
    children: dict[Outcome, _Node] = field(default_factory=dict[Outcome, "_Node"])


def sample_characters() -> list[str]:
    """Give ASCII without NUL, and other characters of every kind that a grammar could tell apart."""
    kinds: dict[object, str] = {}
    for code in [*range(128, 0x3000), *range(0x3000, 0x110000, 61)]:
        char = chr(code)
        if not 0xD800 <= code < 0xE000:
            kind = (unicodedata.category(char), char.isidentifier(), f"a{char}".isidentifier(), code > 0xFFFF)
            kinds.setdefault((kind, code > 0x2FF), char)
    return [chr(code) for code in range(1, 128)] + ["\ufeff", "\u200b", "\u2060", *kinds.values()]


class LexAutomaton:
    """The automaton of one compiled lexer. States keep the lexer's numbers.

    alphabet  characters of which every other behaves like one, as far as a sample of Unicode tells; `step` itself
              is exact for each character.
    """

    def __init__(self, function: CompiledLexer, sample: list[str]) -> None:
        self._function = function
        self.accepts = functools.cache(self._accepts)
        self._experiment = _Experiment()
        self._steps: dict[tuple[int, int], Step | None] = {}
        self._leaves: dict[tuple[int, int], _Node] = {}
        self.num_states = self._count_states()
        self._varied = self._find_varied_states(sample)
        alphabet = {self.behaviour(char): char for char in reversed(sample)}
        self.alphabet = [char for char in sample if alphabet[self.behaviour(char)] == char]
        self._root = _Node(list(range(self.num_states)))
        self._codes = [ord(char) for char in self.alphabet]
        for word in [(), *((code,) for code in self._codes)]:
            for leaf in self._all_leaves():
                self._split(leaf, word)
        self._refine()

    def step(self, state: int, char: str) -> Step | None:
        """Give the state after a character; None when the lexeme cannot go on."""
        key = state, ord(char)
        if key not in self._steps:
            action = self._run(state, (key[1],))[0][1]
            self._steps[key] = (
                None if action == "stop" else Step(self._target(*key).states[0], action == "skip")
            )
        return self._steps[key]

    def _accepts(self, state: int) -> int | None:
        """Give the terminal that is complete in a state."""
        return self._run(state, ())[0][0]

    def behaviour(self, char: str) -> object:
        """Give what tells characters apart: ASCII itself, beyond it what the states do that tell them apart."""
        if ord(char) < 128:
            return char
        return tuple(self._run(state, (ord(char),))[0][1] for state in self._varied)

    def _run(self, state: int, word: Word) -> Outcome:
        return self._experiment.run(self._function, state, word)

    def _count_states(self) -> int:
        last = state = 0
        while state - last < _IDLE_STATES:
            if any(self._run(state, (code,))[0] != (None, "stop") for code in range(1, 129)):
                last = state
            state += 1
        return last + 1

    def _find_varied_states(self, sample: list[str]) -> list[int]:
        beyond = [ord(char) for char in sample if ord(char) >= 128]
        found: dict[object, int] = {}
        for state in range(self.num_states):
            actions = tuple(self._run(state, (code,))[0][1] for code in beyond)
            if len(set(actions)) > 1:
                found.setdefault(actions, state)
        return list(found.values())

    def _all_leaves(self) -> list[_Node]:
        leaves, waiting = list[_Node](), [self._root]
        while waiting:
            node = waiting.pop()
            waiting += node.children.values()
            if node.word is None:
                leaves.append(node)
        return leaves

    def _split(self, leaf: _Node, word: Word) -> bool:
        parts: dict[Outcome, list[int]] = {}
        for state in leaf.states:
            parts.setdefault(self._run(state, word), []).append(state)
        if len(parts) == 1:
            return False
        leaf.word, leaf.children = word, {o: _Node(states, leaf) for o, states in parts.items()}
        return True

    def _target(self, state: int, code: int) -> _Node:
        """Sort the state behind a character into its leaf; goes on from the leaf found before."""
        node = self._leaves.get((state, code), self._root)
        while node.word is not None:
            outcome = self._run(state, (code, *node.word))[1:]
            if outcome not in node.children:
                raise NotRegularError(
                    f"lexer state {state}: no state behaves like what follows {chr(code)!r}"
                )
            node = node.children[outcome]
        self._leaves[state, code] = node
        return node

    def _refine(self) -> None:
        waiting = self._all_leaves()
        while waiting:
            waiting = [leaf for leaf in self._all_leaves() if self._split_by_targets(leaf)]

    def _split_by_targets(self, leaf: _Node) -> bool:
        first, *others = leaf.states
        live = [code for code in self._codes if self._run(first, (code,))[0][1] != "stop"] if others else []
        for code in live:
            for other in others:
                a, b = self._target(first, code), self._target(other, code)
                if a is not b:
                    return self._split(leaf, (code, *_distinguishing_word(a, b)))
        return False


def _distinguishing_word(a: _Node, b: _Node) -> Word:
    above = list(_path_up(a))
    node = next(node for node in _path_up(b) if node in above)
    assert node.word is not None
    return node.word


def _path_up(node: _Node) -> Iterable[_Node]:
    while node.parent is not None:
        node = node.parent
        yield node


class _Experiment(LexerView):
    """Drives a compiled lexer over a word and notes what it does."""

    def __init__(self) -> None:
        super().__init__()
        self._word: Word = ()
        self._at, self._stopped = 0, False
        self._marked: int | None = None
        self._events: list[tuple[int | None, str]] = []

    def run(self, function: CompiledLexer, state: int, word: Word) -> Outcome:
        """Give the outcome; it ends where the lexer stops, or reads beyond the word."""
        self._word, self._at, self._stopped, self._marked, self._events = word, 0, False, None, []
        self.lexer.lookahead = word[0] if word else _SOMETHING_ELSE
        function(self.address, state)
        if not self._stopped:
            self._events.append((self._marked, "stop"))
        return tuple(self._events)

    def advance(self, _: int, skip: bool) -> None:  # noqa: FBT001 the wheel's signature
        """Note what was done with the character."""
        if self._stopped:
            return
        if self._at == len(self._word):  # what comes behind the word no longer tells states apart
            self._events.append((self._marked, "beyond"))
            self._stopped, self.lexer.lookahead = True, 0
            return
        self._events.append((self._marked, "skip" if skip else "advance"))
        self._marked = None
        self._at += 1
        self.lexer.lookahead = self._word[self._at] if self._at < len(self._word) else _SOMETHING_ELSE

    def mark_end(self, _: int) -> None:
        """Note the terminal."""
        self._marked = self.lexer.result_symbol

    def is_at_end(self, _: int) -> bool:
        """Tell the lexer to stop once the word is read."""
        return self._stopped
