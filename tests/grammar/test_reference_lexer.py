"""The parts below the reference recogniser: tables, the automaton found in a compiled lexer, the parser's stack."""

from __future__ import annotations

import ctypes
import functools
import importlib
import random
from collections.abc import Callable
from ctypes import POINTER, c_void_p, cast

import pytest

from grammar import LANGUAGES
from grammar.errors import NotRegularError, UnknownAbiError
from grammar.reference.lex_automaton import LexAutomaton, sample_characters
from grammar.reference.parse_table import END, START_STATE, ParseTable, Reduce, Shift
from grammar.reference.stack import Stack
from grammar.reference.tree_sitter_abi import CompiledGrammar, TSLanguage, TSLexer
from grammar.reference.wheel_lexer import TextReader, WheelLexer

NAMES = ("python", "java", "go", "javascript", "typescript", "tsx", "rust")


@functools.cache
def grammar(name: str) -> CompiledGrammar:
    spec = LANGUAGES[name]
    return CompiledGrammar(getattr(importlib.import_module(spec.wheel), spec.function)())


@functools.cache
def automaton(name: str, which: str) -> LexAutomaton:
    return LexAutomaton(getattr(grammar(name).language, which), sample_characters())


@pytest.mark.parametrize("which", ["lex_fn", "keyword_lex_fn"])
@pytest.mark.parametrize("name", NAMES)
def test_the_automaton_does_what_the_compiled_lexer_does(name: str, which: str) -> None:
    found, function = automaton(name, which), getattr(grammar(name).language, which)
    rng, reader, lexemes = random.Random(5), TextReader(), 0
    for _ in range(1000):
        first = state = rng.randrange(found.num_states)
        word, lexeme, start = "", None, 0
        for length in range(rng.randrange(1, 14)):
            if (terminal := found.accepts(state)) is not None:
                lexeme = (terminal, start, length)
            steps = [
                (char, step)
                for char in rng.choices(found.alphabet, k=20)
                if (step := found.step(state, char))
            ]
            if not steps:
                break
            char, step = steps[0]
            word, state = word + char, step.state
            start = length + 1 if step.skips else start
        stop = next((char for char in found.alphabet if found.step(state, char) is None), None)
        if stop is None or len(word) == 0:
            continue
        if (terminal := found.accepts(state)) is not None:
            lexeme = (terminal, start, len(word))
        reading = reader.read(word + stop, 0, functools.partial(_call, function, first))
        assert ((reading.symbol, reading.start, reading.end) if reading.matched else None) == lexeme
        lexemes += reading.matched
    assert lexemes > 20


def _call(function: Callable[[int, int], bool], state: int, lexer: int) -> bool:
    return function(lexer, state)


def test_a_lexer_whose_states_cannot_all_be_entered_is_refused() -> None:
    @ctypes.CFUNCTYPE(ctypes.c_bool, c_void_p, ctypes.c_uint16)
    def hidden_state(address: int, state: int) -> bool:
        lexer = cast(address, POINTER(TSLexer)).contents
        if state == 0 and lexer.lookahead == ord("a"):
            lexer.advance(address, False)
            lexer.result_symbol = 7  # no state marks this at once
            lexer.mark_end(address)
        if state == 1:
            lexer.result_symbol = 5
            lexer.mark_end(address)
        return True

    with pytest.raises(NotRegularError, match="lexer state 0: no state behaves like what follows 'a'"):
        LexAutomaton(hidden_state, ["a", "b"]).step(0, "a")


def test_the_wheel_finds_the_longest_lexeme_and_tells_when_it_saw_the_end() -> None:
    lexer, table = WheelLexer(grammar("python")), ParseTable(grammar("python"))
    state = table.lex_mode(START_STATE).lex_state
    name = grammar("python").symbol_names.index("identifier")
    reading = lexer.read("  returns x", 0, state)
    assert (reading.symbol, reading.start, reading.end, reading.touched_end) == (name, 2, 9, False)
    assert lexer.read("returns", 0, state).touched_end
    assert lexer.keyword("return x", 0, 6) == grammar("python").symbol_names.index("return")
    assert lexer.keyword("returns x", 0, 7) is None


@pytest.mark.parametrize("name", NAMES)
def test_every_action_leads_to_something_that_exists(name: str) -> None:
    compiled, table = grammar(name), ParseTable(grammar(name))
    assert table.actions(START_STATE, END)
    for state in range(1, compiled.state_count, 7):
        for terminal in range(compiled.token_count):
            for action in table.actions(state, terminal):
                if isinstance(action, Shift):
                    assert 0 < action.state < compiled.state_count
                if isinstance(action, Reduce):
                    assert compiled.token_count <= action.symbol < compiled.symbol_count


def test_another_abi_is_refused() -> None:
    language = TSLanguage(abi_version=13)
    new_capsule = ctypes.pythonapi.PyCapsule_New
    new_capsule.restype, new_capsule.argtypes = ctypes.py_object, [c_void_p, ctypes.c_char_p, c_void_p]
    capsule = new_capsule(ctypes.addressof(language), b"tree_sitter.Language", None)
    with pytest.raises(UnknownAbiError, match="ABI 14 or 15, got ABI 13"):
        CompiledGrammar(capsule)


def test_equal_stacks_are_one_object_and_pushing_changes_none() -> None:
    bottom = Stack(None, 1, ())
    one = bottom.push(2, ()).push(3, ())
    assert bottom.push(2, ()).push(3, ()) is one
    assert bottom.push(2, ()).push(3, (1,)) is not one
    assert one.pop(2) is bottom
