"""Whole texts and prefixes: real files are accepted at every prefix, and nothing else is."""

from __future__ import annotations

import importlib
import random
import sysconfig
import warnings
from pathlib import Path

import pytest
from tree_sitter import Language as TreeSitterLanguage
from tree_sitter import Parser

from grammar import Language, can_end, is_viable_prefix, language_of, load_language, viable_length
from grammar.errors import UnknownLanguageError
from tests.grammar.conftest import GO, JAVA, sources, stdlib_files


@pytest.mark.parametrize(
    ("text", "viable", "ends"),
    [
        ("", True, True),
        ("def f(", True, False),
        ("def f(:", False, False),
        ("x = 1\n", True, True),
        ("x = 1", True, True),
        ("x =", True, False),
        ("x =\n", False, False),
        ("if x:\n", True, False),
        ("if x:\ny", False, False),
        ("if x:\n  y\n z", False, False),
        ("if x:\n  y\nelse", True, False),
        ("  x", False, False),
        ("\n\n  # c\n\nx", True, True),
        ("if x:\n\ty\n        z", False, False),  # TabError
        ("'", True, False),
        ("''", True, True),
        ("'''a''", True, False),
        ("'a\n", False, False),
        ("x = [\n1,\n", True, False),
        ("x = 'a' \\\n 'b'", True, True),
        ("é = 1", True, True),
        ("x = €", False, False),
        ("x\u00a0= 1", False, False),
        ("f'{a", True, False),
        ("f'{a}}", True, False),
        ("f'}", True, False),
        ("f'} ", False, False),
    ],
)
def test_python_prefix(python: Language, text: str, *, viable: bool, ends: bool) -> None:
    assert is_viable_prefix(python, text.encode()) == viable
    assert can_end(python, text.encode()) == ends


def test_real_files_are_accepted_and_every_prefix_is_viable(language: Language) -> None:
    for text in sources(language.name)[:4]:
        assert viable_length(language, text) == len(text)
        assert can_end(language, text)
        for cut in random.Random(1).sample(range(len(text)), min(len(text), 60)):
            assert is_viable_prefix(language, text[:cut])


@pytest.mark.parametrize("change", ["crlf", "tabs", "no final newline", "blank end", "deep"])
def test_python_layouts(python: Language, change: str) -> None:
    def other(text: bytes) -> bytes:
        match change:
            case "crlf":
                return text.replace(b"\n", b"\r\n")
            case "tabs":
                return text.replace(b"    ", b"\t")
            case "no final newline":
                return text.rstrip()
            case "blank end":
                return text + b"\n   \n\t# c\n  "
            case _:
                return b"if x:\n     if y:\n" + b"".join(
                    b"       " + line for line in text.splitlines(keepends=True)
                )

    checked = 0
    for text in stdlib_files(25, 2, 20_000):
        changed = other(text)
        if _compiles(changed):
            assert can_end(python, changed)
            checked += 1
    assert checked > 3


def _compiles(text: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "text", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            return False
    return True


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_stdlib_file_that_compiles_is_accepted(python: Language) -> None:
    refused, count = [], 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("**/*.py")):
        text = path.read_bytes()
        if "site-packages" in path.parts or not _utf8(text) or not _compiles(text):
            continue
        count += 1
        if not can_end(python, text):
            refused.append(str(path))
    assert count > 500
    assert not refused


def _utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize(("name", "text"), [("java", JAVA), ("go", GO)])
def test_what_is_accepted_tree_sitter_parses_without_an_error(name: str, text: bytes) -> None:
    language = load_language(name)
    parser = Parser(TreeSitterLanguage(importlib.import_module(f"tree_sitter_{name}").language()))  # pyright: ignore[reportDeprecated]
    rng, accepted = random.Random(2), 0
    for _ in range(400):
        at = rng.randrange(len(text))
        broken = (
            text[:at]
            + rng.choice([b"", b";", b")", b"}", b" x ", b"\n", b",", b"("])
            + text[at + rng.randrange(3) :]
        )
        if can_end(language, broken):
            accepted += 1
            assert not parser.parse(broken).root_node.has_error, broken
    assert 20 < accepted < 380


def test_an_unknown_language_names_the_known_ones() -> None:
    with pytest.raises(
        UnknownLanguageError, match="expected one of python, java, go, javascript, typescript, tsx"
    ):
        load_language("cobol")


def test_files_know_their_language() -> None:
    assert language_of("a/b.py") == "python"
    assert language_of("Main.java") == "java"
    assert language_of("README") is None
