"""Candidates: their text becomes code, and the best one is chosen."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.answers import Answer, select_best
from service.engine import Delta, FinishReason
from service.languages import language

PYTHON, TEXT = language("python"), language("text")


def answer(
    text: str, logprob: float | None = -1.0, reason: FinishReason | None = "stop", tokens: int = 1
) -> Answer:
    made = Answer(TEXT, is_open=False)
    made.add(Delta(0, text, tokens, logprob, reason))
    return made


@given(st.lists(st.integers(0, 3), max_size=12))
def test_pieces_join_to_the_code_however_the_text_is_cut(cuts: list[int]) -> None:
    text, made, pieces, position = "x = 1\ny = 2\n```\nDone.", Answer(PYTHON, is_open=True), [], 0
    for size in [*cuts, len(text)]:
        pieces.append(made.add(Delta(0, text[position : position + size], 1)))
        position = min(len(text), position + size)
    pieces.append(made.add(Delta(0, "", 1, finish_reason="stop")))
    assert "".join(pieces) == made.code == "x = 1\ny = 2\n"
    assert made.num_tokens == len(cuts) + 2


@pytest.mark.parametrize(
    ("deltas", "is_complete", "has_ended"),
    [
        (["x = 1\n"], False, False),
        (["x = 1\n```\n"], True, False),
        (["x = 1\n", None], True, True),
    ],
)
def test_a_closed_fence_completes_what_the_engine_has_not_ended(
    deltas: list[str | None], is_complete: bool, has_ended: bool
) -> None:
    made = Answer(PYTHON, is_open=True)
    for text in deltas:
        made.add(Delta(0, text or "", 1, finish_reason=None if text else "stop"))
    assert (made.is_complete, made.has_ended) == (is_complete, has_ended)


@pytest.mark.parametrize(("engines", "ours"), [("stop", "stop"), ("length", "length"), (None, "stop")])
def test_the_finish_reason_is_stop_or_length(engines: FinishReason | None, ours: str) -> None:
    assert answer("x", reason=engines).finish_reason == ours


def test_an_answer_cut_after_its_fence_keeps_what_it_had() -> None:
    made = Answer(PYTHON, is_open=True)
    made.add(Delta(0, "x = 1\n```\nAnd", 5))
    made.add(Delta(0, " so on", 1, finish_reason="length"))
    assert made.code == "x = 1\n"


def test_the_mean_is_over_tokens_and_the_sum_is_the_last_one() -> None:
    made = answer("a", -3.0, None, tokens=2)
    made.add(Delta(0, "b", 2, -8.0, "stop"))
    assert made.mean_logprob == -2.0


@pytest.mark.parametrize(("logprob", "tokens"), [(None, 3), (-1.0, 0)])
def test_without_tokens_or_logprobs_an_answer_is_the_least_likely(logprob: float | None, tokens: int) -> None:
    assert answer("x", logprob, tokens=tokens).mean_logprob == float("-inf")


# From best to worst; each must win against all after it, whatever the order they come in.
RANKS = [
    answer("finished, likely", -1.0),
    answer("finished, unlikely", -9.0),
    answer("finished, unknown", None),
    answer("cut, likely", -0.5, "length"),
    answer("cut, unlikely", -9.5, "length"),
    answer("", -0.1),
    answer("", -0.01, "length"),
]


@pytest.mark.parametrize(("better", "worse"), list(itertools.combinations(range(len(RANKS)), 2)))
def test_code_goes_before_none_then_finished_before_cut_then_likely(better: int, worse: int) -> None:
    assert select_best([RANKS[better], RANKS[worse]]) == 0
    assert select_best([RANKS[worse], RANKS[better]]) == 1


@given(st.permutations(range(len(RANKS))))
def test_the_best_does_not_depend_on_the_order(order: list[int]) -> None:
    assert order[select_best([RANKS[i] for i in order])] == 0


def test_of_equals_the_first_is_chosen() -> None:
    twins = [answer("a"), answer("b"), answer("c")]
    assert select_best(twins) == 0


@pytest.mark.parametrize(
    ("passed", "best"),
    [
        ([0, 3, 2], 1),
        ([2, 2, 1], 0),
        ([None, 0, 0], 0),
        ([0, None, 1], 2),
        ([None, None, None], 0),
        ([0, 2, 2], 1),
    ],
)
def test_examples_passed_go_before_likelihood_and_unknown_counts_as_none(
    passed: list[int | None], best: int
) -> None:
    # From the likeliest to the least likely: among equals in examples the earlier one wins.
    assert select_best([answer("a", -1.0), answer("b", -2.0), answer("c", -3.0)], passed) == best


def test_a_cut_answer_that_passes_goes_before_a_finished_one_that_fails() -> None:
    assert select_best([answer("a"), answer("b", -9.0, "length")], [0, 1]) == 1
