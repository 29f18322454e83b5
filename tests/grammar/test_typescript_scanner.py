"""TypeScript's scanner against the one that the wheel carries, on real and damaged code."""

from __future__ import annotations

import functools
import importlib
import random
import re

import pytest
from tree_sitter import Language as TreeSitterLanguage
from tree_sitter import Parser

from benchmarks.grammar_oracles.corpora import SourceFile, source_files
from benchmarks.grammar_oracles.measure import without_rules
from grammar import LANGUAGES, Language, can_end, is_viable_prefix, load_language
from grammar.reference.javascript_scanner import JavaScriptScanner
from grammar.reference.lexer import Lexeme
from grammar.reference.parse_table import ParseTable
from grammar.reference.scanner import Decline, External, Place
from grammar.reference.tree_sitter_abi import CompiledGrammar
from grammar.reference.wheel_lexer import CompiledScanner
from grammar.warmup import warm_texts
from tests.grammar.conftest import sources
from tests.grammar.test_javascript_scanner import DIFFERENT as DIFFERENT_IN_JAVASCRIPT
from tests.grammar.test_javascript_scanner import PIECES as JAVASCRIPT_PIECES
from tests.grammar.test_javascript_scanner import damaged

NAMES = ("typescript", "tsx")
PIECES = [*JAVASCRIPT_PIECES, b"?: ", b"? ", b"?)", b"?\n:", b"\n<", b"\n*", b"\nin", b": {", b"interface A {",
          b"type A = ", b"=> ", b"}: ", b"!", b" as ", b"readonly ", b"\n{", b"|", b"}\n:"]  # fmt: skip

# What ours reads otherwise (grammar/reference/javascript_scanner.py).
_DIFFERENT = re.compile(rb"\n\s*(?:[<*]|in|\.[0-9])|\}\s*:|\{[^{}]*\}\s*=>|\?\s+\.")


@functools.cache
def plain(name: str) -> Language:
    """The grammar without rules, but for what the scanner has to be told."""
    language = without_rules(name)
    assert language is not None
    return language


def capsule(name: str) -> object:
    spec = LANGUAGES[name]
    return getattr(importlib.import_module(spec.wheel), spec.function)()


@functools.cache
def parser(name: str) -> Parser:
    return Parser(TreeSitterLanguage(capsule(name)))  # pyright: ignore[reportArgumentType]


@functools.cache
def files(name: str) -> list[SourceFile]:
    return [f for f in source_files(name, seed=7)[:120] if len(f.read()) < 40_000]


def texts_of(name: str) -> list[bytes]:
    return [*sources(name), *warm_texts(name), *(file.read() for file in files(name))]


def accepts(name: str, text: bytes) -> bool:
    return not parser(name).parse(text).root_node.has_error


@pytest.mark.parametrize("name", NAMES)
def test_real_files_are_read_as_tree_sitter_reads_them(name: str) -> None:
    """But that tree-sitter forgets parses where it has many, and so refuses a few files that its grammar has."""
    if not files(name):
        pytest.skip("no TypeScript on this machine")
    for file in files(name):
        text = file.read()
        assert can_end(plain(name), text) or not accepts(name, text), file.origin


@pytest.mark.parametrize("name", NAMES)
def test_damaged_texts_are_read_as_tree_sitter_reads_them(name: str) -> None:
    rng, texts = random.Random(2), texts_of(name)
    compared = accepted = 0
    while compared < 2000:
        text = damaged(rng.choice(texts), rng, PIECES)
        if DIFFERENT_IN_JAVASCRIPT.search(text):
            continue
        compared += 1
        accepted += accepts(name, text)
        ours, theirs = can_end(plain(name), text), accepts(name, text)
        assert ours or not theirs, text
        assert theirs or not ours or _DIFFERENT.search(text), text
    assert accepted > 100


@functools.cache
def scanners(name: str) -> tuple[ParseTable, JavaScriptScanner, CompiledScanner]:
    table = ParseTable(CompiledGrammar(capsule(name)))
    return table, JavaScriptScanner(table), CompiledScanner(table.grammar)


