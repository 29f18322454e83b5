"""Python beyond tree-sitter: a text may end exactly where CPython compiles it."""

from __future__ import annotations

import warnings

import pytest

from grammar import Language, can_end, is_viable_prefix

TEXTS = [
    # keywords are no names
    "async", "x = async", "async = 1", "f(async)", "async.x", "await", "await = 1", "print = 3", "match = type",
    "async def f():\n  await x.y(await z)[0] + await w", "async def f(): [x async for x in y]",
    "x\nelif = 3", "if x:\n  y\n  return", "not_a = ifx = 1",
    # with
    "with a,: x", "with a, b: x", "with (a,): x", "with (a as b,): x", "with lambda a,: 0: x", "with x[a,:], y: x",
    "with (a, b) as c, d: x", "with (x[1,:] as y, z): x", "with a as b, c as d: x",
    # except, import
    "try: x\nexcept (a, b) as e: y", "try: x\nexcept a, b: y", "try: x\nexcept a as b.c: y", "import a as b, c",
    "from a import (b, c,)", "from a import b,", "from a import (*)",
    # targets
    "a, *b = c", "*a, = b", "f() = 1", "a.b[c] = d", "(a, b) += c", "a: int = 3", "(a): int", "a, b: int",
    "x if y else z = 1", "[a, (b, *c)] = d", "for f() in x: y", "for a.b in x: y", "del a, b[c], (d, e)",
    # arguments and parameters
    "f(a, b=1, *c, **d)", "f(b=1, a)", "f(**d, *c)", "f(**d, e=1)", "f(x for x in y)",
    "def f(a, b=1, *c, d, **e): x", "def f(a=1, b): x", "def f(*): x", "def f(a, /, b, *, c): x",
    "def f(**a, b): x", "lambda a=1, b: x", "lambda *, a: x", "class A(B, c=d): x", "class A(b for b in c): x",
    # strings
    "'a' 'b'", "'a' b'b'", "b'a' rb'\\xff'", "b'é'", "'\\xg'", "'\\u12'", "b'\\u12'", "f'{a!r:>{b}}'",
    "f'{a!x}'", "f'{}'", "f'{a}}'", "f'{{}}'", "f\"{r'\\d'}\"", "f'{a\\n}'", "f'''{\na}'''", "f'{'a'}'", "f'{#}'",
    # numbers
    "01", "0_0", "1__0", "0x_f", "1_", "1.e5", "1e", "0777j", "0b12", "1if x else y",
    # placement
    "return", "yield", "break", "continue", "for x in y:\n  def f(): break", "while x:\n  if y: continue",
    "class A:\n  return", "lambda: (yield)", "def f():\n  yield from x", "async def f():\n  yield from x",
    "nonlocal x", "x = yield", "def f():\n  x = yield", "def f():\n  await x",
    # layout
    "if x:\n\ty\n        z",
    "if x:\n        y\n\tz", "if x:\n  y\n z", "x\n  y", "(\nx\n)", "x = \\\n 1", "x = \\ \n 1",
    "if x:\n  # c\n", "if x: y\nelse: z", "if x: y; z;", "if x: if y: z",
    # walrus, starred
    "(a := 1)", "a := 1", "f(a := 1)", "x[a := 1]", "(a.b := 1)", "if a := b: c", "*a,", "x = *a,",
    "print(*a)", "f(*a or b)", "[*a, *b]", "{**a}", "{*a, **b}",
]  # fmt: skip


