"""Whether what is sampled under the mask is a program: generations, closed where they stop, and judged.

    python -m benchmarks.grammar_sampling --language go --texts 2000               tokens as frequent as in code
    python -m benchmarks.grammar_sampling --language go --texts 700 --model FOLDER tokens by a model, temperature 1

Each generation goes on from a cut of real code. Without a model half of the tokens are drawn by their frequency and
half evenly from all that are allowed, which asks more of the mask than a model does. A text that the search for a
closing gives up on is counted apart, as is one that becomes too ambiguous.
"""

from __future__ import annotations

import argparse
import bisect
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.errors import BenchmarkError
from benchmarks.grammar_oracles import ORACLES, open_oracle
from benchmarks.grammar_oracles.corpora import data_folder, source_files
from benchmarks.grammar_oracles.measure import accepted_pieces
from benchmarks.grammar_oracles.oracle import Oracle
from benchmarks.progress import steps
from grammar import Language, SyntaxMatcher, TokenVocabulary, load_language, prepare_engine

_BATCH = 32
_WIDTH_OF_MODELS = 151_936


@dataclass
class Outcome:
    """What became of the generations."""

    generated: int = 0
    tokens: int = 0
    ended: int = 0
    closed: int = 0
    unclosed: list[bytes] = field(default_factory=list[bytes])
    degraded: int = 0
    refused: list[tuple[str, bytes, bytes]] = field(default_factory=list[tuple[str, bytes, bytes]])


class Draw:
    """Next tokens by frequency in real code, without a model."""

    def __init__(self, counts: Counter[int], width: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._weights = np.full(width, 1e-3)
        for token, count in counts.items():
            self._weights[token] += count

    def begin(self, prefixes: list[list[int]]) -> None:
        """Nothing to prepare: the next token depends on the mask alone."""

    def next(self, allowed: torch.Tensor) -> list[int]:
        """Choose one allowed token a row; allowed: bool[B, width]."""
        rows = allowed.numpy()
        even = self._rng.random(len(rows)) < 0.5
        return [self._one(row, None if e else self._weights) for row, e in zip(rows, even, strict=True)]

    def _one(self, allowed: np.ndarray[Any, Any], weights: np.ndarray[Any, Any] | None) -> int:
        ids = np.flatnonzero(allowed)
        if weights is None:
            return int(self._rng.choice(ids))
        cumulative = np.cumsum(weights[ids])
        return int(ids[np.searchsorted(cumulative, self._rng.random() * cumulative[-1])])


class Model:
    """Next tokens by a model's own distribution, temperature 1, restricted to what is allowed."""

    def __init__(self, folder: Path, seed: int) -> None:
        from transformers import AutoModelForCausalLM

        self._generator = torch.Generator().manual_seed(seed)
        self._model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self._cache: Any = None

    def begin(self, prefixes: list[list[int]]) -> None:
        """Read the prefixes, padded on the left."""
        longest = max(map(len, prefixes))
        self._ids = torch.tensor([[0] * (longest - len(p)) + p for p in prefixes])
        self._mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prefixes])
        self._cache = None

    def next(self, allowed: torch.Tensor) -> list[int]:
        """Choose one allowed token a row; allowed: bool[B, width]."""
        with torch.inference_mode():
            positions = (self._mask.cumsum(1) - 1).clamp(min=0)[:, -self._ids.shape[1] :]
            out = self._model(
                input_ids=self._ids, attention_mask=self._mask, position_ids=positions,
                past_key_values=self._cache, use_cache=True, logits_to_keep=1,
            )  # fmt: skip
            self._cache = out.past_key_values
            logits = out.logits[:, -1].float().masked_fill(~allowed[:, : out.logits.shape[-1]], -torch.inf)
            self._ids = torch.multinomial(logits.softmax(-1), 1, generator=self._generator)
        self._mask = torch.cat([self._mask, torch.ones_like(self._ids)], dim=1)
        return self._ids[:, 0].tolist()


def main(arguments: list[str] | None = None) -> int:
    """Sample, close, judge; give the exit code."""
    options = _parser().parse_args(arguments)
    try:
        outcome = measure(options)
    except (BenchmarkError, ValueError, OSError) as error:
        print(f"python -m benchmarks.grammar_sampling: {error}", file=sys.stderr)
        return 1
    judged = outcome.ended + outcome.closed
    print(f"{options.language}: {outcome.generated:,} generations, {outcome.tokens:,} tokens")
    print(f"  ended by themselves {outcome.ended:,}, closed {outcome.closed:,}")
    print(f"  no closing found {len(outcome.unclosed):,}, too ambiguous {outcome.degraded:,}")
    print(f"  refused by the language's parser {len(outcome.refused):,} of {judged:,}")
    for message, prefix, text in outcome.refused[: options.misses]:
        print(f"    {message[:90]}\n      {prefix[-200:]!r} + {text!r}")
    for text in outcome.unclosed[: options.misses]:
        at = _last_closable(load_language(options.language), text)
        print(f"    no closing behind {text[max(0, at - 120) : at]!r} <here> {text[at : at + 20]!r}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grammar_sampling", description=__doc__)
    parser.add_argument("--language", choices=sorted(ORACLES), default="python")
    parser.add_argument("--texts", type=int, default=2000, help="generations (default: 2000)")
    parser.add_argument(
        "--tokens", type=int, default=40, help="tokens each, before it is closed (default: 40)"
    )
    parser.add_argument("--tokenizer", type=Path, help="folder of a tokenizer (default: that of the model)")
    parser.add_argument("--model", type=Path, help="folder of a model; default: tokens are drawn without one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", help="folder of HumanEval-X and others (default: CODEFUSION_DATA)")
    parser.add_argument("--misses", type=int, default=20, help="refused texts to show (default: 20)")
    return parser


