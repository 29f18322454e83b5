"""The mask over the real vocabulary, without an engine: what closing relies on, and what it promises."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from grammar import can_end, load_language
from model_store import find_model
from service.syntax_spec import SyntaxSpec
from service.vllm_plugin.candidates import SyntaxParts
from service.vllm_plugin.closing import ONE_TOKEN
from service.vllm_plugin.syntax_grammar import SyntaxGrammar
from service.vllm_plugin.token_sets import Row, holds
from service.vllm_plugin.vocabulary import engine_vocabulary
from tests.model.conftest import MODEL

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

WIDTH = 151_936
ENDS = {151_643, 151_645}
LANGUAGES = ["python", "java", "go", "javascript", "typescript", "tsx", "rust"]
# Short tokens are the common ones; drawing them more often gives texts that look a little like code.
COMMON = 1500


@pytest.fixture(scope="module")
def parts() -> SyntaxParts:
    folder = find_model(MODEL)
    if folder is None:
        pytest.skip(f"the model is not here: python -m model_store fetch {MODEL}")
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    return SyntaxParts(lambda: engine_vocabulary(tokenizer, WIDTH))


def row_of(grammar: SyntaxGrammar) -> Row:
    bitmask = torch.zeros((1, WIDTH // 32), dtype=torch.int32)
    grammar.fill_bitmask(bitmask, 0)
    return bitmask[0].numpy()


def draw(row: Row, generator: random.Random) -> int:
    ids = np.flatnonzero(np.unpackbits(row.view(np.uint8), bitorder="little"))
    common = ids[ids < COMMON]
    chosen = common if len(common) and generator.random() < 0.85 else ids
    return int(chosen[generator.randrange(len(chosen))])


def test_the_models_ends_and_fences_are_known(parts: SyntaxParts) -> None:
    assert set(parts.vocabulary.eos_ids) == ENDS
    assert np.bitwise_count(parts.sets.fence.view(np.uint32)).sum() == 3
    assert parts.sets.line_end == 198


def test_a_fence_in_two_tokens_is_no_code_where_the_code_can_end(parts: SyntaxParts) -> None:
    def token(data: bytes) -> int:
        return next(t for t in range(WIDTH) if parts.vocabulary.token_bytes(t) == data)

    def is_allowed(text: bytes, *tokens: int) -> list[bool]:
        grammar = parts.grammar(SyntaxSpec("javascript"), ENDS)
        grammar.accept_tokens("request", [token(text[at : at + 1]) for at in range(len(text))])
        row = row_of(grammar)
        return [holds(row, wanted) for wanted in tokens]

    # The tokenizer spells "```⏎" in two tokens: an empty template of JavaScript, and the beginning of another.
    begun, rest = token(b"``"), token(b"`\n")
    assert is_allowed(b"f();\n", begun, *ENDS) == [False, True, True]
    assert is_allowed(b"f(\n", begun) == [True]
    assert is_allowed(b"f = ", begun) == [True]
    assert is_allowed(b"f = ``", rest) == [True]


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_token_lengthens_the_way_to_the_end_by_less_than_the_margin(
    parts: SyntaxParts, language: str
) -> None:
    generator = random.Random(1)
    growths: list[int] = []
    for _ in range(8):
        grammar = parts.grammar(SyntaxSpec(language), ENDS)
        matcher = grammar._follower._matcher  # type: ignore[attr-defined]
        need = matcher.min_tokens_to_end
        for _ in range(60):
            token = draw(row_of(grammar) & ~parts.sets.heavy, generator)
            if token in ENDS:
                continue
            grammar.accept_tokens("request", [token])
            after = matcher.min_tokens_to_end
            if after is not None and need is not None:
                growths.append(after - need)
            need = after
    assert len(growths) > 300
    assert 2 <= max(growths) < ONE_TOKEN


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("max_tokens", [4, 12, 30, 80])
def test_an_answer_that_its_budget_cuts_is_a_program(
    parts: SyntaxParts, language: str, max_tokens: int
) -> None:
    generator = random.Random(max_tokens)
    for _ in range(6):
        grammar = parts.grammar(SyntaxSpec(language), ENDS)
        grammar.set_limit(max_tokens)
        text = b""
        for _ in range(max_tokens):
            token = draw(row_of(grammar), generator)
            grammar.accept_tokens("request", [token])
            if grammar.is_terminated():
                break
            text += parts.vocabulary.token_bytes(token) or b""
        assert can_end(load_language(language), text), text
        assert grammar.counts.degraded is None
