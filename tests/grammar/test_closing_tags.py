"""Closings spell the names of the elements that they end."""

from __future__ import annotations

import random

import pytest

from benchmarks.grammar_oracles import OracleMissingError, TsxOracle
from grammar import SyntaxMatcher, TokenVocabulary, load_language
from tests.grammar.conftest import sources, vocabulary_of

PAGE = """import { useState } from 'react';

export function Page({ items }: { items: string[] }) {
  const [open, setOpen] = useState<boolean>(false);
  return (
    <Layout.Main class="a" for={open}>
      <my-header title={<b>{'x'}</b>} onClick={() => setOpen(o => !o)}>Items &amp; more</my-header>
      <ul>{items.map(item => <li key={item}>{item.length < 3 ? <i>{item}</i> : <><span/>{item}</>}</li>)}</ul>
      <svg:path d="M0"></svg:path><input disabled />
    </Layout.Main>
  );
}
"""


@pytest.fixture(scope="module")
def vocabulary() -> TokenVocabulary:
    return vocabulary_of([PAGE.encode()], 300, 1)


@pytest.mark.parametrize("name", ["javascript", "tsx"])
@pytest.mark.parametrize(
    ("prefix", "tags"),
    [
        ("x = <div>", ["</div>"]),
        ("x = <ul className='a'><li>b", ["</li>", "</ul>"]),
        ("x = <A.B c={d => <e>{f}", ["</e>"]),
        ("x = <A.B><c.d>{e}", ["</c.d>", "</A.B>"]),
        ("x = <><my-tag>a</my-tag><b>", ["</b>", "</>"]),
        ("function f() { return <p>{[1].map(a => { if (a) { return <q>", ["</q>", "</p>"]),
    ],
)
def test_names_are_those_of_the_elements(
    vocabulary: TokenVocabulary, name: str, prefix: str, tags: list[str]
) -> None:
    matcher = SyntaxMatcher(load_language(name), vocabulary, prefix.encode())
    need, closing = matcher.min_tokens_to_end, matcher.closing_bytes()
    assert closing is not None
    found = closing.decode()
    places = [found.index(tag) for tag in tags]
    assert places == sorted(places), found
    assert found.count("</") == len(tags)
    assert need == len(vocabulary.native.tokenize(closing) or [])
    assert matcher.accept_bytes(closing)
    assert matcher.can_end


def test_the_text_is_what_was_taken_and_not_taken_back(vocabulary: TokenVocabulary) -> None:
    matcher = SyntaxMatcher(load_language("tsx"), vocabulary, b"x = <a>")
    for byte in b"<b>":
        assert matcher.accept_token(byte)
    assert matcher.accept_bytes(b"{c && <d>")
    other = matcher.clone()
    matcher.rollback(1)
    assert matcher.closing_bytes() == b"</b></a>"
    closing = other.closing_bytes()
    assert closing is not None
    assert closing.startswith(b"</d>}</b></a>")
    matcher.reset()
    assert matcher.closing_bytes() == b"</a>"


def test_what_stands_behind_keeps_its_names(vocabulary: TokenVocabulary) -> None:
    prefix, suffix = b"x = <a><b>{c && <d>", b"}</b></a>;\n"
    closing = SyntaxMatcher(load_language("tsx"), vocabulary, prefix, suffix).closing_bytes()
    assert closing == b"</d>"


def test_the_compiler_takes_elements_that_are_cut_anywhere(vocabulary: TokenVocabulary) -> None:
    try:
        oracle = TsxOracle()
    except OracleMissingError as error:
        pytest.skip(str(error))
    texts = [PAGE.encode(), *sources("tsx")]
    rng, refused, cuts = random.Random(5), list[bytes](), 150
    for _ in range(cuts):
        text = rng.choice(texts)
        # Behind `</` the name that is begun may be another one's: masks do not compare them.
        start = rng.randrange(len(text))
        if b"</" in text[max(0, start - 12) : start].rpartition(b">")[2]:
            continue
        closing = SyntaxMatcher(load_language("tsx"), vocabulary, text[:start]).closing_bytes()
        assert closing is not None, text[:start][-60:]
        if not oracle.accepts(text[:start] + closing):
            refused.append(text[:start][-60:] + b" | " + closing)
    oracle.close()
    assert len(refused) <= cuts // 50, refused
