"""The readable definition of the recogniser, against tree-sitter's own parser and against itself."""

from __future__ import annotations

import functools
import importlib
import random

import pytest
from tree_sitter import Language as TreeSitterLanguage
from tree_sitter import Parser

from grammar import LANGUAGES
from grammar.errors import AmbiguityError
from grammar.reference import recognizer as recognizer_module
from grammar.reference.language import ReferenceLanguage, load_reference
from grammar.reference.recognizer import ReferenceRecognizer, load_recognizer
from grammar.rules.compile import SymbolNames, compile_rules
from grammar.rules.model import LanguageRules, StackRule
from tests.grammar.conftest import GO, JAVA, JAVASCRIPT, stdlib_files

NAMES = ("python", "java", "go", "javascript", "typescript", "tsx", "rust")
PYTHON = b"""@d(1)
async def f(a, b: int = 0x1F, *c, **d) -> x.y:
    '''doc'''
    if not a:
\t    return f"{a!r:>{w}}{{", rb'\\'', "\\x41"  # c
    elif x[1:, ...]:
        await g(lambda: (yield), k=-1 ** 2.5e3j)

    print(a is not b, end='')
"""
SMALL_GO = b"""package p

func f(a ...int) (b map[string]int) {
\tfor i := range a {
\t\tb["x"] += i // c
\t}
\treturn b
}
"""
SMALL_JAVA = b"class A<T> { int[] f(T x) throws E { for (;;) { x.g((a, b) -> a >>> 1); } } /* c */ @O char c = 'x'; }\n"
SMALL_JAVASCRIPT = b"""async function f(a, { b } = {}) {
  for (const x of a) await x?.y
  return `a${b + 1}` ? /x[/]/g : { c() {}, d: -1 } // e
}
let g = class { #p = () => {} }
"""
SMALL_TYPESCRIPT = b"""async function f<T extends A>(a: T[], { b }: { b?: B } = {}): Promise<T> {
  for (const x of a!) await x?.y as C<D>
  return (c?: number, d: 'e' | null = null): void => {}
}
abstract class G implements H { private readonly i!: j; abstract k(): l; class = 1 }
interface M { n: o
  [p: string]: q, r?(s): t }
"""
SMALL_TSX = SMALL_TYPESCRIPT + b"let u = <v w='x' {...y}>{z} a<b/></v>\n"
SMALL_RUST = b"""//! A.
pub async fn f<'a, T: A + ?Sized>(a: &'a [T], (b, _): (u8, T)) -> Option<T> {
    for x in a { if let Some(y) = x?.y(1.5e3, 'c', "\\n") { break } }
    loop { m!(a, 'b' c); return Some(|d| a::<T>(d..)) }
}
/// E. /* f */
impl<T> A for B { fn c(&mut self) {} const D: u8 = 0x1F; }
"""
SMALL = {
    "python": PYTHON,
    "java": SMALL_JAVA,
    "go": SMALL_GO,
    "javascript": SMALL_JAVASCRIPT,
    "typescript": SMALL_TYPESCRIPT,
    "tsx": SMALL_TSX,
    "rust": SMALL_RUST,
}
PIECES = [b"", b";", b")", b"}", b" x ", b"\n", b",", b"(", b"{", b"[", b"]", b":", b"=", b'"', b"'", b"  ", b"\t",
          b".", b"if ", b"else", b"return", b"class ", b"for", b" in ", b"0", b"*", b"#", b"/*", b"//", b"\\", b"->",
          b"<", b">", b"@", b"import ", b"\r\n", b"print ", b"match ", b"type ", b"async ", b"lambda", b'f"', b"`",
          b"new ", b"...", b"case ", b"\xc3\xa9", b"await ", b"exec ", b"elif "]  # fmt: skip


@functools.cache
def parser(name: str) -> Parser:
    spec = LANGUAGES[name]
    capsule: object = getattr(importlib.import_module(spec.wheel), spec.function)()
    return Parser(TreeSitterLanguage(capsule))


def parses(name: str, text: bytes) -> bool:
    return not parser(name).parse(text).root_node.has_error  # a missing node is an error there, too


