"""Go beyond tree-sitter: what go/parser 1.19 refuses, as early as no program can begin so."""

from __future__ import annotations

import pytest

from grammar import Language, can_end, is_viable_prefix, load_language


@pytest.fixture(scope="module")
def go() -> Language:
    return load_language("go")


FILES = [
    ("", True, False),
    ("\n// c\n", True, False),
    ("package p", True, True),
    ("package p;", True, True),
    ("import", False, False),
    ("func", False, False),
    ("x", False, False),
    ("package p\nx", False, False),
    ("package p\nreturn", False, False),
    ("package p\n{", False, False),
    ("package p\n;", False, False),
    ('package p\nimport "a"\nimport "b"\n', True, True),
    ('package p\nimport (\n"a"\n_ "b"\n)\nvar x int\n', True, True),
    ('package p\nvar x int\nimport "a"', False, False),
    ("package p\npackage", False, False),
    ('package p\nimport ""', False, False),
    ("package p\nimport ``", False, False),
    ("package p\nimport `a/b-c`\n", True, True),
    ('package p\nimport "a.b/c+d~é"\n', True, True),
    ('package p\nimport "a b', False, False),
    ('package p\nimport "a\u00a0', False, False),
    ('package p\nimport x "a\\', False, False),
    ("package p\nimport `a!", False, False),
    ("package p\nvar x = 1\nfunc f() {}\ntype T int\nconst c = 2", True, True),
]
FUNCTIONS = [
    ("func f()", True, True),
    ("func f() {", True, False),
    ("func (t T) f() {}", True, True),
    ("func () {", False, False),
    ("func (t T) {", False, False),
    ("func (t T) f {", False, False),
    ("func (t T) f T", False, False),
    ("func f[T any](x T) {}", True, True),
    ("func f(a, b int, c ...T) (x, y int) {}", True, True),
    ("func f(int, *T, a.B, []C, map[k]v, func(x int)) {}", True, True),
    ("func f(a, b", True, False),
    ("func f(a int, b)", False, False),
    ("func f(a int, b, c T, d) {}", False, False),
    ("func f(a int, *", False, False),
    ("func f(a int, b...", True, False),
    ("func f(a int, b.c", False, False),
    ("func f(*a, b c", False, False),
    ("func f(*a, b []", False, False),
    ("func f(*a, b[c]) {}", True, True),
    ("func f(a [n]int, b []int, c List[int]) {}", True, True),
    ("func f(a int, b[c])", False, False),
    ("func f(,", False, False),
    ("func f(a int,) {}", True, True),
    ("type I interface { f(a int, b)", False, False),
    ("type I interface { f(a, b); g(x int) (y int) }", True, True),
    ("var f = func(a int, *", False, False),
]
STATEMENTS = [
    ("a, b := 1, 2", True),
    ("a.b := ", False),
    ("a[0] := ", False),
    ("a, b.c := ", False),
    ("true, iota := f()", True),
    ("for a, b := range c {}", True),
    ("for a.b := ", False),
    ("switch x := y.(type) {}", True),
    ("switch x.z := ", False),
    ("const x = 1", True),
    ("const x\n", False),
    ("const (\n a = iota\n b\n)", True),
    ("const (\n a\n", False),
    ("const x, ", True),
    ("go f()", True),
    ("go f\n", False),
    ("defer (f())\n", False),
    ("defer f(1).g(2)", True),
    ("defer f + g()\n", False),
    ("defer func() {}()", True),
    ("if x == (T{1}) {}", True),
    ("if x == T{1, 2 = 3, 4", True),  # no literal: a block that assigns
    ("if x == T{1, 2}", False),
    ("if x == T{a: b()}", True),  # a label
    ("if x == T{a: 1} {}", False),
    ("for _, x := range []T{1, 2} {}", True),
    ("switch (T{}) {}", True),
    ("if f(T{1}) {}", True),
    ("if f := func() T { return T{1} }; f() {}", True),
    ("if x == struct{ a int }{1} {}", True),
    ("x := T{,", False),
    ("x := []int{1, 2,}", True),
    ("var _ interface{ ~int | ~string }", True),
    ("var _ interface{ ~ ~", False),
    ("var x ~", False),
    ("case ", False),
    ("var case ", False),
    ("x.func ", False),
    ("var x T[int |", False),
    ("var x T[int, *a |", False),
    ("x := T[a | b]", True),
    ("x := T[int, b](c)", True),
    ("type T[K comparable, V int | string] struct {}", True),
    ("type T[K interface{ int | string }] struct {}", True),
    ("f(a, b...)", True),
    ("f(a, b...,)", True),
    ("f(b..., a", False),
    ("f(g(b...), a)", True),
    ("if a, b {", False),
    ("if a, b := f(); a {}", True),
    ("if a := b {", False),
    ("if a := b; c {}", True),
    ("if a := []T{b}; c {}", True),
    ("if f(T{a}, b) {}", True),
    ("for a, b {", False),
    ("for a := b {", False),
    ("for a, b := range c {}", True),
    ("for a = range []T{b} {}", True),
    ("for range a {}", True),
    ("for a := 0; a < b {", False),
    ("for a, b := 0, 1; a < b; a, b = b, a {}", True),
    ("for ; ; a = b {}", True),
    ("for ;; {}", True),
    ("for a {}", True),
    ("for {}", True),
    ("switch a, b := f(); a {}", True),
    ("switch a := f(); a.(type) {}", True),
    ("switch a := b {", False),
    ("switch a := b; {}", True),
    ("switch a := b.(type) {}", True),
    ("switch a {}", True),
    ("if a == struct{ b int }{c} {}", True),
    ("if a := func() T { b, c = d, e; return T{} }; f {}", True),
    ("go f ^", False),
    ("defer f / g", False),
    ("defer []byte(f + g)", True),
    ("defer f[a + b](c)", True),
    ("func(a T, b [c, ", False),
]
LINES = [
    ("f(a\n", False),
    ("f(a,\n b)", True),
    ("f(a,\n b,\n)", True),
    ("x := []int{\n1,\n2}", True),
    ("x := []int{\n1\n", False),
    ("x := []int{\n1, // c\n2,\n}", True),
    ("x := a +\n b", True),
    ("x := a[1\n", False),
    ("if x\n", False),
    ("for x\n", False),
    ("var x\n", False),
    ("x := f(\n a,\n)", True),
    ('x := "a\n', False),
    ("x := `a\nb`", True),
    ("return\n", True),
    ("if x {\n} else {\n}", True),
    ("if x {\n} // c\n", True),
    ("f(a, // c\n)", True),
    ("f(a // c", False),
    ("f(a //", False),
    ("f(a /", True),
    ("f(a /* c */)", True),
    ("f(a /* c\n", False),
    ("f(a, /* c\n d */ b)", True),
    ("f(a) /* c\n d */\n", True),
    ("if x // c", False),
    ("x := []int{1 // c", False),
    ("x := a + // c\n b", True),
    ("return // c\n", True),
    ("x := f() // c\n", True),
    ("for { // c\n}", True),
    ('x := "a // b"', True),
]
LEXEMES = [
    (r"'a'", True),
    (r"'\n'", True),
    (r"'\''", True),
    (r"'\"'", False),
    ("'\n'", False),
    (r"'\377'", True),
    (r"'\400'", False),
    (r"'\ud800'", False),
    (r"'\U0010ffff'", True),
    (r"'\U00110000'", False),
    (r'"\a\x41\u00e9\101"', True),
    (r'"\""', True),
    (r'"\'"', False),
    (r'"\q"', False),
    (r'"\18"', False),
    (r'"\x4"', False),
    ("0x_1p-2", True),
    ("0b102", False),
    ("0x2.ap1", True),
    ("0x2.a", False),
    ("0x2.8p1", True),
    ("2.8", True),
    ("é9_", True),
    ("a\u0301", False),
    ("a\u203f", False),
    ("a٣", True),
    ("- -a", True),
    ("--a", False),
    ("f(a--b)", False),
    ("f(a- -b)", True),
    ("a < -b", True),
    ("f(a<-b)", False),
    ("f(<-b)", True),
    ("a &^b", True),
    ("a[1:=2]", False),
    ("a[:-1]", True),
    ("a && &b == c", True),
]


