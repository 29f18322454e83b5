"""Rust's scanner against the one that the wheel carries, on real and damaged code."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import random
import re

import pytest
from tree_sitter import Language as TreeSitterLanguage
from tree_sitter import Parser

from benchmarks.grammar_oracles.corpora import SourceFile, source_files
from grammar import (
    LANGUAGES,
    Language,
    SyntaxMatcher,
    TokenVocabulary,
    can_end,
    is_viable_prefix,
    load_language,
    load_spec,
)
from grammar.reference.lexer import Lexeme
from grammar.reference.parse_table import ParseTable
from grammar.reference.rust_scanner import RustScanner
from grammar.reference.scanner import Decline, External, Place
from grammar.reference.tree_sitter_abi import CompiledGrammar
from grammar.reference.wheel_lexer import CompiledScanner
from grammar.rules.model import LanguageRules
from grammar.rules.rust_strings import RAW_STRINGS, VARIANTS
from tests.grammar.conftest import RUST
from tests.grammar.test_javascript_scanner import damaged

PIECES = [
    b"", b";", b"\n", b"// c\n", b"/// d\n", b"//! d\n", b"//// e\n", b"/* c */", b"/** c */", b"/*! c */",
    b"/**/", b"/***/", b"/*!*/", b"/* /* */ */", b"/*/*/", b"/*", b"*/", b"/", b"*", b"}", b"{", b"(", b")",
    b'"', b'r"', b'r#"', b'"#', b'br##"a"#"##', b'cr"b"', b"r#a", b"#", b"\\", b"\\n", b"\\\n", b"'", b"'a",
    b"1", b".5", b"1.", b"1..2", b"1.a()", b"e5", b"e-5", b"1.5f32", b"_", b"f64", b"u8", b"0x1e5", b".", b"..",
    b"a", b"b", b"c", b"r", b" ", b"!", b"\xc3\xa9",
]  # fmt: skip

# What ours reads otherwise (grammar/reference/rust_scanner.py): exponents without digits, hashes that begin nothing, a
# comment's beginning behind a slash.
DIFFERENT = re.compile(
    rb"//\*|[0-9][eE][+\-_]*(?![+\-_0-9])|r#(?![A-Za-z_\"#])|r##|[0-9]\._|[0-9]\.\xc3|\xc3\xa9"
)


@functools.cache
def plain() -> Language:
    """The grammar without rules, but for what the scanner has to be told."""
    rules = LanguageRules(stack_rules=(RAW_STRINGS,), variants=VARIANTS, extras=())
    return load_spec(dataclasses.replace(LANGUAGES["rust"], name="rust-strings", rules=lambda: rules))


@functools.cache
def parser() -> Parser:
    capsule: object = importlib.import_module("tree_sitter_rust").language()
    return Parser(TreeSitterLanguage(capsule))


@functools.cache
def files() -> list[SourceFile]:
    return [f for f in source_files("rust", seed=7)[:60] if len(f.read()) < 40_000]


def accepts(text: bytes) -> bool:
    return not parser().parse(text).root_node.has_error


def test_real_files_are_read_as_tree_sitter_reads_them() -> None:
    if not files():
        pytest.skip("no Rust on this machine")
    for file in files():
        text = file.read()
        assert can_end(plain(), text) == accepts(text), file.origin


def test_damaged_texts_are_read_as_tree_sitter_reads_them() -> None:
    rng = random.Random(2)
    texts = [RUST, *(file.read() for file in files())]
    compared = accepted = 0
    while compared < 3000:
        text = damaged(rng.choice(texts), rng, PIECES)
        if DIFFERENT.search(text):
            continue
        compared += 1
        accepted += accepts(text)
        assert can_end(plain(), text) == accepts(text), text
    assert accepted > 100


@functools.cache
def scanners() -> tuple[ParseTable, RustScanner, CompiledScanner]:
    table = ParseTable(CompiledGrammar(importlib.import_module("tree_sitter_rust").language()))
    return table, RustScanner(table), CompiledScanner(table.grammar)


def test_each_external_token_is_what_the_wheels_scan_gives() -> None:
    """At every kind of place but in comments, and in texts from anywhere."""
    table, ours, wheels = scanners()
    states = range(1, table.grammar.language.state_count)
    rows = sorted({table.lex_mode(s).external_lex_state for s in states} - {0})
    in_comments = [row for row in rows if any(table.valid_externals(row)[6:])]
    places = [row for row in rows if row not in in_comments]
    rng, found = random.Random(3), 0
    for _ in range(20000):
        text = damaged(RUST, rng, PIECES)
        if DIFFERENT.search(text) or not text:
            continue
        decoded, row = text.decode(), rng.choice(places)
        at, hashes = rng.randrange(len(decoded)), rng.choice([b"\0", b"\1", b"\2"])
        if re.match(r"\s*/[/*]", decoded[at:]):
            continue
        valid = table.valid_externals(row)
        if valid[4] and decoded[at] != '"':
            continue  # the end of a raw string comes only where its text ended
        reading, _ = wheels.scan(decoded, at, row, hashes)
        place = Place(
            at, 1, row, hashes[0] + 1 if valid[3] or valid[4] else 0, begins_line=False, at_end=True
        )
        answer = ours.scan(decoded, None, place)
        if valid[4] and not decoded.startswith('"' + "#" * hashes[0], at):
            continue
        if not reading.matched:
            assert isinstance(answer, Decline) or answer is None, (decoded[at:], valid)
            continue
        found += 1
        assert isinstance(answer, External), decoded[at:]
        assert isinstance(answer.lexeme, Lexeme)
        assert answer.lexeme.end == reading.end, decoded[at:]
        if not valid[2] or answer.lexeme.kind.terminal < table.grammar.token_count:
            assert answer.lexeme.kind.terminal == reading.symbol, decoded[at:]
    assert found > 500


@pytest.mark.parametrize(
    ("body", "viable", "ends"),
    [
        ("1.5", True, True),
        ("1.", True, True),
        ("1..2", True, True),
        ("1.max(2)", True, True),
        ("1.e5", True, True),  # a field
        ("1e5", True, True),
        ("1e", True, False),
        ("1e+", True, False),
        ("1e;", False, False),
        ("1_0.5e-1_0f64", True, True),
        ("1f32", True, True),
        ("t.0.0", True, True),
        ("0x1e5", True, True),
        ('"a', True, False),
        ('"a\\"', True, False),
        ('"a\\""', True, True),
        ('r"\\"', True, True),
        ('r#"a"', True, False),
        ('r#"a"#', True, True),
        ('r##"a"#"##', True, True),
        ('br#""#', True, True),
        ('cr"a"', True, True),
        ("r#match", True, True),
        ("r##", True, False),
        ("r##a", False, False),
        ("br#a", False, False),
        ("rx", True, True),
        ("/*", True, False),
        ("/* /* */", True, False),
        ("/* /* */ */", True, True),
        ("/*/ */", True, True),
        ("/***/", True, True),
        ("a / b", True, True),
        ("a /", True, False),
        ("a // b", True, True),
    ],
)
def test_prefix(body: str, viable: bool, ends: bool) -> None:
    language, text = load_language("rust"), f"fn f() {{ {body}"
    assert is_viable_prefix(language, text.encode()) == viable
    assert can_end(language, (text + "\n}").encode()) == ends


@pytest.mark.parametrize("cut", ['r##"a"', 'r##"', "r##", "/* /* a", '"a\\', "x!(", "1e", "'a", "br"])
def test_a_cut_lexeme_is_closed(cut: str) -> None:
    vocabulary = TokenVocabulary.from_bytes([bytes([byte]) for byte in range(128)], eos_ids=[])
    prefix = f"fn f() {{ {cut}".encode()
    matcher = SyntaxMatcher(load_language("rust"), vocabulary, prefix)
    closing = matcher.closing_bytes()
    assert closing is not None
    assert can_end(load_language("rust"), prefix + closing)