TARGETS = [
    "for a in b: x", "for a, in b: x", "for a, *b in c: x", "for (a, b), [c] in d: x",
    "for a.b[1].c, d(2).e in f: x", '[a for "x".y in z]', '[a for "x" "y".y in z for b in c if d]',
    "for print in x: y", "for 1 .real in y: z", "for a -b in c: d", "for -a in b: c", "for f() in b: c",
    "for a in b, c: d", "[a for a in b, c]", "f(a for a in b, c)", "f(a for a in b)", "f(a, (b for b in c), d)",
    "f(c, b for b in c)", "{a: b for a, b in c if d}", "{a for b in c for d in e if (f, g)}", "(a for b in c, )",
    "[a for b in [c, d] if e]", "[lambda a, b: c for d in e]", 'f"{[a for b in c]}, {d}"',
    "x = [a for b in c], d", "del a", "del a, b", "del a.b, c[1]", "del f()", "del f().x", "del f(), a",
    "del (a, b)", "del [a]", "del 1", "del a[f()]", "del f(x)[1]", "del a.b(c)", "del a; b", "del ()", 'del "a"',
    "del -a", "del a + b", 'del "a".b', "del (a).b", "del a if b else c", "*a", "*a, b", "*a, = b", "*a = b",
    "x = *a", "x = *a, b", "x = *a,", "return_ = [*a]", "f(*a)", "(*a)", "(*a,)", "(*a, b)", "{*a}",
    "[*a for b in c]", "print(*a, *b)", "a[*b]", "for *a in b: c", "for *a, b in c: d", "def f(): return *a",
    "def f(): return *a, b", "def f(): yield *a", "def f(): yield *a, b", "f((*a))", "x := *y", "(x := *y)",
    "f(*a or b)", "[*a, *b]", "*a.b(c)", "*a + b, c", "with (*a, b): c", "x: int = *a, b", "[*a, b] = c",
    "[*a] = b", "(*a, b) = c", "a, *b = c", "for a, *b in c: d", "x = [*a, b for c in d]", "x = (yield)",
    "lambda *a: b", "lambda *a, **b: c", "def f(*a): b", "def f(*, a): b", "f(*a, **b)", "class A(*b): c",
    "a = b = *c, d", "a += *b, c", "a += *b", "assert a for", "x = not a", "del a,", "del (a), b",
    "del a[1:2], b.c", "match a:\n  case *b, c: d", "match a:\n  case [*b]: d", "import a; del a",
    "[x async for y in z]", "async def f():\n  async for a in b: c\n  [x async for y in z]",
    "try: a\nexcept* b: c", "a[*b, c]", "f(**{*a})", "for x in *a, b: c", "for x in *a: b",
    "print(a for b in c if d)", "sum(1 for _ in x)", "f(a)(b for c in d)", "del a.b.c", "del a[b].c(d).e",
    "x = {**a, 'b': [c for d in e]}", "any(a for b in c) and d, e", "*a.b, c = d", "*a[0], b = c",
    "[*a.b, c] = d", "x = *a[b], c", "f(*a[b], c)", "[*a(b), c]", "x = {*a, *b}", "(*a.b)", "(*a, *b)",
    "f(*[a for b in c], d)", "a[*b.c]", "print(*a[1:2])", "*a[b](c), d", "*a[b](c)", "return_(*a)",
    "for (*a, b) in c: d",
]  # fmt: skip
# A comment ends its line, so it may stand only where the line may end, or in a bracket.
COMMENTS = [
    "x = not #c", "x = (not #c\n a)", "if x: #c\n  y", "if x: #c\n  y #d\nelse: #e\n  z; #f", "@a #b\ndef f(): #c\n  d",
    "x = 1 + \\\n 2 #c", "def f(a, #b\n c): #d\n  e #f", "from c import (d, #e\n f)", "a = 1 if #c", "lambda: #x",
    "(a and b := c)", "@a := b\ndef f(): c", "(a, b := c)", "[a := b, c]", "f(a=b := c)", "{a: b := c}",
    "if not a := b: c",
    "(a if b else c := d)",
    "f(a, b := c, d=e)", "while a := b: c", "(a := b and c)", "x[a:b := c]", "x = {1: #a\n2}",
    "import #a", "def #a", "for a #b\n in c: d", "a = #b", "a; #b", "return_ #b",
    "x[1 #a\n]", "class A: #b\n  c",
]  # fmt: skip


