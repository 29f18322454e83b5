"""JavaScript's scanner against the one that the wheel carries, on real and damaged code."""

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
from grammar import LANGUAGES, Language, can_end, is_viable_prefix, load_language, load_spec
from grammar.reference.javascript_scanner import JavaScriptScanner
from grammar.reference.lexer import Lexeme
from grammar.reference.parse_table import ParseTable
from grammar.reference.scanner import Decline, External, Place
from grammar.reference.tree_sitter_abi import CompiledGrammar
from grammar.reference.wheel_lexer import CompiledScanner
from grammar.rules.javascript_lines import LINES
from grammar.rules.model import LanguageRules
from tests.grammar.conftest import JAVASCRIPT, JSX

PIECES = [b"", b";", b"\n", b"\n\n  ", b" // c\n", b"/* c */", b"}", b"{", b"(", b")", b"[", b"]", b"`", b"${",
          b"$", b"?", b"?.", b"??", b".5", b"\n.5", b"\n.a", b"\n+", b"\n++", b"\n-b", b"\n--", b"\n!", b"\n!=",
          b"\nin ", b"\ninstanceof ", b"\ninner", b"\ni", b"\n/", b"\n(", b"\n*", b"=>", b"=", b",", b":", b"\\",
          b"'", b"<", b">", b"</a>", b"<a>", b"||", b"&", b"async ", b"return", b"\r\n", b"\t", b" x ", b"get ",
          b"...", b"\xc3\xa9"]  # fmt: skip

# What ours reads otherwise (grammar/reference/javascript_scanner.py).
DIFFERENT = re.compile(
    rb"/\*(?:[^*]|\*(?!/))*[\r\n]|\r(?!\n)|\bin[0-9_$\xc2-\xf4]|<!--|-->|[\x0b\x0c\xa0]", re.DOTALL
)


@functools.cache
def plain() -> Language:
    """The grammar without rules, but for what the scanner has to be told."""
    spec = dataclasses.replace(
        LANGUAGES["javascript"],
        name="javascript-lines",
        rules=lambda: LanguageRules(stack_rules=(LINES,)),
    )
    return load_spec(spec)


@functools.cache
def parser() -> Parser:
    capsule: object = importlib.import_module("tree_sitter_javascript").language()
    return Parser(TreeSitterLanguage(capsule))


@functools.cache
def files() -> list[SourceFile]:
    return [f for f in source_files("javascript", seed=7)[:60] if len(f.read()) < 40_000]


def accepts(text: bytes) -> bool:
    return not parser().parse(text).root_node.has_error


def damaged(text: bytes, rng: random.Random, pieces: list[bytes] = PIECES) -> bytes:
    lines = text.splitlines(keepends=True)
    first = rng.randrange(len(lines))
    text = b"".join(lines[first : first + rng.choice([1, 3, 10, 30])])
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(pieces) + text[at + rng.randrange(3) :]
    return text.decode(errors="ignore").encode()


def test_real_files_are_read_as_tree_sitter_reads_them() -> None:
    if not files():
        pytest.skip("no JavaScript on this machine")
    for file in files():
        text = file.read()
        assert can_end(plain(), text) == accepts(text), file.origin


def test_damaged_texts_are_read_as_tree_sitter_reads_them() -> None:
    rng = random.Random(2)
    texts = [JAVASCRIPT, JSX, *(file.read() for file in files())]
    compared = accepted = 0
    while compared < 3000:
        text = damaged(rng.choice(texts), rng)
        if DIFFERENT.search(text):
            continue
        compared += 1
        accepted += accepts(text)
        assert can_end(plain(), text) == accepts(text), text
    assert accepted > 300


@functools.cache
def scanners() -> tuple[ParseTable, JavaScriptScanner, CompiledScanner]:
    table = ParseTable(CompiledGrammar(importlib.import_module("tree_sitter_javascript").language()))
    return table, JavaScriptScanner(table), CompiledScanner(table.grammar)


