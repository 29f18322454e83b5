"""Candidates under the mask as vLLM drives them, without an engine: fill, accept, guess, roll back."""

from __future__ import annotations

import random

import pytest

from grammar import can_end, load_language
from service.fences import code_blocks
from service.syntax_spec import Mode, SyntaxSpec
from service.vllm_plugin import text_bounds
from service.vllm_plugin.syntax_grammar import PermissiveGrammar
from tests.service.masked import (
    FENCE,
    FENCES,
    OTHER_STOP,
    STOP,
    TOKENS,
    allowed,
    candidate,
    chooser,
    generate,
    generate_with_guesses,
    ids_of,
    parts,
    write,
)

PYTHON = SyntaxSpec("python")
LOST = "no way to the end of the code was found"
LATE = "too few tokens were left to close the code"


def is_program(language: str, text: str) -> bool:
    return can_end(load_language(language), text.encode())


# ── what is allowed ──────────────────────────────────────────────────────────────────────────────────────────


def test_only_tokens_that_keep_a_program_possible_are_allowed() -> None:
    grammar = candidate(PYTHON)
    write(grammar, "def f(x")
    ids = allowed(grammar)
    assert {ord(")"), ord(","), ids_of("):\n")[0]} <= ids
    assert not ids & {ord("}"), ord("]"), ids_of(" return")[0], STOP}


def test_the_answer_may_end_exactly_where_the_code_can() -> None:
    grammar = candidate(PYTHON)
    assert STOP in allowed(grammar)
    write(grammar, "x = (1")
    assert STOP not in allowed(grammar)
    write(grammar, ")")
    assert STOP in allowed(grammar)
    grammar.accept_tokens("request", [STOP])
    assert grammar.is_terminated()


def test_stop_ids_of_the_request_without_text_end_it_too_and_others_never() -> None:
    grammar = parts.grammar(PYTHON, {STOP, OTHER_STOP})
    assert OTHER_STOP in allowed(grammar)
    assert OTHER_STOP not in allowed(candidate(PYTHON))


def test_ids_past_the_tokenizer_are_never_allowed() -> None:
    grammar = candidate(PYTHON)
    for text in ("x", " = ", '"'):
        assert max(allowed(grammar)) < len(TOKENS)
        write(grammar, text)
    assert max(allowed(grammar)) < len(TOKENS)


def test_a_fence_ends_the_code_where_it_can_end_and_is_no_code_elsewhere() -> None:
    grammar = candidate(PYTHON, at_fence=True)
    write(grammar, 'x = "')
    assert not allowed(grammar) & FENCES
    write(grammar, '"\n')
    assert allowed(grammar) >= FENCES
    grammar.accept_tokens("request", [FENCE])
    assert grammar.is_terminated()
    assert grammar.counts.degraded is None


def test_without_such_a_stop_id_a_fence_is_code_like_any_text() -> None:
    grammar = candidate(PYTHON)
    write(grammar, 'x = "')
    assert allowed(grammar) >= FENCES - {ids_of("```\n")[0]}
    write(grammar, '"')
    assert not allowed(grammar) & FENCES


def test_between_prefix_and_suffix_the_answer_ends_where_the_whole_is_a_program() -> None:
    grammar = candidate(
        SyntaxSpec("python", "infilling", "def f(a, b):\n    return ", "\n\n\nprint(f(1, 2))\n")
    )
    write(grammar, "a + (b")
    assert STOP not in allowed(grammar)
    write(grammar, ")")
    assert STOP in allowed(grammar)


def test_an_open_end_allows_to_stop_anywhere() -> None:
    grammar = candidate(SyntaxSpec("python", "infilling", "x = (", may_end_anywhere=True))
    assert STOP in allowed(grammar)
    assert ord("]") not in allowed(grammar)


