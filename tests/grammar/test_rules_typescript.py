"""TypeScript beyond tree-sitter: what the compiler's parser refuses, and that nothing else is."""

from __future__ import annotations

import functools

import pytest

from benchmarks.grammar_oracles import OracleMissingError, TsxOracle, TypeScriptOracle
from grammar import SyntaxMatcher, TokenVocabulary, can_end, is_viable_prefix, load_language

# Programs, in groups that share a rule.
ACCEPTED = {
    "types": [
        "type A = | B | (() => C)", "type A = B & (C | D)[]", "type A = B | & C", "let x: -1 | 'a' | null = -1",
        "type A = B extends (...c: any) => infer D ? D : never", "let x: abstract new (a: b) => c",
        "type A = { readonly [k in keyof B as `${k}`]+?: C }", "let x: typeof a.b = c", "function f(a): a is b {}",
        "let x: (a?: b, ...c: d[]) => asserts a", "type A = [a: b, c?: d, ...e: f]", "let x: readonly a[]",
        "let x: { a: b, c(): d; get e(): f\n new (g): h }", "x = a as b | c", "x = a as const satisfies d",
        "f<A<B<C>>>(d)", "x = <T,>(a: T): T => a", "let f = (a: b = c): d => e", "let a!: b", "x = a!.b![c]! + d!",
        "a! = b", "a! ** b", "(a as b) = c", "let x: () => { a: string } | B", "let x: unique symbol",
    ],
    "checked later": [
        "break", "const a", "let { a }", "function f() { await a }", "class A { get a(b) {} }", "if (a) let b = 1",
        "5++", "'a'++ ", "a ?? b || c", "super.a", "{ import a from 'b' }", "throw\na", "using a = b",
        "function f() { export const a = 1 }", "switch (a) { default: default: }", "(a, ...b, c) => d",
        "let x: void = void 0",
    ],
    "statements": [
        "{ a: 1 }", "{ a, b }", "{ a = 1 }", "x = { a: 1, b }", "a => { b: c }", "() => ({ a: 1, b: 2 })",
        "type A = () => { a: b, c: d }", "let f: (a) => { b: c; d: e } = g", "({ a, b } = c)",
        "let { a, b: { c } } = d", "for (const { a, b } of c) ;", "function f({ a, b: c }: D = {}) {}",
        "if (a) { b } else { c: d }", "export default function () {}", "export default class {}",
        "x = function () {}", "(function () {})()", "async function f() {}\nasync () => {}",
        "export = { a: 1, b: 2 }", "declare function f(): void", "<any>function () {}",
        "try { a } catch (b) { c } finally { d }", "class A { static { a } static b() {} }",
        "namespace A.B { export let c }", "declare module 'a' { let b }", "declare module 'a'",
        "declare global { let a }", "namespace A\n{ }", "module.exports = { a, b }", "namespace = module",
        "export as namespace a", "#!/a\nexport = b", "@a({ b: 1, c: 2 }) class D {}",
    ],
    "imports": [
        "import type from 'a'", "import type, { a } from 'b'", "import type { a } from 'b'",
        "import { type a } from 'b'", "import a = require('b')", "import a = b.c", "export { a as default }",
        "import {} from 'a'", "export default { a: typeof b }",
    ],
    "members": [
        "class A { a; b = 1\nc?: d; e() {} }", "type A = { a, b; c\nd }", "interface A { a, b }",
        "abstract class A { abstract a(): b }", "class A { a = (b, c) }", "enum A { a, b = 1, 'c', }",
    ],
    "words": [
        "x = { class: 1, default: 2, in() {}, get delete() {} }", "a.class?.default", "enum A { class, if = 1 }",
        "class A { public delete() {} static in: b; readonly new?: c; @a default: d; private static async *if() {} }",
        "interface A { class: a; default?: b; in(): c }", "export { default as a } from 'b'",
        "import { default as a, class as b } from 'c'", "let { class: a, ...b } = c", "import.meta.if", "new.target",
        "let number, string, type, of, as, is, any, async, get, set, declare, abstract, readonly", "number++",
        "number1 = numberA", "type type = type", "let x: a.in", "export * as default from 'a'", "let x: function",
    ],
    "operands": [
        "a + (b = c)", "a ? b : c = d", "() => {}\n[a]", "() => a\n(b)", "- -a", "(-a) ** b", "a = b => c = d",
        "x = () => {}, y", "a++\n++b", "a && (b => c)", "x = y as z || w", "f(a < b, c > d)",
    ],
    "lists": [
        "f(a, ...b,)", "[a, , b]", "try {} catch {}", "x = { a, }", "type A = [a, b,]", "f<A, B>(c)",
    ],
    "lexemes": [
        "1_000n", ".5e-3", "1..a", "0xff", "'\\u{1F600}\\\n'", "é = $", "/[/]/gi",
    ],
}  # fmt: skip
# Each with the message of the parser that is prevented.
REFUSED = {
    "Type expected.": ["type A = B | | C", "type A = B & | C", "type A = | | B"],
    "Function type notation must be parenthesized": ["type A = B | () => C", "type A = B & (c: D) => E",
                                                     "type A = B | new () => C"],
    "';' expected.": ["type A = B || C", "a + b = c", "a || b => c", "() => {} + 1", "() => {}.a", "i++ ++",
                      "a + yield b", "{ a: 1, b: 2 }", "{ 'a': 1 }", "a => { b: 1, c: 2 }", "{ a, b: 1 }",
                      "import typeof a from 'b'"],
    "Declaration or statement expected.": ["{ ...a }", "function f() {}.a", "class A {}.a", "{ a } = b", "export : a",
                                           "export *= a"],
    "An unary expression": ["-a ** b", "typeof a ** b"],
    "Identifier expected.": ["function () {}", "async function () {}", "function <T>() {}", "namespace 'a' {}",
                             "import {typeof a} from 'b'"],
    "'{' expected.": ["namespace A", "namespace A.B\nlet c"],
    "Expression expected.": ["x = export", "x = new", "x = break", "f(case)"],
    "'=' expected.": ["import type 'a'"],
    "Property or signature expected.": ["let x: {| a: b |}"],
    "Unexpected keyword or identifier.": ["class A { a, b }", "class A { a: b, }"],
    "Argument expression expected.": ["f(a,,b)", "f(,)"],
    "Property assignment expected.": ["x = { a,, }", "type A = { a,, b }"],
    "'catch' or 'finally' expected.": ["try {}", "try {} a"],
    "is not allowed as a variable declaration name": ["const import = 1", "let function: a", "var in"],
    "reserved word": ["function f(class) {}", "class extends {}\nclass if {}", "enum default {}", "const [break] = a",
                      "import * as new from 'a'"],
    "Unterminated string literal.": ["'a\nb'", '"a\r"'],
    "lexemes": ["0777", "08", "3in a", "1_", "0x", "1a", "'\\u{110000}'", "€"],
}  # fmt: skip
JSX = [
    "x = <a b='c\n' class={d} {...e}>f {g} &amp; <h/></a>", "x = <></>", "x = <A.B<C> d />", "x = <var>a</var>",
    "x = <T,>(a: T) => a", "x = <a-b c-d='e' in />", "x = a ? <b/> : <c>{d}</c>",
    "x = <><a>b {c} <></> &amp; <d.e/></a>{/* f */}</>", "x = <a>\n  <b>c</b>\n  {d && <e></e>}\n</a>",
]  # fmt: skip