SPECIFIERS = [
    "f'{a:>10}'", "f'{a:\\'>1}'", "f'{a:\"}'", "f\"{a:'}\"", 'f"{a:b"c}"', "f'''{a:'b}'''", "f'{a:{b}c}'", "f'{a!r:x}'",
    "f\"{a:{b['c']}}\"", "f\"{a:{b['c']}'}\"",
]  # fmt: skip
# Where `:=` may stand.
WALRUSES = [
    "x = a if b := c else d", "(a if b := c else d)", "(a if (b := c) else d)", "[a for b in c if d := e]",
    "[a for b in (c := d)]", "[a for b in [c for d in e if f := g]]", "[a for b in c if d if e := f]",
    "[a if b else c for d in e if f := g]", "if a := b: c", "if a if b := c else d: e", "while a := b: c",
    "match a := b:\n  case c if d := e: f", "match (a, b):\n  case [c, d] if e := f: g", "for a in (b := c): d",
    "for a in b := c: d", "@a\n@b := c\ndef d(): e", "x = a @ b := c", "f(lambda: a, b := c)", "(lambda: a := b)",
    "[a for match in b if c := d]", "{a: b for c in d if e := f}", "{a: b if c := d else e}", "[a := b for c in d]",
    "if a: b\nelif c := d: e", "a; b := c", "a; (b := c)", "if a: b := c", "x[a := b]", "x[a:b := c]", "(x) = match",
    "f(a := b for c in d)", "[x for y in z for w in (a := b)]", "[a for b in c(d := e)]",
    "while (a := b) if c else d: e", "a\nif b := c: d", "if a:\n  b\nif c := d: e", "def a():\n  b\n  while c := d: e",
    "class a: b\nmatch c := d:\n  case e: f", "with a: b\nif c := d: e", "try: a\nexcept: b\nif c := d: e",
    "for a in b:\n  c\nelse:\n  d\nif e := f: g", "match a:\n  case 1: c\n  case d if e := f: g\nif h := i: j",
]  # fmt: skip
STARS = [
    "f(a=*b)", "f(a=b*c)", "x[a:*b]", "x[a:b*c]", "{a: *b}", "{a: b*c}", "{**a}", "f(a, *b)", "def f(*a: *b): c",
    "def f(a=*b): c", "lambda a=b*c: d", "if a: *b, c = d", "x[*a]", "f(a=b, *c)", "{a: b, **c}", "a = *b, c",
]  # fmt: skip
ANNOTATED_STARS = [
    "def f(a: *b): c", "def f(a:*b, c): d", "def f(*a: *b): c", "def f(a: *b = c): d", "def f(a, *, b: *c): d",
    "def f(a: *b[c], d): e", "def f(**a: *b): c", "def f(a: (*b)): c", "def f(a: *b,): c", "def f() -> *a: b",
    "def f(*a: *b, c: *d): e", "def f(*a: *b, **c: *d): e", "def f(*a: b, c: d = e): g", "def f(*a: *b[c]): d",
    "def f(*a: *b.c, d): e", "def f(a: b, *c: *d, e: f = g, **h: i) -> j: k", "(lambda *a: b)", "(lambda *a: *b)",
    "(lambda a: *b)", "(lambda *a, b: *c)", "(lambda **a: b)", "x[lambda *a: b]", "f(x, lambda *y: z, *w)",
    "lambda a: *b", "lambda *a: b", "lambda *a: *b", "lambda a=b, *c: d", "if lambda: a: *b, c = d", "lambda: (*a, b)",
    "def f() -> (*a, b): c", "if a: *b, c = d", "while a: *b, c = d", "class a: *b, c = d", "lambda: lambda *a: b",
    "lambda: a * b", "for a in lambda *b: c: d", "f(lambda *a: b, *c)", "a: lambda *b: c", "f(a, **b)", "f(a=b**c)",
    "def f(*a, **b): c", "{a: b**c, **d}", "f(a=**b)", "f(a: **b)", "def f(a: **b): c", "print(lambda: *a)",
]  # fmt: skip
WITH = [
    "with a as b: c", "with a as b.c: d", "with a as b[0]: c", "with a as (b, c): d", "with a as [b, *c]: d",
    "with a as b(): c", "with a as b().c: d", "with a as b / c: d", "with a as 1: c", "with a as b if c else d: e",
    "with (a as b, c as d): e", "with (a as b(), c): d", "with a as b, c as d: e", "with (a): b", "with (a, b): c",
    "with a(b as c): d", "with a({b: c}) as d: e", "with a['b'] as c: d", "with f'{a}' as b: c", "with a as 'b': c",
    "with a as b, c() as d.e(): f", "with (a) as b: c", "with (a).b as c: d", "with a as *b: c",
]  # fmt: skip
BRACKETS = [
    "with a as {b for c in d}: x", "with a as [b for c in d]: x", "with a as (b for c in d): x", "with a as ('b'): c",
    "with a as (b + c): d", "with a as (b(), c): d", "with a as [b()]: d", "with a as (b(), c)[0]: d",
    "with a as (): c",
    "with a as ((b)): c", "with a as (b, *c): d", "with a as (*b): d", "with a as (yield): c", "with a as (b := c): d",
    "with a as {}: c", "with a as (b if c else d): e", "with a as (lambda: x): e", "with a as (not b): e",
    "with a as (-b): e", "with a as (b,): e", "with a as (1,): e", "with a as (None): e", "with a as (...): b",
    "with a as (b for b in c).d: e", "with a as (b < c): d", "with a as (b and c): d", "with a as ('a' 'b'): d",
    "with a as (f'{a}'): d", "with a as ([b, (c)]): d", "with a as (b(c))[d]: e", "with a as (b, (1)): d",
    "with a as (b[c:d], e): f", "with a as (b, 'c').d: e", "with a as (x)(y): z", "with a as (x)(y).w: z",
    "with a as (b as c): d", "with a as ([b, 1]): c", "with a as (b[1], c.d, [e]): f", "with a as (*b(), c): d",
    "with (a as b, c) as d: e", "with (c, a as b) as d: e", "with (a as b, c): d", "with (c, a as b,): d",
    "with (a as (b)), c: d", "with ((a as b), c): d", "with (a as (b, c), d as (e)): f", "with (a as (b), c): d",
    "with (a as (b, c), d as (1)): f", "with (a) as (b), (c) as [d, e]: f", "with (a as b).d: c", "with (a as b): c",
    "with a as (b, (c, (d, 1))): e", "with a as (b, (c, (d, e[1]))): e", "with a as (b.c(1).d, e): f",
    "with a as ({b: c}[d], e): f", "with a as ({b: c}, e): f", "with (a as b) as c: d", "with (a as b)(c): d",
    "with (a for b in c) as d: e", "with (a, b) as c: d", "with a as ()[0]: b", "with a as (1 + 2).b: c",
    "with a as [1 + 2][b]: c", "with a as (b if c else d).e: f", "with a as (b)(c)[d], e as (f): g",
    "del {b for c in d}", "del [b for c in d]", "del ('b')", "del (b + c)", "del [b()]", "del (b, c())", "del []",
    "del (b, (c, d.e[0]))", "del (b for c in d)", "del (b.c()).d", "del (1).b", "del (*a,)", "del [*a]", "del *a, b",
    "del (a as b)", "del (a), (b())", "del (a[b()], c(d).e)", "del (not a)", "del ((a)), ((b.c))", "del (a := b)",
    "del a, (b, 1)", "del ().a", "del ()[0]", "del (lambda: a).b", "del (a, b), c.d,", "del a, b(), c",
    "del a, b().c, d", "del a, b, 1", "del a, 1, b", "del (b, *a)", "del a; b()",
]  # fmt: skip
MISCELLANEOUS = [
    "(): a", "[]: a", "(): a = b", "() = a", "[] = a", "(a): b", "() += a", "(a) += b", "(a, b) == c", "((a)): b",
    "try: a\nelse: b\nfinally: c", "try: a\nexcept: b\nelse: c\nfinally: d", "try: a\nfinally: b", "[a, b].c = d",
    "for a in b: c\nelse: break", "while a: b\nelse:\n  break", "while a: break\nelse: b", "try: a",
    "while a:\n  for b in c: d\n  else: break", "try: a\nexcept: b\nelse: c", "try: a\nexcept: b", "try: a; b\nelse: c",
]  # fmt: skip


