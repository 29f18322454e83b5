from __future__ import annotations

import math

import pytest

from evaluation.codebleu import code_bleu

ADD = "def add(a, b):\n    c = a + b\n    return c\n"


def test_a_program_equals_itself_in_every_part() -> None:
    found = code_bleu(ADD, ADD, "python")
    assert (found.ngram, found.weighted, found.syntax, found.data_flow) == pytest.approx((1, 1, 1, 1))
    assert found.value == pytest.approx(1)


def test_names_change_the_words_and_not_the_rest() -> None:
    found = code_bleu("def f(x, y):\n    z = x + y\n    return z\n", ADD, "python")
    assert found.syntax == found.data_flow == 1
    assert found.ngram < 0.5


def test_data_flow_by_hand() -> None:
    # Numbered by first appearance in a flow: a 0, b 1, c 2. The reference: 2 from 0, 2 from 1, return from 2.
    found = code_bleu("def add(x, y):\n    z = x + y\n    return x\n", ADD, "python")
    assert found.data_flow == pytest.approx(2 / 3)


def test_unigrams_by_hand() -> None:
    # Tokens: return x | return y. 1-grams 1/2 and no match from 2-grams on: those count 0.1 of 1.
    found = code_bleu("return x", "return y", "python")
    assert found.ngram == pytest.approx(math.exp((math.log(1 / 2) + 3 * math.log(0.1)) / 4))
    # `return` weighs 1 and `x` 0.2.
    assert found.weighted == pytest.approx(math.exp((math.log(1 / 1.2) + 3 * math.log(0.1)) / 4))


def test_parts_that_do_not_apply_are_left_out() -> None:
    found = code_bleu("x", "x", "cobol")
    assert found.syntax is None
    assert found.data_flow is None
    assert code_bleu("pass", "pass", "python").data_flow is None


@pytest.mark.parametrize("answer", ["", "(" * 5000, "\0", "def f(:\n"])
def test_hostile_answers_score_low(answer: str) -> None:
    assert 0 <= code_bleu(answer, ADD, "python").value < 0.3