PROGRAMS = [(rule, text) for rule, texts in ACCEPTED.items() for text in texts]
MISTAKES = [(rule, text) for rule, texts in REFUSED.items() for text in texts]


@functools.cache
def oracle(name: str) -> TypeScriptOracle:
    try:
        return TsxOracle() if name == "tsx" else TypeScriptOracle()
    except OracleMissingError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["typescript", "tsx"])
@pytest.mark.parametrize(("rule", "text"), PROGRAMS)
def test_programs_are_accepted_and_all_their_beginnings_are_viable(rule: str, text: str, name: str) -> None:
    language, data = load_language(name), text.encode()
    if name == "tsx" and text.startswith("<any>"):
        return  # an element there
    assert can_end(language, data), rule
    assert all(is_viable_prefix(language, data[:end]) for end in range(len(data))), rule


@pytest.mark.parametrize("text", JSX)
def test_elements_are_accepted_in_tsx(text: str) -> None:
    assert can_end(load_language("tsx"), text.encode())
    assert oracle("tsx").accepts(text.encode())


@pytest.mark.parametrize("text", ["x = <a>b</>", "x = <>a</b>", "x = <a>{b}<c/></>", "x = <><a>{b}</></>"])
def test_fragments_are_closed_as_such(text: str) -> None:
    assert not can_end(load_language("tsx"), text.encode())
    assert not oracle("tsx").accepts(text.encode())


@pytest.mark.parametrize("name", ["typescript", "tsx"])
@pytest.mark.parametrize(("rule", "text"), MISTAKES)
def test_what_the_parser_refuses_is_no_program(rule: str, text: str, name: str) -> None:
    assert not can_end(load_language(name), text.encode()), rule


def test_the_compiler_agrees() -> None:
    judge = oracle("typescript")
    assert [text for _, text in PROGRAMS if not judge.accepts(text.encode())] == []
    assert [text for _, text in MISTAKES if judge.accepts(text.encode())] == []


@pytest.mark.parametrize(
    "text",
    ["f(a,,", "type A = B | |", "function (", "() => {} +", "a + b = ", "x => { a: 1, b:", "try {} a", "'a\n", "3i",
     "const import ", "class A { a, ", "import type '", "type A = B | (c) =>", "namespace A\nb", "{ 'a':"],
)  # fmt: skip
def test_a_mistake_is_refused_where_it_is_made(text: str) -> None:
    assert not is_viable_prefix(load_language("typescript"), text.encode())


@pytest.mark.parametrize(
    ("prefix", "closing"),
    [
        ("if (a) {", "}"), ("f(a, [b", "])"), ("x = `a${b", "}`"), ("/* a", "*/"), ("x = 'a", "'"), ("try {", None),
        ("interface A { b: ", None), ("type A = B | ", None), ("let x: A<B", ">"), ("class A { private ", None),
        ("x = (a?: B", None), ("namespace A", None), ("enum A { b", "}"), ("import type ", None),
        ("export default class extends ", None), ("type A = B extends infer C ", None), ("@a.b(", None),
    ],
)  # fmt: skip
def test_what_is_open_is_closed(prefix: str, closing: str | None) -> None:
    vocabulary = TokenVocabulary.from_bytes([bytes([b]) for b in range(256)], eos_ids=[])
    found = SyntaxMatcher(load_language("typescript"), vocabulary, prefix.encode()).closing_bytes()
    assert found is not None
    assert closing is None or found == closing.encode()
    assert can_end(load_language("typescript"), prefix.encode() + found)