def test_each_external_token_is_what_the_wheels_scan_gives() -> None:
    """At every kind of place and in texts from anywhere; an inserted semicolon ends behind the blanks here."""
    table, ours, wheels = scanners()
    rows = sorted(
        {table.lex_mode(s).external_lex_state for s in range(1, table.grammar.language.state_count)}
    )
    semicolon = table.grammar.external_symbols[0]
    rng, found = random.Random(3), 0
    texts = [JSX, *(file.read() for file in files()[:10])]
    for _ in range(6000):
        text = damaged(rng.choice(texts), rng)
        row = rng.choice([row for row in rows if row > 1])
        if DIFFERENT.search(text) or not text:
            continue
        decoded = text.decode()
        at = rng.randrange(len(decoded))
        reading, _ = wheels.scan(decoded, at, row, b"")
        answer = ours.scan(decoded, None, Place(at, 1, row, 0, begins_line=False, at_end=True))
        if not reading.matched or table.grammar.symbol_names[reading.symbol] == "html_comment":
            # Behind a comment the wheel asks anew; ours has read on over it.
            if isinstance(answer, External):
                assert re.match(r"\s*/[/*]", decoded[at:]), decoded[at:]
            continue
        found += 1
        if isinstance(answer, Decline):
            # `return // c⏎(x)`: a semicolon there, and none without the comment; both are programs.
            assert reading.symbol == semicolon, decoded[at:]
            assert re.match(r"\s*/[/*]", decoded[at:]), decoded[at:]
            continue
        if (
            answer is None
        ):  # the text of JSX at the end of the text; or a comment that nothing ends, no program
            is_open = re.match(r"\s*/\*(?!.*\*/)", decoded[at:], re.DOTALL)
            assert is_open or reading.end == len(decoded), decoded[at:]
            continue
        assert isinstance(answer, External), decoded[at:]
        assert isinstance(answer.lexeme, Lexeme)
        assert answer.lexeme.kind.terminal == reading.symbol, decoded[at:]
        assert reading.symbol == semicolon or answer.lexeme.end == reading.end, decoded[at:]
    assert found > 500


@pytest.mark.parametrize(
    ("text", "viable", "ends"),
    [
        ("a\nb", True, True),
        ("a b", False, False),
        ("a\n(b", True, False),  # a call
        ("a // c\nb", True, True),
        ("a /* c */ b", False, False),
        ("a /*\n*/ b", True, True),
        ("a\n/* c */ // d\n b", True, True),
        ("a\n/", True, False),  # a division or a comment
        ("a\n/ b", True, True),
        ("a\nin", True, False),
        ("a\ninner", True, True),
        ("a\nin2", True, True),
        ("a\ninstanceo", True, True),
        ("a\ninstanceof", True, False),
        ("a\n.5", True, True),
        ("a\n.b", True, True),
        ("a\n++", True, False),
        ("a\n++b", True, True),
        ("a\n+b", True, True),
        ("a\n!b", True, True),
        ("a\n!= b", True, True),
        ("a\rb", True, True),
        ("a\u2028b", True, True),
        ("a\u00a0\nb", True, True),
        ("{ a }", True, True),
        ("() => {}\n()", True, False),  # another function
        ("f = () => {}\n[a]", True, True),  # a semicolon comes before the bracket
        ("let a\n(b)", True, True),
        ("const f = () => {}\nb", True, True),
        ("for (a = 1\n", True, False),
        ("for (a = 1\nb; c) d", False, False),
        ("throw\na", False, False),
        ("'a\n", False, False),
        ("'a\\\n'", True, True),
        ("a ? b", True, False),
        ("a?.5:1", True, True),
        ("a?.b", True, True),
        ("a??b", True, True),
        ("`a$", True, False),
        ("`a$`", True, True),
        ("`$${a}$`", True, True),
        ("`a${", True, False),
        ("`${a}`", True, True),
        ("/*", True, False),
        ("/* a *", True, False),
        ("x = <a> b {c} </a>", True, True),
        ("x = <a>\n</a>", True, True),
        ("x = <a> > </a>", False, False),
        (
            "x = <a class='b' for={c} default/>",
            True,
            True,
        ),  # any word: tree-sitter's own grammar reserves them
        ("x = <a class", True, False),
        ("x = <this.a if:else='b'></this.a>", True, True),
        ("x = class='b'", False, False),
    ],
)
def test_prefix(text: str, viable: bool, ends: bool) -> None:
    assert is_viable_prefix(load_language("javascript"), text.encode()) == viable
    assert can_end(load_language("javascript"), text.encode()) == ends
