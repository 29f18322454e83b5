"""Right context that still has the file's top: what asks for it, and that nothing is written which belongs behind."""

from __future__ import annotations

import random

import pytest

from grammar import SyntaxMatcher, TokenVocabulary, load_language
from grammar.reference.recognizer import load_recognizer
from tests.grammar.conftest import allowed_ids, by_trying, random_walk

IMPORT = {
    "java": b"\nimport b.c;\nclass X{}\n",
    "go": b'\nimport "a"\n',
    "python": b"\nfrom __future__ import division\n",
}
TOKENS: list[bytes | None] = [
    b"class ", b"import ", b"package ", b"@A ", b"//", b"/*x*/class", b"\n", b"public", b"import a.b;class", b"a", b".",
    b";", b"func", b"from ", b"'a'", b"if ", b"var", b"__future__ ", b'import "a"\nfunc', b"import a;", b" ", b"(",
    b")", b"division", b"'b'\nimport", b"#c\n", b"package a;", b"/*", b"*/", b"# x\nx", b"</s>",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "suffix", "level"),
    [
        ("java", b"\nimport b.c;\nclass X{}", 1),
        ("java", b"\npackage a;\nimport b;", 2),
        pytest.param("java", b"; */\nimport b;\nclass X{}", 1, id="behind a comment or not"),
        pytest.param("java", b"import b;", 0, id="may be in a comment"),
        pytest.param("java", b" import java */ class X{}", 0, id="in the comment that it ends"),
        pytest.param("java", b'" + "\nimport b;\n"', 1, id="no string goes over lines"),
        pytest.param("java", b'x """;\nimport b; """;', 0, id="in a text block or behind one"),
        pytest.param("java", b'class X{ // import\n}\n /* import */ String s = "import";', 0, id="no word"),
        ("go", b'\nimport "a"\n', 1),
        ("go", b"\npackage a\n", 2),
        pytest.param("go", b"` + `\nimport `", 0, id="in a raw string"),
        ("python", b"\nfrom __future__ import a\n", 1),
        pytest.param("python", b"rom __future__ import a\n", 0, id="the end of another word"),
        pytest.param("python", b"'''\nfrom __future__ import a\n'''", 0, id="in a string"),
        pytest.param("python", b"\nraise a from __future__\n", 0, id="a cause"),
        pytest.param("python", b"\nimport a\n", 0, id="another import"),
    ],
)
def test_what_right_context_asks_for(name: str, suffix: bytes, level: int) -> None:
    top = load_language(name).spec.rules().top
    assert top is not None
    assert top.asked_for(suffix) == level


@pytest.mark.parametrize(
    ("name", "prefix", "allowed", "refused"),
    [
        (
            "java",
            b"",
            [b"import ", b"package ", b"//", b";", b"@A "],
            [b"class ", b"public", b"import a.b;class"],
        ),
        ("java", b"import a.b;", [b"import "], [b"package ", b"@A ", b"class "]),
        ("java", b"/* ", [b"class ", b"*/"], []),
        ("go", b"package a\n", [b"import ", b"//"], [b"func", b"var", b'import "a"\nfunc']),
        (
            "python",
            b"",
            [b"from ", b"'a'", b"# x\nx"[:1] + b"c\n"],
            [b"a", b"if ", b"import ", b"# x\nx", b"'b'\nimport"],
        ),
        ("python", b"'a'\n", [b"from ", b"\n"], [b"'a'", b"a"]),
    ],
)
def test_nothing_is_written_that_belongs_behind_the_top(
    name: str, prefix: bytes, allowed: list[bytes], refused: list[bytes]
) -> None:
    vocabulary = TokenVocabulary.from_bytes(TOKENS, eos_ids=[len(TOKENS) - 1])
    matcher = SyntaxMatcher(load_language(name), vocabulary, prefix, IMPORT[name])
    texts = {TOKENS[i] for i in allowed_ids(matcher)}
    assert texts >= set(allowed)
    assert not texts & set(refused)


@pytest.mark.parametrize("name", IMPORT)
def test_the_mask_is_what_trying_gives_and_the_reference_allows(name: str) -> None:
    rng = random.Random(1)
    vocabulary = TokenVocabulary.from_bytes(TOKENS, eos_ids=[len(TOKENS) - 1])
    reference = load_recognizer(name)
    for _ in range(12):
        matcher, text = SyntaxMatcher(load_language(name), vocabulary, b"", IMPORT[name]), b""
        for _ in range(6):
            ids = allowed_ids(matcher)
            assert ids == by_trying(matcher)
            others = ids - set(vocabulary.eos_ids)
            viable = {
                i
                for i, token in enumerate(TOKENS[:-1])
                if token and reference.is_viable_prefix(text + token, 1)
            }
            assert others == viable, text
            chosen = rng.choice(sorted(others))
            assert matcher.accept_token(chosen)
            text += TOKENS[chosen] or b""


def test_a_prefix_past_the_top_is_not_held_back() -> None:
    vocabulary = TokenVocabulary.from_bytes(TOKENS, eos_ids=[len(TOKENS) - 1])
    matcher = SyntaxMatcher(load_language("java"), vocabulary, b"class A{}", IMPORT["java"])
    assert {TOKENS[i] for i in allowed_ids(matcher)} >= {b"class ", b"public"}


def test_rollback_clone_and_reset_keep_what_right_context_asks_for() -> None:
    vocabulary = TokenVocabulary.from_bytes(TOKENS, eos_ids=[len(TOKENS) - 1])
    matcher = SyntaxMatcher(load_language("java"), vocabulary, b"", IMPORT["java"])
    start = allowed_ids(matcher)
    rng = random.Random(2)
    random_walk(matcher, rng, 3)
    other = matcher.clone()
    assert allowed_ids(other) == allowed_ids(matcher)
    matcher.rollback(matcher.num_accepted)
    assert allowed_ids(matcher) == start
    other.reset()
    assert allowed_ids(other) == start
    assert other.accept_token(len(TOKENS) - 1), "the text may end before the suffix"
    assert allowed_ids(other) == {len(TOKENS) - 1}
    other.rollback(1)
    assert allowed_ids(other) == start
