"""Candidates under the mask without an engine: a small vocabulary, and the loop that an engine would run."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import torch

from grammar import TokenVocabulary
from service.syntax_spec import SyntaxSpec
from service.vllm_plugin.candidates import SyntaxParts
from service.vllm_plugin.syntax_grammar import SyntaxGrammar

_WORDS = (
    "def class return if else for while in import from lambda pass print public static void int String package main "
    "func var new try catch finally switch case break true false this"
)
_PIECES = [
    *_WORDS.split(), *(f" {word}" for word in _WORDS.split()), "```", " ```", "```\n", "python", "java", "go", "\n\n",
    "    ", "        ", "):\n", "()", "{\n", "}\n", ";\n", " = ", " + ", "((((", "[[[[", "{{{{", "#", "//", '"""', " x",
]  # fmt: skip
_TEXTS = [*(bytes((byte,)) for byte in range(256)), *(piece.encode() for piece in _PIECES)]
TOKENS: list[bytes | None] = [*_TEXTS, None, None]
STOP, OTHER_STOP = len(_TEXTS), len(_TEXTS) + 1
WIDTH = 400  # wider than the tokens, as models' logits are
FENCE = TOKENS.index(b"```")
FENCES = {FENCE, TOKENS.index(b" ```"), TOKENS.index(b"```\n")}

parts = SyntaxParts(lambda: TokenVocabulary.from_bytes(TOKENS, eos_ids=[STOP], width=WIDTH))


def candidate(spec: SyntaxSpec, *, max_tokens: int | None = None, at_fence: bool = False) -> SyntaxGrammar:
    """Make a candidate, as the engine does."""
    read = SyntaxSpec.from_grammar(spec.to_grammar())
    assert read is not None
    assert read == spec
    grammar = parts.grammar(read, {STOP, *(FENCES if at_fence else ())})
    if max_tokens is not None:
        grammar.set_limit(max_tokens)
    return grammar


def allowed(grammar: SyntaxGrammar) -> set[int]:
    """Ask which tokens may come next."""
    bitmask = torch.zeros((2, (WIDTH + 31) // 32), dtype=torch.int32)
    grammar.fill_bitmask(bitmask, 1)
    assert not bitmask[0].any(), "another row was touched"
    bits = np.unpackbits(bitmask[1].numpy().view(np.uint8), bitorder="little")
    return set(np.flatnonzero(bits).tolist())


def ids_of(text: str) -> list[int]:
    """Give the longest token at each place."""
    ids = parts.vocabulary.native.tokenize(text.encode())
    assert ids is not None
    return ids


def text_of(ids: list[int]) -> str:
    """Give the text of tokens; control tokens have none."""
    return b"".join(TOKENS[i] or b"" for i in ids if i < len(TOKENS)).decode(errors="replace")


def write(grammar: SyntaxGrammar, text: str) -> None:
    """Have a candidate take a text, token by token, each of which must be allowed."""
    for token in ids_of(text):
        assert token in allowed(grammar), f"{TOKENS[token]!r} in {text!r}"
        grammar.accept_tokens("request", [token])


Choose = Callable[[set[int]], int]


def chooser(seed: int) -> Choose:
    """Draw evenly, words as likely as all bytes together."""
    generator = random.Random(seed)

    def choose(ids: set[int]) -> int:
        words = sorted(i for i in ids if i >= 256)
        return generator.choice(words if words and generator.random() < 0.5 else sorted(ids))

    return choose


def generate(grammar: SyntaxGrammar, max_tokens: int, choose: Choose) -> tuple[str, bool]:
    """Run a candidate to its end; give its text, and whether a stop token ended it."""
    ids: list[int] = []
    while len(ids) < max_tokens:
        token = choose(allowed(grammar))
        grammar.accept_tokens("request", [token])
        if grammar.is_terminated():
            return text_of(ids), True
        ids.append(token)
    return text_of(ids), False


def generate_with_guesses(grammar: SyntaxGrammar, max_tokens: int, seed: int) -> str:
    """Run a candidate to its end as vLLM does with guesses: cut them, fill a row for each, go back, take what is drawn.

    Guesses are tokens that could follow, tokens that could not, and ends. Each is drawn or not, as its row allows.
    """
    generator, choose = random.Random(seed), chooser(seed)
    ids: list[int] = []
    while len(ids) < max_tokens and not grammar.is_terminated():
        begun = grammar.counts.tokens
        guesses = _guesses(grammar, generator, choose)
        guesses = grammar.validate_tokens(guesses)[: max_tokens - len(ids) - 1]
        drawn: list[int] = []
        is_kept = True
        for guess in [*guesses, None]:
            # Rows behind an end are not asked for.
            row = set() if grammar.is_terminated() else allowed(grammar)
            if is_kept and row:
                is_kept = guess is not None and guess in row and generator.random() < 0.8
                drawn.append(guess if is_kept and guess is not None else choose(row))
            if guess is not None and not grammar.is_terminated():
                assert grammar.accept_tokens("request", [guess])
        grammar.rollback(grammar.counts.tokens - begun)
        for token in drawn:
            grammar.accept_tokens("request", [token])
            ids.append(token)
            if grammar.is_terminated() or len(ids) == max_tokens:
                break
    return text_of(ids)


def _guesses(grammar: SyntaxGrammar, generator: random.Random, choose: Choose) -> list[int]:
    """Walk ahead over what could follow, and back; then spoil a guess now and then."""
    ahead: list[int] = []
    begun = grammar.counts.tokens
    for _ in range(generator.randint(0, 4)):
        if grammar.is_terminated():
            break
        ahead.append(choose(allowed(grammar)))
        grammar.accept_tokens("request", ahead[-1:])
    grammar.rollback(grammar.counts.tokens - begun)
    return [generator.randrange(STOP + 1) if generator.random() < 0.15 else token for token in ahead]