# ── always ends valid ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("language", ["python", "java", "go", "javascript", "typescript", "tsx", "rust"])
@pytest.mark.parametrize(
    "max_tokens", [4, 40, 120]
)  # small budgets: tests/model, where a keyword is one token
def test_an_answer_that_its_budget_cuts_is_a_program(language: str, max_tokens: int) -> None:
    for seed in range(6):
        grammar = candidate(SyntaxSpec(language), max_tokens=max_tokens)
        text, _ = generate(grammar, max_tokens, chooser(seed))
        # In rare comments of Go the grammar finds no closing (docs/grammar.md); then that is said.
        assert is_program(language, text) or grammar.counts.degraded == LOST, (seed, text)
        assert is_program(language, text) or (language, seed, max_tokens) == ("go", 2, 120)


def test_a_budget_that_nears_its_end_is_said_to_have_forced_it() -> None:
    grammar = candidate(PYTHON, max_tokens=20)
    write(grammar, "x = [")
    assert not grammar.counts.closing_forced
    text, stopped = generate(grammar, 15, lambda ids: ord("1") if ord("1") in ids else min(ids))
    assert stopped
    assert grammar.counts.closing_forced
    assert text.startswith("1")
    assert is_program("python", "x = [" + text)


def test_a_budget_too_small_for_any_end_is_said_to_be() -> None:
    prefix = "def f():\n    return [[[[(1, {2: ["
    grammar = candidate(SyntaxSpec("python", "continuation", prefix), max_tokens=2)
    generate(grammar, 2, min)
    assert grammar.counts.degraded == LATE


def test_closing_reaches_the_suffix() -> None:
    prefix, suffix = "class A:\n    def f(self):\n        return (", "\n\n\nprint(A().f())\n"
    for seed in range(6):
        grammar = candidate(SyntaxSpec("python", "infilling", prefix, suffix), max_tokens=40)
        text, _ = generate(grammar, 40, chooser(seed))
        assert is_program("python", prefix + text + suffix), text


# ── guesses and rollback ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("spec", [PYTHON, SyntaxSpec("python", "fenced")], ids=["code", "fenced"])
def test_what_was_rolled_back_leaves_no_trace(spec: SyntaxSpec) -> None:
    generator = random.Random(5)
    choose = chooser(5)
    grammar, plain = candidate(spec, max_tokens=150), candidate(spec, max_tokens=150)
    if spec.mode == "fenced":
        for each in (grammar, plain):
            write(each, "So:\n```python\n")
    for _ in range(60):
        # As vLLM does with guessed tokens: walk ahead over those that can follow, then back, then take what was drawn.
        ahead = generator.randint(0, 4)
        for _ in range(ahead):
            grammar.accept_tokens("request", [choose(allowed(grammar))])
        if ahead:
            grammar.rollback(ahead)
        ids = allowed(plain)
        assert allowed(grammar) == ids
        token = choose(ids)
        for each in (grammar, plain):
            each.accept_tokens("request", [token])
        if plain.is_terminated():
            assert grammar.is_terminated()
            break
    assert grammar.counts.degraded is None


@pytest.mark.parametrize(
    ("guess", "valid"), [("):\n", "):\n"), ("):\n)", "):\n"), ("}", ""), (", y=1)]", ", y=1)")]
)
def test_guesses_are_cut_where_they_leave_the_grammar(guess: str, valid: str) -> None:
    grammar = candidate(PYTHON, max_tokens=100)
    write(grammar, "def f(x")
    before = allowed(grammar)
    assert grammar.validate_tokens(ids_of(guess)) == ids_of(valid)
    assert allowed(grammar) == before


def test_a_guessed_end_is_the_last_valid_guess() -> None:
    grammar = candidate(PYTHON)
    assert grammar.validate_tokens([*ids_of("x"), STOP, *ids_of("y")]) == [*ids_of("x"), STOP]
    assert not grammar.is_terminated()
    grammar.accept_tokens("request", [STOP])
    grammar.rollback(1)
    assert not grammar.is_terminated()
    write(grammar, "x")


