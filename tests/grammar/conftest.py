"""Languages, real source files and small vocabularies cut out of them."""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from grammar import Language, SyntaxMatcher, TokenVocabulary, load_language

STDLIB = Path(sysconfig.get_path("stdlib"))
JAVA = b"""package a.b;
import java.util.*;
/** A shop. */
public class Shop<T extends Comparable<T>> implements Runnable {
    private final Map<String, List<T>> stock = new HashMap<>();
    static final double RATE = 1.5e-3; char c = '\\n'; String s = "a\\"b\\u00e9";
    public Shop(int size) { this.size = size; }
    @Override public void run() {
        for (int i = 0; i < 10; i++) { if (i % 2 == 0) continue; else System.out.println(i + ": " + s); }
        int[] xs = new int[] {1, 2, 3};
        while (true) { try { f((a, b) -> a.compareTo(b)); break; } catch (Exception e) { throw new Error(e); } }
        switch (xs[0]) { case 1: return; default: xs[1] += 2; }
        String t = x instanceof String ? (String) x : null; // done
    }
}
"""
GO = b"""package main

import (
\t"fmt"
\tm "math"
)

type Point struct {
\tX, Y float64 `json:"x"`
}

func (p *Point) Norm() (r float64, err error) {
\tif p == nil {
\t\treturn 0, fmt.Errorf("nil %v", p)
\t}
\tfor i := range []int{1, 2} {
\t\tr += m.Sqrt(float64(i)) * 0x1p-2
\t}
\tch := make(chan map[string]int, 3)
\tgo func(a ...int) { ch <- map[string]int{"a": len(a)} }(1, 2)
\tselect {
\tcase v, ok := <-ch:
\t\t_, _ = v, ok
\tdefault:
\t}
\tswitch x := any(r).(type) {
\tcase int, string:
\t\treturn r, nil // x
\t}
\treturn
}
"""
JAVASCRIPT = b"""import a, { b as c } from 'd'

/** A shop. */
export default class Shop extends Base {
  static #count = 0x1F
  items = []
  get size() { return this.items.length }
  constructor(...rest) { super(rest[0]); this.name ??= `n${rest.map(x => x ** 2)}\\u{e9}` }
  static async *all({ url, n = 1_0.5e3 }, [x, , y] = []) { for await (const r of fetch(url)) yield r?.[0] }
}

const f = async (x) => { await x }
let [i, j] = [1, 2], g = function () {}
for (let k = 0; k < 3; k++) { if (k % 2) continue; else break }
outer: while (true) {
  try { f(i++, ...j) } catch { break outer } finally { g() } // done
  switch (typeof i) { case "number": case 'x': delete c.d; default: throw new Error }
}
var o = { i, 'k': /[/"]+/gi.test(j) ? !i : -j, [g()]: 1, m() { return super.m }, ...c }
do i = (j, a) / 2; while (i > 1)
/* two
lines */ module.exports = i
"""
JSX = JAVASCRIPT + b'const p = () => <p id="q" {...o}>text {i} <br/>\n</p>\n'
TYPESCRIPT = b"""import a, { type B, c as d } from 'e'
import type { F } from "f"

/** A shop. */
@injected({ a: 1 })
export abstract class Shop<T extends Item = Item> extends Base<T> implements Shelf {
  static #count = 0x1F
  private readonly items?: T[] = []
  name!: string; [key: string]: unknown
  constructor(public size: number, @Inject(a) private b?: c) { super(size); this.name ??= `n${size}\\u{e9}` }
  abstract load<K extends keyof T>(key: K, ...rest: T[K][]): Promise<T | undefined>
  get count(): number { return this.items!.length as number }
  static async *all({ url, n = 1_0.5e3 }: Query, [x, , y]: number[] = []) { for await (const r of f(url)) yield r?.[0] }
}
interface Shelf extends A.B<C>, D {
  (x: string): void; new (): Shelf
  readonly on?: (event: 'a' | -1, { x }: { x: number }) => asserts event is E
  method(): this
  class: Record<string, [a: b, out?: c, ...d: e[]]> }
type Unwrapped<T> = T extends Promise<infer U>[] ? { -readonly [K in keyof T as `a${K}`]-?: T[K] }
  : typeof a.b | (() => void)
declare module 'g' { export default function h(this: any, x?: string): x is "y" }
namespace N.M { export const enum Color { Red = 1 << 2, Green = 'green' } }
function over(a: string): void
function over(a: any) {
  outer: while (a) { try { f<T>(a++, ...b) } catch (e: unknown) { break outer } finally { g() } } }
const f = async <T>(x: T): Promise<T> => { await x; return x satisfies T }
let [i, j]: number[] = [1, 2], k = i > 1 ? (a?: b): c => a : function () {}
for (const key in { i, 'k': /[/"]+/gi, m() { return !i }, ...a }) switch (key) { case "a": default: throw new Error }
export { f, type Shelf as default }; export = f
"""
RUST = rb"""//! A shop.
use std::{collections::HashMap, fmt::{self, Display as D}};

/// What is sold. /* no comment */
#[derive(Debug, Clone)]
pub struct Shop<'a, T: Ord + ?Sized, const N: usize = 3> where T: 'static {
    pub(crate) items: Vec<&'a T>, pair: (u8, [f32; N]) }
/* a /* nested */ b */
pub enum Kind { A = 1, B(u8), C { d: i64 } }
const RATE: f64 = 1.5e-3_f64 + 1. + 0x1F as f64;

impl<'a, T: Ord> Shop<'a, T> {
    pub async fn get(&self, mut n: usize) -> Result<Option<&'a T>, Box<dyn std::error::Error + Send>> {
        let Some(x) = self.items.get(n) else { return Err("a\"b\u{e9}\
            c".into()) };
        for i in 0..=10 { if i % 2 == 0 { continue } else { println!("{i} {}", r#"raw "x" {}"#); } }
        'outer: loop { match n { 0 | 1 => break 'outer,
            k @ 2..=5 if k > 3 => n -= 1, _ => unsafe { n = *(&n as *const usize) } } }
        let f = move |a: u8, b| -> u8 { a + b }; // done
        let r#type = br##"a"#b"##; let c = '\''; let t = (1, (2.5, 3)); t.1.0; t.0.pow(2)?;
        Ok(Some(x)).map(|v| v as _)
    }
}

macro_rules! add { ($a:expr $(, $b:tt)*) => { $a $(+ $b)* }; }
"""
TSX = (
    TYPESCRIPT.replace(b"<T>(x", b"<T,>(x")
    + b'const p = <T,>(a: T) => <p id="q" class={b} {...o}>text {i} <A<B> c /><br/>\n</p>\n'
)


