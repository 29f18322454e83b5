"""The native core against its readable definition, on damaged texts cut anywhere."""

from __future__ import annotations

import random

import pytest

from grammar import SyntaxMatcher, TokenVocabulary, can_end, is_viable_prefix, load_language
from grammar.reference.recognizer import load_recognizer
from tests.grammar.conftest import GO, JAVA, JAVASCRIPT, RUST, TSX, TYPESCRIPT, allowed_ids

PYTHON = """async def f(a, b=0x1F, *c, **d) -> x.y:
    '''doc'''
    if not a:
\t    x = f"{a!r:>{w}}{{", r'é', '😀'  # c
    else:
        await g(lambda: (yield), k=-1 ** 2.5e3j)

    print(a is not b, end='')
class A(B[int]): x: int = [y for z in (1, 2) if y]
""".encode()
JSX = b"const a = (b) =>\n  <div class='c' for={b} {...d} x-y:if=''>t {b} &amp; <this.a default/></div>;\nreturn <b/>\n"
TEXTS = {
    "python": PYTHON,
    "java": JAVA,
    "go": GO,
    "javascript": JAVASCRIPT,
    "typescript": TYPESCRIPT,
    "tsx": TSX,
    "rust": RUST,
}
PIECES = [
    *";){}([],:=.#*<>@0`\"'\t\n\r\fé漢😀",
    "->", "...", "/*", "//", " x ", "  ", "\n    ", "\r\n", 'f"', "b'", "1_", "e+", "r#\"", "\"#",
]  # fmt: skip


def damaged(text: bytes, rng: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    first = rng.choice([0, rng.randrange(len(lines))])
    text = b"".join(lines[first : first + rng.choice([1, 2, 5, 20])])
    for _ in range(rng.randrange(3)):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(PIECES).encode() + text[at + rng.randrange(3) :]
    return text[: rng.choice([len(text), rng.randrange(len(text) + 1)])]


@pytest.mark.parametrize("name", TEXTS)
def test_native_and_reference_agree_on_damaged_texts(name: str) -> None:
    rng, viable = random.Random(9), 0
    for _ in range(70):
        text = damaged(TEXTS[name], rng)
        expected = load_recognizer(name).is_viable_prefix(text), load_recognizer(name).can_end(text)
        viable += expected[0]
        assert (
            is_viable_prefix(load_language(name), text),
            can_end(load_language(name), text),
        ) == expected, text
    assert 10 < viable < 65


def test_native_and_reference_agree_on_jsx() -> None:
    language, reference, rng = load_language("javascript"), load_recognizer("javascript"), random.Random(5)
    texts = [JSX[:end] for end in range(len(JSX) + 1)] + [damaged(JSX, rng) for _ in range(60)]
    assert can_end(language, JSX)
    for text in texts:
        expected = reference.is_viable_prefix(text), reference.can_end(text)
        assert (is_viable_prefix(language, text), can_end(language, text)) == expected, text


@pytest.mark.parametrize("name", TEXTS)
def test_the_mask_is_what_the_reference_allows(name: str) -> None:
    rng, text = random.Random(4), TEXTS[name]
    pieces = [text[at : at + rng.randint(2, 9)] for at in rng.sample(range(len(text)), 60)]
    tokens: list[bytes | None] = [
        *(bytes([byte]) for byte in range(128)),
        "é".encode(),
        None,
        b"\xe6",
        *pieces,
    ]
    vocabulary = TokenVocabulary.from_bytes(tokens, eos_ids=[])
    for _ in range(6):
        prefix = text[: rng.randrange(len(text))]
        allowed = load_recognizer(name).allowed_tokens(prefix, tokens)
        matcher = SyntaxMatcher(load_language(name), vocabulary, prefix)
        assert matcher.degraded_reason is None, prefix
        assert allowed_ids(matcher) == {token for token, fits in enumerate(allowed) if fits}, prefix


def test_native_and_reference_agree_on_names_of_classes() -> None:
    rng, seen = random.Random(2), set[tuple[bool, bool]]()
    starts = ["class A{", "class AB{class A{", "enum B{X;", "record A(B b){", "class A{void f(){class B{"]
    parts = ["class ", "enum A{X;", "record A(int x)", "{", "}", "A", "B", "AB", "(){}", "()", "{}", " ", "/**/", ";",
             " x", "new A()", "=", "void f()", "public ", "<T> "]  # fmt: skip
    for _ in range(400):
        middle = "".join(rng.choices(parts, k=rng.randint(1, 5)))
        text = (rng.choice(starts) + middle + rng.choice(["", "}", "}}"])).encode()
        expected = load_recognizer("java").is_viable_prefix(text), load_recognizer("java").can_end(text)
        assert (
            is_viable_prefix(load_language("java"), text),
            can_end(load_language("java"), text),
        ) == expected, text
        seen.add(expected)
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param(
            "python",
            b"if x:\n  y\n  return\n",
            id="a keyword that has actions here, but which a rule refuses",
        ),
        pytest.param(
            "python",
            b"x\nelif ",
            id="a keyword that fits no more after the reductions, and is reserved there",
        ),
        pytest.param("python", b'"\\xg', id="commit: no fall-back to the plain backslash"),
        pytest.param("python", b"\xef\xbb\xbfx", id="mark of byte order"),
        pytest.param("python", b"\\\n", id="a continued line at the end of the text"),
        pytest.param("python", b"f\"{r'\\d'}\"", id="a backslash in a raw string in a field"),
        pytest.param("python", b"f'''{b\"a\\N\"", id="a backslash in bytes in a field"),
        pytest.param("go", b"package p\nfunc f(){f(a //", id="a comment that ends a line which has to go on"),
        pytest.param("go", b"package p\nfunc f(){f(a /", id="a comment or a division"),
        pytest.param("go", b"package p\nfunc f(){f(a)// c", id="a comment behind a statement"),
        pytest.param("go", b"package p\nfunc f(){a:=b.// c", id="a comment inside an expression"),
        pytest.param("go", "package p\nvar é٣".encode(), id="letters and digits"),
        pytest.param("go", "package p\nvar a\u0301".encode(), id="a mark in a name"),
        pytest.param("go", b"package p\nvar a\xcc", id="half of a mark or of a letter"),
        pytest.param("go", b'package p\nimport "a b', id="a blank in an import path"),
        pytest.param("go", "package p\nimport `é`\n".encode(), id="a letter in an import path"),
        pytest.param("java", "class a\u00b7".encode(), id="a dot that Unicode takes for a part of names"),
        pytest.param("java", "class éa‿ ".encode(), id="a connector in a name"),
    ],
)
def test_native_and_reference_agree_on_rare_texts(name: str, text: bytes) -> None:
    assert is_viable_prefix(load_language(name), text) == load_recognizer(name).is_viable_prefix(text)
    assert can_end(load_language(name), text) == load_recognizer(name).can_end(text)