MORE = [
    "a in *b", "for a in *b, c: d", "[a for b in *c]", "(a in *b)", "a = b in c * d", "for a, b in c: d in *e",
    "[a async for b in c]", "(a async for b in c)", "async def a(): [b async for c in d]", "a if b if c else d else e",
    "(a if b if c else d else e)", "(a if b else c if d else e)", "a if b else c if d else e", "a・b", "é٣", "a\u0301",
    "[a if b else c for d in e if f if g]", "if a if b else c: d", "٣a", "ª", "f\"{a('b\"c')}\"", "f'{a(\"b'c\")}'",
    "f'''{a('b\"c')}'''", "f\"{a('b')}\"", "f\"{a(f'{b}c')}\"", "f\"{a(f'{b}\"c')}\"",
]  # fmt: skip


# `from __future__` comes first; a backslash joins lines, also at the start of one.
LATER = "\nfrom __future__ import division"
FUTURE = [
    *(
        before + LATER
        for before in (
            "", "'a'", "a", "'a' 'b'\n'c'", "('a')", "(('a'))\n", "f'a'", "b'a'", "'a' f'b'", "'a'.b", "'a', 'b'",
            "'a' + 'b'", "import a", "from a import b", "from . import a", "from __future__ import division\n'a'",
            "from __future__ import division\na", "# a\n'''b\n'''\n# c", "('a').b", "()", "('a', 'b')", "(a)",
            "'a' if b else c", "class a: 'b'", "@a\ndef b(): c", "1", "('a' 'b')", "'a': b", "pass", "(f'a')",
            "u'a'\nr'b'", "'a'[0]", "'a';", "'a'; b", "('a'\n'b')", "'a' % b", "not 'a'", "('a',)", "'''a'''\n\n\n",
            "x = 'a'", "'\\n'", "print('a')", "... ", "('a')('b')",
        )
    ),
    "from __future__ import division", "'a'; from __future__ import division", "import __future__",
    "from __future__ import(division, annotations)",
    "from __future__ import division; from __future__ import division", "if a:\n  from __future__ import division",
    "def a():\n  'b'\n  from __future__ import division", "from __future__ import division as a, annotations",
]  # fmt: skip
JOINED = [
    "if x:\n\\\n  y\nz", "if x:\n  \\\n    y\n  z", "if x:\n  \\\ny\n  z", "\\\n  x", "if x:\n\\\n  y\n  z",
    "if x:\n  a\n\\\n  b", "if x:\n\\\n  \\\n    y\n  z", "if x:\n \\\n\ty\n z", "\\\n\n", "\\\n#c\n",
    "  \\\nx", "x\n\\\n", "x\n\\\n\ny", "if x:\n  y\n\\\n\ny",
    "if x:\n  y\n\\\ny", "if x:\n  y\n\\\n  z", "if x:\n  y\n\\\n z", "\\\n\\\nx", "if x:\n\\\ny", "if x:\n\\\r\n  y",
    "\\ \nx", "\\x", "if x:\n  y\n\\ \n  z",
]  # fmt: skip
SINGLE_STARS = [
    "*a.b = c", "*a[0] = b", "*a, *b = c", "(*a), b = c", "(*a,), b = c", "[*a, b], *c = d", "[*a, *b] = c",
    "*a, (b, *c) = d", "(a, *b), *c = d", "*a, b, *c = d", "a, *b, c = d", "a, *b, *c = d", "for *a, *b in c: d",
    "for (*a), b in c: d", "for a, (*b, c) in d: e", "*a, *b", "x = *a, *b", "(*a, *b)", "[*a, *b]", "(*a) = b",
    "(a, *b) = c", "(a, *b), c = d", "for *a.b in c: d", "[x for *a, *b in c]", "[x for a, *b in c]", "*a, [*b] = c",
    "(*a, *b) = c", "((*a, b), *c), *d = e", "a = *b, *c = d", "*a, b = *c, d = e", "*a, *b += c",
    "([*a], *b) = c", "(*a, (b)) = c", "f(*a, *b).c = d", "(f(*a, *b), *c) = d", "[*a, *b][0] = c", "x[*a, *b] = c",
    "*x[*a, *b], c = d", "(*a)", "(*a).b = c", "*a.b, *c = d", "*a.b, c.d = e", "[(*a, b), *c] = d",
    "def f(/, a): x", "def f(/): x", "lambda /, a: x", "def f(a, /): x", "def f(a=1, /): x", "def f(*, a, /): x",
    "lambda a, /: x", "def f(a: b, /): x", "def f(*a, /): x", "def f(a, /, b, /): x", "lambda a=1, /, b=2: x",
]  # fmt: skip