@pytest.mark.parametrize("language", ["python", "java", "go", "javascript", "typescript", "tsx", "rust"])
@pytest.mark.parametrize("mode", ["whole", "fenced"])
@pytest.mark.parametrize("max_tokens", [40, 110])
def test_an_answer_with_guesses_is_a_program_wherever_its_budget_cuts_it(
    language: str, mode: Mode, max_tokens: int
) -> None:
    head = f"```{language}\n" if mode == "fenced" else ""
    degraded: list[str] = []
    for seed in range(6):
        grammar = candidate(SyntaxSpec(language, mode), max_tokens=max_tokens)
        write(grammar, head)
        text = generate_with_guesses(grammar, max_tokens - len(ids_of(head)), seed)
        if grammar.counts.degraded:
            degraded.append(grammar.counts.degraded)
            continue
        # What is drawn behind the first fence is noise, and opens others in its last tokens.
        (_, code, is_closed), *_ = code_blocks(head + text) if head else [(language, text, True)]
        assert is_closed, (seed, text)
        assert is_program(language, code), (seed, text)
    # As without guesses: " in" becomes " instanceof" only, which is eight tokens more in this vocabulary.
    assert degraded in ([], [LOST], [LATE])


def test_what_happens_behind_a_refused_guess_is_not_reported() -> None:
    grammar = candidate(PYTHON, max_tokens=30)
    write(grammar, "y = (1")
    assert not grammar.counts.closing_forced
    ahead = 0
    while not grammar.counts.closing_forced:
        grammar.accept_tokens("request", [ord("1")])
        ahead += 1
        allowed(grammar)
    grammar.rollback(ahead)
    assert not grammar.counts.closing_forced
    write(grammar, ")")
    assert grammar.counts.degraded is None


def test_a_guess_that_opens_a_fence_with_what_is_no_code_is_cut() -> None:
    grammar = candidate(SyntaxSpec("python", "fenced"))
    write(grammar, "```python")
    # No row allows a token with more behind the line end; a guess may be one all the same.
    assert grammar.validate_tokens([*ids_of("\n"), ord(")")]) == ids_of("\n")
    assert not grammar.counts.permissive


# ── never silent, never fatal ────────────────────────────────────────────────────────────────────────────────


def test_a_token_that_cannot_follow_makes_the_candidate_permissive_and_is_no_error() -> None:
    grammar = candidate(PYTHON)
    assert grammar.accept_tokens("request", [ord(")")])
    assert len(allowed(grammar)) > len(TOKENS)
    assert grammar.counts.permissive
    assert grammar.counts.degraded == "a token came that cannot follow"