@pytest.fixture(scope="session", params=["python", "java", "go", "javascript", "typescript", "tsx", "rust"])
def language(request: pytest.FixtureRequest) -> Language:
    return load_language(request.param)


@pytest.fixture(scope="session")
def python() -> Language:
    return load_language("python")


def stdlib_files(count: int, seed: int, limit: int = 30_000) -> list[bytes]:
    files = sorted(p for p in STDLIB.glob("*.py") if p.stat().st_size < limit)
    return [p.read_bytes() for p in random.Random(seed).sample(files, count)]


def sources(name: str, seed: int = 1) -> list[bytes]:
    """Texts that the language's own parser accepts."""
    texts = {"java": JAVA, "go": GO, "javascript": JSX, "typescript": TYPESCRIPT, "tsx": TSX, "rust": RUST}
    return stdlib_files(12, seed, 12_000) if name == "python" else [texts[name]]


def vocabulary_of(texts: list[bytes], size: int, seed: int) -> TokenVocabulary:
    """All bytes, and pieces of the texts of up to 12 bytes, cut anywhere (also inside characters)."""
    rng = random.Random(seed)
    pieces: set[bytes] = set()
    while len(pieces) < size:
        text = rng.choice(texts)
        start = rng.randrange(len(text))
        pieces.add(text[start : start + rng.randint(2, 12)])
    tokens: list[bytes | None] = [*(bytes([b]) for b in range(256)), *sorted(pieces), None, b"<stop>"]
    return TokenVocabulary.from_bytes(tokens, eos_ids=[len(tokens) - 1], width=len(tokens) + 70)


def allowed_ids(matcher: SyntaxMatcher) -> set[int]:
    bitmask = torch.zeros((1, (matcher.vocabulary.width + 31) // 32), dtype=torch.int32)
    matcher.fill_bitmask(bitmask, 0)
    words = [int(w) & 0xFFFFFFFF for w in bitmask[0]]
    return {i for i in range(matcher.vocabulary.width) if words[i >> 5] >> (i & 31) & 1}


def by_trying(matcher: SyntaxMatcher) -> set[int]:
    """The slow definition of the mask: every id is tried."""
    return {i for i in range(matcher.vocabulary.width) if matcher.clone().accept_token(i)}


def random_walk(matcher: SyntaxMatcher, rng: random.Random, steps: int) -> None:
    for _ in range(steps):
        choices = sorted(allowed_ids(matcher) - set(matcher.vocabulary.eos_ids))
        if not choices:
            return
        matcher.accept_token(rng.choice(choices))


Feed = Callable[[bytes], SyntaxMatcher]
