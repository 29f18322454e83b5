"""Rust beyond tree-sitter: what rustc refuses, and that nothing else is."""

from __future__ import annotations

import pytest

from benchmarks.grammar_oracles import OracleMissingError, RustcOracle
from grammar import can_end, is_viable_prefix, load_language

ACCEPTED = [
    "fn f(_: &'static u8) -> char { '\\'' }",
    "extern crate self as a;", "#[unsafe(no_mangle)] fn f() {}",
    "#[a(else, in = 1, ref)] struct A;", "fn f() { m!(else in dyn move ref try extern struct _) }",
    "macro_rules! m { (ref $a:ident else) => { dyn $a in }; }", "fn f() { let union = default; r#use(r#type) }",
    "use self::{self as a, super::b}; use crate::c as _; pub(in self::a) mod d;",
    "impl A { fn f(mut self) { self.await } }",
    "async fn f() { async move { a.await?; } }", "fn f() { if let A { ref b, mut c, .. } = d {} }",
    "fn f() { let Some(a) = b else { return; }; }", "const _: () = ();",
    "fn f(a: &dyn A, b: impl Fn() + 'static) where A: B {}", "extern \"C\" { fn f(a: u8, ...); static B: u8; }",
    "m!(a); n![]; o!{} fn f() { m!(); ; }", "#!/usr/bin/a\n#![b]\nmod c;", "m!(a, b\"c\", r#d, #e #f, 'g);",
    "impl<T> A for B<T> where T: C { fn f() -> impl D; }", "trait A { fn f() -> impl B; }", "type A = impl B;",
    "unsafe extern \"C\" fn f() {}", "fn f() { 'static_: loop { break 'static_ } }",
]  # fmt: skip
# Beginnings of no program, and the programs that each is refused beside.
REFUSED = {
    "expected identifier, found keyword": [
        "fn f() { let use = ", "fn f(a: u8, struct: ", "use a::{pub, ", "struct fn ", "fn f() { a = mod; ",
        "fn f() { a(use, ", "struct A { type: ", "enum A { In, else ", "fn f() { S { ref: ",
    ],
    "expected item": ["use a; ;", ";", "fn f() {} ;", "m!(); ;", "impl A ;", "impl<T> !A for B<T> ;"],
    "prefix is unknown": ["fn f() { a\"", "#[a = x\"", "m!(a#"],
    "exponents": ["fn f() { 1e;", "fn f() { 1.5e+;"],
    "raw strings": ["fn f() { r##a", "fn f() { br#a"],
}  # fmt: skip


ALL_REFUSED = [text for texts in REFUSED.values() for text in texts]


@pytest.mark.parametrize("text", ACCEPTED)
def test_programs_are_accepted(text: str) -> None:
    assert can_end(load_language("rust"), text.encode())


@pytest.mark.parametrize("text", ALL_REFUSED)
def test_beginnings_of_no_program_are_refused(text: str) -> None:
    assert not is_viable_prefix(load_language("rust"), text.encode())


def test_rustc_says_the_same() -> None:
    try:
        oracle = RustcOracle()
    except OracleMissingError as error:
        pytest.skip(str(error))
    with oracle:
        for text in ACCEPTED:
            assert oracle.accepts(text.encode()), text
        for text in ALL_REFUSED:
            assert not oracle.check(text.encode()).possible, text


def test_what_is_open_is_closed_before_rustc_judges() -> None:
    try:
        oracle = RustcOracle()
    except OracleMissingError as error:
        pytest.skip(str(error))
    with oracle:
        assert oracle.check(b"fn f() { let a = (1, [").possible
        assert not oracle.check(b"fn f() { let = (1, [").possible
        assert oracle.check(b"struct").possible
        assert not oracle.check(b"fn f() { (] ").possible