@pytest.mark.parametrize(("text", "viable", "ends"), FILES)
def test_the_shape_of_a_file(go: Language, text: str, *, viable: bool, ends: bool) -> None:
    assert is_viable_prefix(go, text.encode()) == viable
    assert can_end(go, text.encode()) == ends


@pytest.mark.parametrize(("text", "viable", "ends"), FUNCTIONS)
def test_heads_of_functions(go: Language, text: str, *, viable: bool, ends: bool) -> None:
    data = f"package p\n{text}".encode()
    assert is_viable_prefix(go, data) == viable
    assert can_end(go, data) == ends


@pytest.mark.parametrize(("text", "viable"), STATEMENTS)
def test_statements(go: Language, text: str, *, viable: bool) -> None:
    data = f"package p\nfunc f() {{\n{text}".encode()
    assert is_viable_prefix(go, data) == viable


@pytest.mark.parametrize(("text", "viable"), LINES)
def test_line_breaks(go: Language, text: str, *, viable: bool) -> None:
    data = f"package p\nfunc f() {{\n{text}".encode()
    assert is_viable_prefix(go, data) == viable


@pytest.mark.parametrize(("text", "viable"), LEXEMES)
def test_literals(go: Language, text: str, *, viable: bool) -> None:
    data = f"package p\nvar x = {text};".encode()
    assert is_viable_prefix(go, data) == viable