@pytest.mark.parametrize("name", NAMES)
def test_each_external_token_is_what_the_wheels_scan_gives(name: str) -> None:
    """At every kind of place and in texts from anywhere; an inserted semicolon ends behind the blanks here."""
    table, ours, wheels = scanners(name)
    modes = [(s, table.lex_mode(s).external_lex_state) for s in range(1, table.grammar.language.state_count)]
    states = {row: state for state, row in modes if row > 1}
    semicolon, question = table.grammar.external_symbols[0], table.grammar.external_symbols[2]
    rng, found, texts = random.Random(3), 0, texts_of(name)
    for _ in range(8000):
        text = damaged(rng.choice(texts), rng, PIECES)
        if DIFFERENT_IN_JAVASCRIPT.search(text) or _DIFFERENT.search(text) or not text:
            continue
        decoded = text.decode()
        at = rng.randrange(len(decoded))
        row = rng.choice(sorted(states))
        reading, _ = wheels.scan(decoded, at, row, b"")
        answer = ours.scan(decoded, None, Place(at, states[row], row, 0, begins_line=False, at_end=True))
        if not reading.matched or table.grammar.symbol_names[reading.symbol] == "html_comment":
            # Behind a comment the wheel asks anew; ours has read on over it.
            if isinstance(answer, External):
                assert re.match(r"\s*/[/*]", decoded[at:]), decoded[at:]
            continue
        found += 1
        if isinstance(answer, Decline):
            assert reading.symbol == semicolon, decoded[at:]
            assert re.match(r"\s*(/[/*]|\})", decoded[at:]), decoded[at:]
            continue
        if answer is None:  # the text of JSX at the end of the text
            assert reading.end == len(decoded), decoded[at:]
            continue
        assert isinstance(answer, External), decoded[at:]
        assert isinstance(answer.lexeme, Lexeme)
        assert answer.lexeme.kind.terminal == reading.symbol, decoded[at:]
        assert reading.symbol in (semicolon, question) or answer.lexeme.end == reading.end, decoded[at:]
    assert found > 100


@pytest.mark.parametrize(
    ("text", "viable", "ends"),
    [
        ("let a\nb", True, True),
        ("interface A { a: b\n c: d }", True, True),
        ("interface A { a: b\n (c): d\n [e: f]: g\n <H>(i): j\n in: k }", True, True),
        ("class A { a\n [b]\n *c() {} }", True, True),
        ("class A { a = 1\n [b]: c }", False, False),  # an element
        ("class A { a\n <B>(c) {} }", True, True),  # a method
        ("x = a\n(b)", True, True),  # a call
        ("function f(): void\n{ }", True, True),
        ("function f(): void\ng()", True, True),
        ("declare function f(): { a: b }\nlet c", True, True),
        ("type A = b\n | c", True, True),
        ("type A = b\n extends", True, True),  # a name
        ("namespace A\n{ export let b }", True, True),
        ("(a?) => b", True, True),
        ("(a ?: b) => c", True, True),
        ("(a ? : b) => c", True, True),
        ("(a?\n) => c", True, True),
        ("x = (a ? ", True, False),
        ("x = (a ? b : c)", True, True),
        ("x = (a ?\n  b : c)", True, True),
        ("x = (a?.5:1)", True, True),
        ("x = a ? (b) : c", True, True),
        ("x = a ? (b): c => d : e", True, True),
        ("type F = ({a}: {a: number}) => b", True, True),
        ("type F = ({a}) => b", True, True),
        ("type F = ({\n  a,\n  b\n}: C) => d", True, True),
        ("type F = {a}", True, True),
        ("type F = {\n a\n}", True, True),
        ("x = a ? () => { return } : b", True, True),
        ("namespace A { type B = 'c'\n}", True, True),
        ("let x = a\n!b", True, True),
        ("x = a!\nb", True, True),
        ("x = a\nas", True, True),  # a name
        ("x = a\nin", True, False),
        ("x = `a${b}", True, False),
        ("type A = `a${B}`", True, True),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_prefix(name: str, text: str, viable: bool, ends: bool) -> None:
    assert is_viable_prefix(load_language(name), text.encode()) == viable
    assert can_end(load_language(name), text.encode()) == ends