def test_an_error_in_the_matcher_makes_the_candidate_permissive(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    grammar = candidate(PYTHON)

    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("grammar.SyntaxMatcher.fill_row", fail)
    assert len(allowed(grammar)) > len(TOKENS)
    assert grammar.counts.degraded == "internal error in the mask (RuntimeError)"
    assert "the syntax mask failed" in caplog.text
    grammar.accept_tokens("request", ids_of("x"))
    grammar.rollback(1)


def test_a_candidate_without_a_mask_says_why() -> None:
    grammar = PermissiveGrammar(PYTHON, "why not")
    assert len(allowed(grammar)) > len(TOKENS)
    assert grammar.validate_tokens([1, 2]) == [1, 2]
    assert grammar.counts.permissive
    assert grammar.counts.degraded == "why not"


def test_times_and_tokens_are_counted() -> None:
    grammar = candidate(PYTHON)
    write(grammar, "x = 1")
    assert grammar.counts.tokens == len(ids_of("x = 1"))
    assert sum(grammar.counts.fill_microseconds) == grammar.counts.masked_steps == grammar.counts.tokens
    assert grammar.counts.median_fill_microseconds > 0
    assert grammar.counts.max_fill_microseconds <= grammar.counts.all_fills_microseconds


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────


def longest(language: str, begin: str, again: str, most: int) -> int:
    """Say how often a text may be repeated."""
    grammar = candidate(SyntaxSpec(language))
    write(grammar, begin)
    for i in range(most):
        for token in ids_of(again):
            if token not in allowed(grammar):
                assert grammar.counts.bounds_hit
                return i
            grammar.accept_tokens("request", [token])
    return most


@pytest.mark.parametrize(
    ("language", "begin", "again", "at_most"),
    [
        ("python", "x", "\n", text_bounds.MAX_LINE_ENDS),
        ("python", "x = ", "(", text_bounds.MAX_OPENERS_IN_A_ROW),
        ("python", "x = ", "f(", text_bounds.MAX_DEPTH),
        ("python", "", "# so\n", text_bounds.MAX_COMMENT_LINES),
        ("python", "#", "x", text_bounds.MAX_COMMENT_BYTES),
        ("java", "", "// so\n", text_bounds.MAX_COMMENT_LINES),
        ("go", "package main", "\n", text_bounds.MAX_LINE_ENDS),
        ("go", "package main", " ", text_bounds.MAX_BLANK_BYTES),
    ],
)
def test_no_run_goes_on_for_ever(language: str, begin: str, again: str, at_most: int) -> None:
    assert longest(language, begin, again, at_most + 2) <= at_most


def test_bounds_leave_ordinary_code_alone() -> None:
    grammar = candidate(PYTHON)
    write(grammar, "# a\n# b\n\n\nclass A:\n    x = {(1, 2): [f((3))]}\n\n    def f(self):\n        pass\n")
    assert not grammar.counts.bounds_hit


# ── fences in a chat ─────────────────────────────────────────────────────────────────────────────────────────

FENCED = SyntaxSpec("python", "fenced")


def test_prose_is_free() -> None:
    grammar = candidate(FENCED)
    assert len(allowed(grammar)) > len(TOKENS)
    write(grammar, "A (sentence}; with ``code`` and `more`\n")
    assert STOP in allowed(grammar)


def test_code_in_a_fence_is_held_and_the_fence_closes_only_where_it_can_end() -> None:
    grammar = candidate(FENCED)
    write(grammar, "So:\n```python\nx = (")
    assert not allowed(grammar) & {STOP, FENCE, ord("]"), ord(";")}
    write(grammar, "1)")
    assert FENCE not in allowed(grammar), "not at the start of a line"
    write(grammar, "\n")
    assert FENCE in allowed(grammar)
    assert STOP not in allowed(grammar), "the fence would stay open"
    write(grammar, "```\nThat was all ]}.")
    assert STOP in allowed(grammar)


def test_behind_a_closed_fence_its_line_ends() -> None:
    grammar = candidate(FENCED)
    write(grammar, "```python\nx\n```")
    ids = allowed(grammar)
    assert ids_of("\n")[0] in ids
    assert STOP in ids
    assert ids_of("java")[0] not in ids


def test_no_fence_hides_in_a_string() -> None:
    grammar = candidate(FENCED)
    write(grammar, '```python\nx = """')
    assert not allowed(grammar) & FENCES


@pytest.mark.parametrize(("label", "refused"), [("go", "}"), ("java", "]"), ("golang", "}"), ("", ")")])
def test_each_fence_has_its_language_and_a_bare_one_the_requests(label: str, refused: str) -> None:
    grammar = candidate(FENCED)
    write(grammar, f"```{label}\n")
    assert ord(refused) not in allowed(grammar)


@pytest.mark.parametrize("head", ["```ruby\n", "````python\n", "text ```python\n"])
def test_other_fences_are_free(head: str) -> None:
    grammar = candidate(FENCED)
    write(grammar, head)
    assert len(allowed(grammar)) > len(TOKENS)


def test_what_follows_a_label_in_its_token_cannot_escape_the_mask() -> None:
    grammar = candidate(FENCED)
    write(grammar, "```python")
    assert ids_of("\n")[0] in allowed(grammar)
    assert ids_of("\n\n")[0] not in allowed(grammar)


def test_several_fences_in_one_answer() -> None:
    grammar = candidate(FENCED)
    write(grammar, "```python\nx\n```\nand\n```go\npackage main\n```\nand\n```\nif x:\n    y")
    assert ord(";") in allowed(grammar)
    assert grammar.counts.degraded is None


@pytest.mark.parametrize("max_tokens", [16, 40, 100])
def test_a_chat_that_its_budget_cuts_closes_its_fence(max_tokens: int) -> None:
    head = "```python\n"
    for seed in range(6):
        grammar = candidate(FENCED, max_tokens=max_tokens)
        write(grammar, head)
        text, _ = generate(grammar, max_tokens - len(ids_of(head)), chooser(seed))
        (label, code, is_closed), *_ = code_blocks(head + text)
        assert label == "python"
        assert is_closed
        assert is_program("python", code), code