def mutated(text: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(PIECES) + text[at + rng.randrange(3) :]
    return text.decode(errors="ignore").encode()


@pytest.mark.parametrize("name", NAMES)
def test_without_rules_it_accepts_what_tree_sitter_parses_without_an_error(name: str) -> None:
    rng = random.Random(1)
    texts = {
        "python": [PYTHON, *stdlib_files(4, 3, 6_000)],
        "java": [JAVA, SMALL_JAVA],
        "go": [GO, SMALL_GO],
        "javascript": [JAVASCRIPT, SMALL_JAVASCRIPT],
        "typescript": [SMALL_TYPESCRIPT],
        "tsx": [SMALL_TSX],
        "rust": [SMALL_RUST],
    }[name]
    assert all(load_recognizer(name, rules=False).can_end(text) for text in texts)
    accepted = 0
    for _ in range(150):
        lines = rng.choice(texts).splitlines(keepends=True)
        first = rng.randrange(len(lines))
        text = mutated(b"".join(lines[first : first + rng.choice([1, 3, 10, 30])]), rng)
        accepted += parses(name, text)
        assert load_recognizer(name, rules=False).can_end(text) == parses(name, text), text
    assert accepted > 10


@pytest.mark.parametrize("rules", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_every_prefix_of_a_program_is_viable(name: str, *, rules: bool) -> None:
    text = SMALL[name]
    assert load_recognizer(name, rules=rules).can_end(text)
    for end in range(len(text)):
        assert load_recognizer(name, rules=rules).is_viable_prefix(text[:end]), text[:end]


@pytest.mark.parametrize("name", NAMES)
def test_a_viable_prefix_can_end_or_go_on(name: str) -> None:
    rng, stuck, viable = random.Random(3), [], 0
    reference = load_recognizer(name)
    for _ in range(16):
        text = SMALL[name][: rng.randrange(len(SMALL[name]))]
        for _ in range(rng.randrange(3)):
            text += rng.choice(PIECES)
        if reference.is_viable_prefix(text):
            viable += 1
            going_on = any(reference.allowed_tokens(text, [bytes([byte]) for byte in range(128)]))
            stuck += [] if going_on or reference.can_end(text) else [text]
    assert viable > 6
    assert not stuck


@pytest.mark.parametrize(
    ("text", "viable", "ends"),
    [
        ("", True, True),
        ("def f(", True, False),
        ("def f(:", False, False),
        ("x = 1", True, True),
        ("x =\n", False, False),
        ("if x:\n", True, False),
        ("if x:\ny", False, False),
        ("if x:\n  y\n z", False, False),
        ("if x:\n  y\n   # c\nelse", True, False),
        ("if x:\n\ty\n        z", False, False),  # TabError
        ("  x", False, False),
        ("x = 1\ry", True, True),
        ("(1,\r2)", True, True),
        ("\\\n", True, False),  # unexpected EOF
        ("'", True, False),
        ("''", True, True),
        ("'''a''", True, False),
        ("'a\n", False, False),
        ("'\\\n'", True, True),
        ("r'\\'", True, False),
        ("b'é", False, False),
        ("ur'", False, False),
        ("f'{a}}", True, False),
        ("f'} ", False, False),
        ("f'''{\n", True, False),
        ("f'{\n", False, False),
        ("x = €", False, False),
        ("x\u00a0", False, False),
        ("1_", True, False),
        ("1_ ", False, False),
        ("1.e", True, False),
        ('"\\x', True, False),
        ('"\\xg', False, False),  # no fall-back to a plain backslash
        ('"\\g', True, False),
        ("retur", True, True),
        ("return", True, False),  # returned
        ("return ", False, False),
        ("x\nelif ", False, False),
    ],
)
def test_python_prefix(text: str, viable: bool, ends: bool) -> None:
    assert load_recognizer("python").is_viable_prefix(text.encode()) == viable
    assert load_recognizer("python").can_end(text.encode()) == ends


@pytest.mark.parametrize(("text", "ends"), [("package p\nvar x = y", True), ("package p\nvar x =", False)])
def test_the_end_of_the_text_ends_a_go_statement(text: str, ends: bool) -> None:
    assert load_recognizer("go").can_end(text.encode()) == ends


@pytest.mark.parametrize(
    ("data", "viable", "ends"),
    [
        (b"\xc3", True, False),  # a letter may follow
        (b"x = \xe2\x96", False, False),  # blocks and boxes only
        (b"'\xf0\x9f", True, False),
        (b"b'\xc3", False, False),
        (b"\xc0", False, False),
        (b"'\xed\xa0", False, False),  # surrogates
        (b"x\0", False, False),
        (b"\xef\xbb", True, False),
        (b"\xef\xbb\xbfx = 1", True, True),
        (b"x\xef\xbb\xbf", False, False),
    ],
)
def test_bytes_that_are_no_characters_yet_or_never(data: bytes, viable: bool, ends: bool) -> None:
    assert load_recognizer("python").is_viable_prefix(data) == viable
    assert load_recognizer("python").can_end(data) == ends


def test_allowed_tokens_are_those_that_leave_a_viable_prefix() -> None:
    reference = load_recognizer("python")
    vocabulary = [b"x", b" = ", b"1", b"\n", b")", b"def ", None, b"return", b"\xc3", b"\xa9", b"\xbf"]

    def allowed(prefix: bytes) -> list[bytes | None]:
        answers = reference.allowed_tokens(prefix, vocabulary)
        return [token for token, fits in zip(vocabulary, answers, strict=True) if fits]

    assert allowed(b"") == [b"x", b"1", b"\n", b"def ", b"return", b"\xc3"]
    assert allowed(b"f(1") == [b"1", b"\n", b")"]
    assert allowed(b"x\xc3") == [b"\xa9", b"\xbf"]
    assert allowed(b"def f(x):") == [b"x", b"1", b"\n", b"return", b"\xc3"]
    assert allowed(b"\xef\xbb") == [b"\xa9", b"\xbf"]  # a letter, and the mark of byte order


def test_a_stack_rule_rides_on_the_stack_and_what_it_saw_in_brackets_ends_with_them() -> None:
    # No index inside a call's arguments; behind the call it is allowed again, because the stack popped.
    def shift(state: object, terminal: str) -> object:
        if state == "call" and terminal == "[":
            return None
        return "call" if terminal == "(" else state

    rule = StackRule("no index in a call", "free", shift)
    plain = load_reference("go")
    tables = compile_rules(
        LanguageRules((rule,), extras=()), SymbolNames(plain.grammar.symbol_names, plain.grammar.token_count)
    )
    reference = ReferenceRecognizer(ReferenceLanguage(plain.grammar, tables, "", has_rules=True))
    body = "package p\nfunc f() { %s }"
    assert reference.can_end((body % "x[0] = g(a)[1]").encode())
    assert not reference.is_viable_prefix((body % "x[0] = g(a[").encode())


def test_more_parses_than_the_bound_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognizer_module, "MAX_PATHS", 1)
    with pytest.raises(AmbiguityError, match="at most 1 parses"):
        load_recognizer("java").can_end(SMALL_JAVA)