# Let through, though CPython refuses them; docs/grammar.md names them. They depend on the text of names.
GAPS = ["'\\N{DASH}'", "def f():\n  nonlocal x", "from __future__ import a"]


def compiles(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "text", "exec")
        except SyntaxError:
            return False
        return True


@pytest.mark.parametrize(
    "text",
    [
        *TEXTS,
        *TARGETS,
        *COMMENTS,
        *SPECIFIERS,
        *WALRUSES,
        *STARS,
        *ANNOTATED_STARS,
        *WITH,
        *BRACKETS,
        *MISCELLANEOUS,
        *MORE,
        *FUTURE,
        *JOINED,
        *SINGLE_STARS,
    ],
)
def test_a_text_may_end_where_cpython_compiles_it(python: Language, text: str) -> None:
    assert can_end(python, text.encode() + b"\n") == compiles(text + "\n")


@pytest.mark.parametrize("text", GAPS)
@pytest.mark.xfail(strict=True)
def test_what_cpython_refuses_ends_nowhere(python: Language, text: str) -> None:
    assert not compiles(text + "\n")
    assert not can_end(python, text.encode() + b"\n")


@pytest.mark.parametrize("text", COMMENTS)
def test_a_comment_that_leads_nowhere_is_refused_where_it_begins(python: Language, text: str) -> None:
    if not compiles(text + "\n") and "#" in text:
        assert not is_viable_prefix(python, text[: text.index("#") + 1].encode())
