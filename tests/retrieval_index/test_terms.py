from __future__ import annotations

import pytest

from retrieval_index.terms import terms


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("HTTPServer.max_size", ["httpserver", "http", "server", "max_size", "max", "size"]),
        ("parseRetryAfter2", ["parseretryafter2", "parse", "retry", "after"]),
        ("What is the size of a tree?", ["size", "tree"]),
        ("Größe_max", ["größe_max", "gr", "öß", "max"]),
        ("_x __init__", ["_x", "__init__"]),
        ("a" * 100, []),
        ("1_000 0xFF", ["1_000", "000", "0xff", "ff"]),
        ("", []),
    ],
)
def test_identifiers_come_whole_and_in_parts(text: str, words: list[str]) -> None:
    assert list(terms(text)) == words
