from __future__ import annotations

import itertools
import math

import pytest

from evaluation.metrics import mean_pass_at_k, parse_check, pass_at_k
from evaluation.text_similarity import corpus_bleu, sentence_bleu, without_docstrings


@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_pass_at_k_is_the_share_of_subsets_with_a_pass(n: int) -> None:
    for passed, k in itertools.product(range(n + 1), range(1, n + 1)):
        subsets = list(itertools.combinations([i < passed for i in range(n)], k))
        share = sum(any(subset) for subset in subsets) / len(subsets)
        assert pass_at_k(n, passed, k) == pytest.approx(share)


@pytest.mark.parametrize(("n", "c", "k"), [(1, 0, 2), (3, 4, 1), (3, -1, 1), (3, 1, 0)])
def test_pass_at_k_without_an_estimate_is_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        pass_at_k(n, c, k)


def test_pass_at_k_of_many_samples_is_exact() -> None:
    assert pass_at_k(10_000, 1, 1) == pytest.approx(1e-4)
    assert mean_pass_at_k([(2, 1), (2, 2)], 1) == pytest.approx(0.75)
    assert math.isnan(mean_pass_at_k([], 1))


def test_python_parses_by_its_own_parser() -> None:
    check = parse_check("python")
    assert check is not None
    assert check("x = 1")
    assert not check("print 1")
    assert not check("  \n")


@pytest.mark.parametrize(
    ("code", "is_taken"),
    [
        ('import not.here.Thing;\npublic class Answer { int f(Thing t) { return t.g("é"); } }', True),
        ("class Answer { int f() { return g(; } }", False),
        ("class Answer { f() { return 1; }", False),
        ("", False),
    ],
)
def test_javas_parser_asks_for_no_types(code: str, is_taken: bool) -> None:
    check = parse_check("java")
    if check is None:
        pytest.skip("javac is not installed")
    assert check(code) is is_taken


def test_a_language_without_a_tool_has_no_parse_rate() -> None:
    assert parse_check("cobol") is None


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("const a = require('b');\nmodule.exports = { a };\n", True),
        ("import a from 'b';\nexport const c = await a();\n", True),
        ("with (a) b();\n", True),
        ("const a;\n", False),
        ("", False),
    ],
)
def test_javascript_parses_as_either_kind_of_module(program: str, expected: bool) -> None:
    check = parse_check("javascript")
    if check is None:
        pytest.skip("node is not installed")
    assert check(program) is expected


def test_bleu_by_hand() -> None:
    # 4 of 4 words, 3 of 3 pairs, 2 of 2 triples, 1 of 1 quadruple; 4 words against 5: exp(1 - 5/4).
    assert corpus_bleu(["a b c d"], ["a b c d e"]) == pytest.approx(100 * math.exp(-0.25))
    assert corpus_bleu(["a b c d"], ["a b c d"]) == pytest.approx(100)
    assert corpus_bleu(["a b c d"], ["e f g h"]) == 0
    assert sentence_bleu("a b c d", "a b c d") == pytest.approx(100)


def test_bleu_is_case_sensitive_and_splits_as_stated() -> None:
    assert corpus_bleu(["A b c d e"], ["a b c d e"]) < 100
    # 13a parts brackets from words.
    assert corpus_bleu(["f(x) = y"], ["f ( x ) = y"]) == pytest.approx(100)


def test_bleu_of_unequal_lists_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        corpus_bleu(["a"], [])


def test_docstrings_are_cut_out_and_code_stays() -> None:
    code = '"""Module."""\n\ndef f(x):\n    """Two\n    lines.\n    """\n    s = "text"\n    return s\n'
    assert without_docstrings(code) == 'def f(x):\n    s = "text"\n    return s'
    assert without_docstrings("def f(:") == "def f(:"


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("use a::b;\nmod c;\nfn main() { d!(e f g); let x: T = y; }\n", True),
        ("fn main() { let x = ; }\n", False),
        ("fn main() {\n", False),
        ("", False),
    ],
)
def test_rusts_parser_asks_for_no_names(program: str, expected: bool) -> None:
    check = parse_check("rust")
    if check is None:
        pytest.skip("rustc is not installed")
    assert check(program) is expected
