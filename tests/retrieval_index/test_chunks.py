from __future__ import annotations

import random
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grammar.languages import LANGUAGES
from retrieval_index.chunks import MAX_CHARS, Chunk, chunk_text
from retrieval_index.syntax import NODES
from tests.retrieval_index.conftest import FILES


def assert_law(text: str, chunks: list[Chunk]) -> None:
    """Each line that is not blank lies in exactly one chunk, and a chunk's text is its lines."""
    lines = text.split("\n")
    seen = [0] * len(lines)
    for chunk in chunks:
        for row in range(chunk.first_line - 1, chunk.last_line):
            seen[row] += 1
        assert chunk.text == "\n".join(lines[chunk.first_line - 1 : chunk.last_line]).rstrip()
        assert chunk.text.strip()
    assert all(count == 1 for count, line in zip(seen, lines, strict=True) if line.strip())


def test_every_language_of_the_registry_has_its_node_types() -> None:
    assert set(NODES) == set(LANGUAGES)


def test_functions_methods_and_heads_of_classes_are_chunks() -> None:
    chunks = chunk_text("pkg/tree.py", "python", FILES["pkg/tree.py"])
    assert [(c.kind, c.symbol, c.first_line) for c in chunks] == [
        ("block", "", 1),
        ("class", "Tree", 7),
        ("function", "Tree.insert", 12),
        ("function", "Tree.find_smallest", 15),
        ("function", "balance", 19),
    ]
    assert [c.imports for c in chunks[2:]] == [("import math",), ("from os import path as p",), ()]


def test_a_comment_above_and_a_decorator_belong_to_the_function() -> None:
    text = "x = 1\n\n# Adds.\n# Twice.\n@cached\n@also(1)\ndef add():\n    pass\n\n# apart\n\nclass A: pass\n"
    chunks = chunk_text("a.py", "python", text)
    assert [(c.kind, c.symbol, c.first_line, c.last_line) for c in chunks] == [
        ("block", "", 1, 1),
        ("function", "add", 3, 8),
        ("block", "", 10, 10),
        ("class", "A", 12, 12),
    ]


def test_java_and_go_have_theirs() -> None:
    java = chunk_text("Main.java", "java", FILES["Main.java"])
    assert [(c.kind, c.symbol, c.first_line) for c in java] == [
        ("block", "", 1), ("class", "Main", 3), ("function", "Main.sum", 4),
    ]  # fmt: skip
    assert java[2].imports == ("import java.util.List;",)
    go = chunk_text("tree.go", "go", FILES["tree.go"])
    assert [(c.kind, c.symbol, c.first_line) for c in go] == [
        ("block", "", 1),
        ("function", "Tree.Insert", 5),
    ]
    assert go[1].imports == ('"fmt"',)


def test_javascript_has_its_own() -> None:
    text = "import { a } from 'b'\n\n// c\nexport function d() {\n  a()\n}\n\nclass E {\n  f() {\n    a()\n  }\n}\n"
    chunks = chunk_text("e.js", "javascript", text)
    assert_law(text, chunks)
    assert [(c.kind, c.symbol) for c in chunks] == [
        ("block", ""), ("function", "d"), ("class", "E"), ("function", "E.f"),
    ]  # fmt: skip
    assert chunks[1].imports == ("import { a } from 'b'",)


def test_typescript_has_its_own() -> None:
    text = (
        "import { a } from 'b'\n\n// c\nexport function d(e: F): void {\n  a()\n}\n\n"
        "export interface G {\n  h: i\n}\n\nabstract class E {\n  f() {\n    a()\n  }\n}\n"
    )
    chunks = chunk_text("e.ts", "typescript", text)
    assert_law(text, chunks)
    assert [(c.kind, c.symbol) for c in chunks] == [
        ("block", ""), ("function", "d"), ("class", "G"), ("class", "E"), ("function", "E.f"),
    ]  # fmt: skip
    assert chunks[1].imports == ("import { a } from 'b'",)


def test_a_long_function_is_cut_where_an_outer_statement_begins() -> None:
    body = "".join(f"    if x{n}:\n        a = {n}\n        b = {n}\n" for n in range(200))
    text = f"def long():\n{body}"
    chunks = chunk_text("a.py", "python", text)
    assert_law(text, chunks)
    assert len(chunks) > 2
    assert all(len(c.text) <= MAX_CHARS and c.symbol == "long" for c in chunks)
    assert all(c.text.startswith("    if x") for c in chunks[1:])


def test_a_long_literal_is_cut_at_lines() -> None:
    text = "TABLE = [\n" + "".join(f"    {n},\n" for n in range(2000)) + "]\n"
    chunks = chunk_text("a.py", "python", text)
    assert_law(text, chunks)
    assert all(len(c.text) <= MAX_CHARS for c in chunks)


REAL = [
    *((path, "python") for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::7]),
    *((path, "go") for path in sorted(Path("/usr/share/go-1.19/src").rglob("*.go"))[::60]),
]


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_the_law_holds_on_real_and_on_damaged_files(language: str) -> None:
    rng = random.Random(1)
    texts = [p.read_text(encoding="utf-8", errors="replace") for p, name in REAL if name == language][:12]
    texts += [FILES[name] for name in FILES if name.endswith(LANGUAGES[language].suffixes)]
    for text in texts:
        assert_law(text, chunk_text("a", language, text))
        lines = text.split("\n")
        for _ in range(3):
            rng.shuffle(lines)
            damaged = "\n".join(lines[: rng.randrange(len(lines) + 1)])
            assert_law(damaged, chunk_text("a", language, damaged))


@given(st.text(alphabet=st.sampled_from("def class(x):\n\r\t #'\"@{};{}éx\ud800"), max_size=200))
@settings(max_examples=200, deadline=None)
def test_the_law_holds_on_any_text(text: str) -> None:
    for language in LANGUAGES:
        assert_law(text, chunk_text("a", language, text))
