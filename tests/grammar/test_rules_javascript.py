"""JavaScript beyond tree-sitter: what node 20 refuses, and that nothing else is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from benchmarks.grammar_oracles import NodeOracle
from grammar import SyntaxMatcher, TokenVocabulary, can_end, is_viable_prefix, load_language

# Programs, in groups that share a rule.
ACCEPTED = {
    "lists": [
        "f(a, ...b, c,)", "[a, , b]", "[, a] = b", "x = [,]", "({ a, })", "(a,) => b",
        "function f(a, { b, c = 1 }, ...d) {}",
        "const { a, ...b } = c", "[...a, b]", "x = { get a() {}, set a(b) {}, get, set, of }",
        "class A { get(a) {} set() {} }",
        "try {} catch {}", "try {} catch ({ a }) {} finally {}", "try {} finally {}", "import {} from 'a'",
    ],
    "values": [
        "let a", "let a, b = 1, c", "var { a } = b, [c] = d", "const a = 1, b = 2", "for (const a of b) ;",
        "let a\n(b)",
        "for (const [a] in b) ;", "for (let a = 1, b; ; ) ;", "export const a = () => {}", "let a\n[b] = c",
    ],
    "statements": [
        "{ a: 1 }", "{ a, b }", "{}", "{ [a] }", "{ a: { b: c } }", "({ a: 1, 'b': 2 })",
        "x = { a() {}, async b() {}, *c() {} }",
        "if (a) function f() {}", "if (a) b; else c", "a: function f() {}", "a: { break a }",
        "switch (a) { default: let b }",
        "while (a) { break }", "for (;;) { continue }", "do { if (a) break } while (b)",
        "switch (a) { case b: break }",
        "x = function () {}", "x = class {}", "(function () {})()", "!function () {}()", "a, function () {}",
        "() => ({})",
        "export default function () {}", "export default class {}", "export default { a: 1 }",
        "export { a } from 'b'",
        "export async function* f() {}", "import a, { b as c } from 'd'", "import * as a from 'b'", "{ import('a') }",
        "x = { export: 1 }",
        "return 1", "async function f() { for await (const a of b) c = d }",
        "class A { static { let a } static a = 1 }",
        "a ? function () {} : class {}", "for (a in b, c) ;", "label: for (;;) { for (;;) continue label }",
        "with (a) b",
    ],
    "expressions": [
        "a = b = c", "a + (b = c)", "a ? b = c : d = e", "a && (b => c)", "a ?? (b || c)", "(a && b) ?? c",
        "a || b && c",
        "(-a) ** b", "a ** -b", "a - b ** c", "x = () => {}, y", "(() => {})()", "() => {}\n[a]", "() => a\n(b)",
        "f(() => {}\n)",
        "a ? () => {} : b", "a++\n++b", "a.b++", "f()++", "- -a", "typeof a++", "async x => await x",
        "x = y => z || w",
        "new A(a = b)", "x = function* () { a = yield b }", "[a = 1] = b", "({ a = 1 } = b)", "((a, b = 1) => {})",
        "x = a < b",
    ],
    "functions": [
        "await a", "async () => { await a }", "async function f() { (async () => await a)(); await b }",
        "x = { async 'a'() { await b } }",
        "class A { async #a() { await b } async [c]() { await d } async 1() { await e } }",
        "function* f() { yield; yield* a }",
        "class A extends B { constructor() { super(); (() => super.a)() } }", "x = { a() { return super.b } }",
        "for await (a of b) ;",
        "class A { *a() { yield b } async *c() { yield await d } }", "class A { a = super.b }",
        "x = { async *a() { yield 1 } }",
    ],
    "lexemes": [
        "1_000", "0xffn", ".5e-3", "1.", "1..a", "1.5.a", "0777", "08.5", "0b1_0", "'\\x41\\u{1F600}\\\n'",
        "\\u0061b", "é = $",
        "𠮷 = 1", "/[/]/gi", "a / b / c", "class A { #é }", "a\u00a0= 1", "#!/bin/x\na",
    ],
}  # fmt: skip
# Each with the message of node that is prevented.
REFUSED = {
    "Unexpected token ','": ["f(a,,b)", "f(,a)", "f(,)", "x = { a,, }", "x = {,}", "function f(a,,b) {}",
                             "const { a,, b } = c"],
    "Rest element must be last": ["(a, ...b, c) => d", "[...a, b] = c; function f(...a, b) {}",
                                  "const { ...a, b } = c"],
    "Missing initializer": ["const a", "const a, b = 1", "let { a }", "var [a]", "let a, { b }",
                            "for (const a; ; ) ;"],
    "accessors": ["class A { get a(b) {} }", "class A { set a() {} }", "x = { get a(b) {} }"],
    "Missing catch or finally": ["try {}", "try {} a"],
    "Function statements require a name": ["function () {}", "class {}", "async function () {}",
        "export function () {}", "class extends A {}"],
    "declarations": ["if (a) let b = 1", "while (a) class B {}", "for (;;) const a = 1", "while (a) function f() {}"],
    "objects": ["{ a: 1, b: 2 }", "{ 'a': 1 }", "{ ...a }", "a => { b: 1, c: 2 }", "{ get a() {} }", "{ a, b: 1 }"],
    "imports": ["{ import a from 'b' }", "if (a) export { b }", "function f() { export const a = 1 }"],
    "Illegal break": ["break", "if (a) break", "while (a) { (function () { break })() }",
                      "while (a) { b => { break } }"],
    "Illegal continue": ["continue", "switch (a) { case b: continue }"],
    "More than one default": ["switch (a) { default: default: }", "switch (a) { default: case b: default: }"],
    "Invalid left-hand side": ["a + b = c", "a || b = c", "!a = b", "a ? b : c = d = e + f = g", "i++ ++", "5++",
                               "--a--", "'a'++"],
    "arrow functions": ["a || b => c", "a + async b => c", "() => {} + 1", "() => {} ()", "() => {}.a",
                        "x = () => {} ? a : b"],
    "Unexpected token '||'": ["a ?? b || c", "a || b ?? c", "a && b ?? c", "a ?? b && c", "a ?? b == c || d"],
    "Unary operator": ["!a ** b", "-a ** b", "typeof a ** b"],
    "await": ["function f() { await a }", "() => { await a }", "async function f() { () => await a }",
              "class A { a() { await b } }",
              "function f() { for await (a of b) ; }", "async function f() { await }"],
    "yield": ["a + yield b", "function* f() { a + yield b }", "function* f() { function g() { yield a } }"],
    "super": ["super.a", "function f() { super() }", "class A { a() { function f() { super.a } } }"],
    "lines": ["'a\nb'", '"a\r"', "throw\na", "for (a\nb; c) d"],
    "lexemes": ["3in a", "1_", "1__0", "08n", "0x", "0b2", "1a", "'\\u{110000}'", "/a/x", "€", "a\u2028/"],
    "words": ["x = export", "f(export)", "export = 1", "export", "function f() {}.a", "class A {}.a"],
    "proposals": ["@a class B {}", "using a = b"],
}  # fmt: skip

PROGRAMS = [(rule, text) for rule, texts in ACCEPTED.items() for text in texts]
MISTAKES = [(rule, text) for rule, texts in REFUSED.items() for text in texts]


@pytest.fixture(scope="module")
def node() -> Iterator[NodeOracle]:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    with NodeOracle() as oracle:
        yield oracle


@pytest.mark.parametrize(("rule", "text"), PROGRAMS)
def test_programs_are_accepted_and_all_their_beginnings_are_viable(rule: str, text: str) -> None:
    language = load_language("javascript")
    data = text.encode()
    assert can_end(language, data), rule
    assert all(is_viable_prefix(language, data[:end]) for end in range(len(data))), rule


@pytest.mark.parametrize(("rule", "text"), MISTAKES)
def test_what_node_refuses_is_no_program(rule: str, text: str) -> None:
    assert not can_end(load_language("javascript"), text.encode()), rule


def test_node_agrees(node: NodeOracle) -> None:
    assert [text for _, text in PROGRAMS if not node.accepts(text.encode())] == []
    assert [text for _, text in MISTAKES if node.accepts(text.encode())] == []


@pytest.mark.parametrize(
    "text",
    ["f(a,,", "const a;", "function (", "() => { await a", "() => {} +", "a ?? b ||", "break;", "a + b = ",
     "{ 'a':", "try {} a", "'a\n", "3i", "class A { get a(b", "super.", "for (;;) const ", "{ import a"],
)  # fmt: skip
def test_a_mistake_is_refused_where_it_is_made(text: str) -> None:
    assert not is_viable_prefix(load_language("javascript"), text.encode())


@pytest.mark.parametrize(
    ("prefix", "closing"),
    [
        ("if (a) {", "}"), ("f(a, [b", "])"), ("x = `a${b", "}`"), ("/* a", "*/"), ("x = 'a", "'"), ("try {", None),
        ("do a", None), ("const a", None), ("class A { a() {", "}}"), ("x = <a>", None), ("a => ", None),
        ("let {", None),
    ],
)  # fmt: skip
def test_what_is_open_is_closed(prefix: str, closing: str | None) -> None:
    vocabulary = TokenVocabulary.from_bytes([bytes([b]) for b in range(256)], eos_ids=[])
    found = SyntaxMatcher(load_language("javascript"), vocabulary, prefix.encode()).closing_bytes()
    assert found is not None
    assert closing is None or found == closing.encode()
    assert can_end(load_language("javascript"), prefix.encode() + found)
