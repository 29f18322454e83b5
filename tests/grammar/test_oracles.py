"""The languages' own parsers as judges: whole texts, beginnings, and what they are asked about."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator

import pytest

from benchmarks.grammar_oracles import ORACLES, Oracle, OracleMissingError, open_oracle
from benchmarks.grammar_oracles.corpora import source_files
from benchmarks.grammar_oracles.mutations import Pieces, mutate
from tests.grammar.conftest import GO, JAVA, JAVASCRIPT, RUST, TSX, TYPESCRIPT, sources

_PROGRAMS = {
    "python": (),
    "java": ("java", "javac"),
    "go": ("go",),
    "javascript": ("node",),
    "typescript": ("node",),
    "tsx": ("node",),
    "rust": (),
}


@pytest.fixture(scope="module", params=sorted(ORACLES))
def judged(request: pytest.FixtureRequest) -> Iterator[tuple[str, Oracle]]:
    missing = [p for p in _PROGRAMS[request.param] if shutil.which(p) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    try:
        opened = open_oracle(request.param)
    except OracleMissingError as error:
        pytest.skip(str(error))
    with opened as oracle:
        yield request.param, oracle


CASES = {
    "python": [
        ("x = 1\n", True, True),
        ("if x:\n", False, True),
        ("if x:\ny", False, False),
        ("f(a, b", False, True),
        ("def f(x", False, True),
        ("'abc", False, True),
        ("'abc\n", False, False),
        ("try:\n  x\n", False, True),
        ("return 1", False, False),
        ("x = 09", False, False),
    ],
    "java": [
        ("class A {}", True, True),
        ("class A { int f() { retu", False, True),
        ("class A { int f() { try {} ", False, True),
        ("class A { int f() { try {} int x; } }", False, False),
        ('class A { String s = "a', False, True),
        ('class A { String s = "a\n', False, False),
        ("class A { /* ", False, True),
        ("class A { int x = 1_; }", False, False),
        ("class A { f() {} }", False, False),
        ("class A { void f() { a + b; } }", False, False),
    ],
    "go": [
        ("package p\n", True, True),
        ("package p\nfunc f() { x := ra", False, True),
        ('package p\nvar s = "a', False, True),
        ('package p\nvar s = "a\n', False, False),
        ("package p\n/* ", False, True),
        ("package p\nvar s = f(a\n", False, False),
        ("package p\nvar s = f(a,\n", False, True),
        ("import p\n", False, False),
        ("package p\nfunc f() { x = = 2 }", False, False),
    ],
    "javascript": [
        ("x = 1", True, True),
        ("return await_", True, True),  # a CommonJS module is the body of a function
        ("import a from 'b'; await a", True, True),
        ("f(a, b", False, True),
        ("x => {", False, True),
        ("x = `a${b", False, True),
        ("x = 'a", False, True),
        ("x = 'a\n", False, False),
        ("/* ", False, True),
        ("for (const x o", False, True),
        ("({ a = 1 }", False, True),  # perhaps a pattern
        ("x = = 1", False, False),
        ("f(a b)", False, False),
        ("function f() { await x }", False, False),
        ("break", False, True),  # breaking
        ("if (a) else ", False, False),
    ],
    "typescript": [
        ("let x: A<B[]> = <C>d", True, True),
        ("break; const a; function f() { await x }", True, True),  # the checker's matters
        ("let x: ", False, True),
        ("let x: A<B", False, True),
        ("x = `a${b", False, True),
        ("x = 'a", False, True),
        ("x = 'a\n", False, False),
        ("/* ", False, True),
        ("(a: B", False, True),  # parameters
        ("(a?: B, c", False, True),
        ("interface A { b: ", False, True),
        ("export abs", False, True),  # abstract
        ("type A = B extends infer ", False, True),
        ("x = = 1", False, False),
        ("f(a b)", False, False),
        ("type A = | |", False, False),
        ("interface A { b c }", False, False),
    ],
    "tsx": [
        ("x = <a b='c\n'>{d} e</a>", True, True),
        ("x = <T,>(a: T) => a", True, True),
        ("x = <a>", False, True),
        ("x = <a b", False, True),
        ("x = <a>{b", False, True),
        ("x = <a b c={}", False, True),
        ("x = <a>b } c", False, False),
    ],
    "rust": [
        ("fn f() { m!(a b => c) }", True, True),
        ("mod a; #[b(c d)] use e::f;", True, True),  # neither modules nor attributes are looked at
        ("fn f(", False, True),
        ("fn f() { let a = (1, [b", False, True),
        ('fn f() { let a = "b', False, True),
        ('fn f() { r#"b"', False, True),
        ("/* /* */", False, True),
        ("struct", False, True),
        ("fn f() -> im", False, True),
        ("fn f() { 'a: l", False, True),
        ("use a; /", False, True),
        ("fn f() { let = (1, [b", False, False),
        ("fn f() { (] ", False, False),
        ("fn f() { a b; }", False, False),
        ("fn f() { 1e; }", False, False),
    ],
}


def test_accepted_and_possible(judged: tuple[str, Oracle]) -> None:
    language, oracle = judged
    for text, accepted, possible in CASES[language]:
        verdict = oracle.check(text.encode())
        assert (verdict.accepted, verdict.possible) == (accepted, possible), text
        assert accepted == (verdict.message == ""), text


def test_every_prefix_of_an_accepted_text_is_possible(judged: tuple[str, Oracle]) -> None:
    language, oracle = judged
    text = {
        "python": sources("python")[0][:1500].rsplit(b"\n\n\n", 1)[0],
        "java": JAVA,
        "go": GO,
        "javascript": JAVASCRIPT,
        "typescript": TYPESCRIPT,
        "tsx": TSX,
        "rust": RUST,
    }[language]
    for cut in random.Random(1).sample(range(len(text)), 60):
        assert oracle.check(text[:cut]).possible, text[max(0, cut - 60) : cut]


def test_bytes_that_are_no_text_are_refused(judged: tuple[str, Oracle]) -> None:
    assert not judged[1].check(b"\xff\xfe\n").accepted


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: str) -> None:
        return None

    monkeypatch.setattr(shutil, "which", nothing)
    with pytest.raises(OracleMissingError, match=r"javac?"):
        open_oracle("java")
    with pytest.raises(OracleMissingError, match="golang-go"):
        open_oracle("go")
    with pytest.raises(OracleMissingError, match="cobol"):
        open_oracle("cobol")


def test_corpora_have_origins_and_an_order_of_their_own(judged: tuple[str, Oracle]) -> None:
    language, oracle = judged
    files = source_files(language, seed=3)
    if not files:
        pytest.skip(f"no sources of {language} on this machine")
    assert [f.origin for f in files] == [f.origin for f in source_files(language, seed=3)]
    assert [f.origin for f in files] != [f.origin for f in source_files(language, seed=4)]
    assert any(oracle.check(f.read()).accepted for f in files[:10])


@pytest.mark.parametrize("language", sorted(ORACLES))
def test_lexemes_cover_the_text_and_a_mutation_changes_one(language: str) -> None:
    text = {"python": sources("python")[0], "java": JAVA, "go": GO, "javascript": JAVASCRIPT, "typescript": TYPESCRIPT,
            "tsx": TSX, "rust": RUST}[language]  # fmt: skip
    pieces, rng = Pieces(language), random.Random(2)
    spans = pieces.lexemes(text)
    assert all(a < b for a, b in spans)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    for _ in range(50):
        kind, mutant = mutate(text, spans, [b"if", b"("], rng)
        change = len(mutant) - len(text)
        assert kind != "delete" or change < 0
        assert kind not in ("duplicate", "insert") or change > 0
        assert kind != "swap" or change == 0


def test_pieces_are_programs_of_their_own() -> None:
    for language, text in (("java", JAVA), ("go", GO)):
        found = list(Pieces(language).pieces(text))
        assert text in found
        assert len(found) > 1
        assert all(Pieces(language).is_clean(piece) for piece in found)