def measure(options: argparse.Namespace) -> Outcome:
    """Run all generations. Raises OracleMissingError when the language's own parser is not installed."""
    from transformers import AutoTokenizer

    folder = options.tokenizer or options.model
    if folder is None:
        raise ValueError("expected --tokenizer or --model, the folder of one; neither came")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    language = load_language(options.language)
    vocabulary = TokenVocabulary.from_tokenizer(tokenizer, width=max(_WIDTH_OF_MODELS, len(tokenizer)))
    prepare_engine(language, vocabulary)
    files = source_files(options.language, data_folder(options.data), options.seed)
    rng, outcome = random.Random(options.seed), Outcome()  # noqa: S311 - repeatable on purpose
    counts = Counter(t for f in files[:200] for t in vocabulary.native.tokenize(f.read()) or [])
    source = (
        Model(options.model, options.seed) if options.model else Draw(counts, vocabulary.width, options.seed)
    )
    with open_oracle(options.language) as oracle, steps(options.texts) as bar:
        prefixes = _prefixes(accepted_pieces(options.language, oracle, files, rng), rng)
        while outcome.generated < options.texts:
            size = min(_BATCH, options.texts - outcome.generated)
            batch = [next(prefixes) for _ in range(size)]
            bar.begin(f"{len(outcome.refused)} refused")
            matchers = [SyntaxMatcher(language, vocabulary, prefix) for prefix in batch]
            source.begin([vocabulary.native.tokenize(prefix) or [0] for prefix in batch])
            texts = _sample(source, matchers, vocabulary, options.tokens, outcome)
            for prefix, matcher, text in zip(batch, matchers, texts, strict=True):
                _judge(outcome, oracle, prefix, matcher, text)
                bar.done()
    return outcome


def _last_closable(language: Language, text: bytes) -> int:
    """Give the length of the longest beginning that has a closing; where one has none, no longer one has."""
    vocabulary = TokenVocabulary.from_bytes([bytes([byte]) for byte in range(256)], eos_ids=[])
    return bisect.bisect_left(
        range(1, len(text)),
        1,
        key=lambda n: SyntaxMatcher(language, vocabulary, text[:n]).closing_bytes() is None,
    )


def _prefixes(pieces: Iterator[bytes], rng: random.Random) -> Iterator[bytes]:
    for text in pieces:
        if 40 <= len(text) <= 1500:
            yield text[: rng.randrange(len(text))].decode("utf-8", "ignore").encode()


def _sample(
    source: Draw | Model,
    matchers: list[SyntaxMatcher],
    vocabulary: TokenVocabulary,
    num_tokens: int,
    outcome: Outcome,
) -> list[bytes]:
    rows = torch.zeros(len(matchers), (vocabulary.width + 31) // 32, dtype=torch.int32)
    bits = torch.arange(32, dtype=torch.int32)
    texts = [b""] * len(matchers)
    for _ in range(num_tokens):
        for row, matcher in enumerate(matchers):
            matcher.fill_bitmask(rows, row)
        allowed = ((rows.unsqueeze(-1) >> bits) & 1).bool().flatten(1)[:, : vocabulary.width]
        done = ~allowed.any(1)
        allowed[done, 0] = True  # an ended row goes on beside the others; its token is dropped
        for row, token in enumerate(source.next(allowed)):
            if done[row] or matchers[row].is_terminated or matchers[row].degraded_reason:
                continue
            if not matchers[row].accept_token(token) and not matchers[row].degraded_reason:
                raise ValueError(f"token {token} was allowed and then refused behind {texts[row]!r}")
            outcome.tokens += 1
            texts[row] += vocabulary.token_bytes(token) or b""
    return texts


def _judge(outcome: Outcome, oracle: Oracle, prefix: bytes, matcher: SyntaxMatcher, text: bytes) -> None:
    outcome.generated += 1
    if matcher.degraded_reason:
        outcome.degraded += 1
        return
    closing = b"" if matcher.is_terminated else matcher.closing_bytes()
    if closing is None:
        outcome.unclosed.append(prefix + text)
        return
    outcome.ended += matcher.is_terminated
    outcome.closed += not matcher.is_terminated
    verdict = oracle.check(prefix + text + closing)
    if not verdict.accepted:
        outcome.refused.append((verdict.message, prefix, text + b" <closed by> " + closing))


if __name__ == "__main__":
    sys.exit(main())
