"""Other engines behind one interface. Each is optional; none ships a grammar of Python, so they get ours.

grammars/python.lark is hand-written for them: blocks of 4 blanks to a fixed depth, no tabs, no other widths, no
f-string fields. Their over-acceptance is that grammar's, not theirs.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

GRAMMARS = Path(__file__).parent / "grammars"


class Follower(Protocol):
    """One text being followed."""

    def fill(self) -> None:
        """Compute the mask of the next token into the adaptor's own row."""
        ...

    def allowed(self, token: int) -> bool:
        """Say whether the last mask allows the token."""
        ...

    def accept(self, token: int) -> bool:
        """Take the token."""
        ...


@dataclass(frozen=True)
class Peer:
    """A ready engine: how to start a text, how long it took to get ready."""

    name: str
    start: Callable[[], Follower]
    seconds: float


class _Row:
    def __init__(self, width: int) -> None:
        self.bitmask = torch.zeros((1, (width + 31) // 32), dtype=torch.int32)

    def allowed(self, token: int) -> bool:
        return bool(int(self.bitmask[0, token >> 5]) >> (token & 31) & 1)


def load_peer(name: str, language: str, tokenizer: Any, width: int) -> Peer:
    """Make a peer ready. Raises ImportError when it is not installed, ValueError when it has no grammar here."""
    path = GRAMMARS / f"{language}.lark"
    if not path.is_file():
        raise ValueError(f"no hand-written grammar of {language}")
    makers = {"llguidance": _llguidance, "xgrammar": _xgrammar}
    begun = time.monotonic()
    start = makers[name](path.read_text(encoding="utf-8"), tokenizer, width)
    return Peer(name, start, time.monotonic() - begun)


def _llguidance(grammar: str, tokenizer: Any, width: int) -> Callable[[], Follower]:
    llguidance = importlib.import_module("llguidance")
    hf = importlib.import_module("llguidance.hf")
    tokens = hf.from_tokenizer(tokenizer, n_vocab=width)
    compiled = llguidance.LLMatcher.grammar_from_lark(grammar)
    row = _Row(width)

    class Text:
        def __init__(self) -> None:
            self.matcher = llguidance.LLMatcher(tokens, compiled, log_level=0)

        def fill(self) -> None:
            self.matcher.unsafe_compute_mask_ptr(row.bitmask.data_ptr(), row.bitmask.shape[1] * 4)

        def allowed(self, token: int) -> bool:
            return row.allowed(token)

        def accept(self, token: int) -> bool:
            return bool(self.matcher.consume_token(token)) and not self.matcher.is_error()

    return Text


def _xgrammar(grammar: str, tokenizer: Any, width: int) -> Callable[[], Follower]:
    xgrammar = importlib.import_module("xgrammar")
    info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=width)
    compiled = xgrammar.GrammarCompiler(info).compile_grammar(xgrammar.Grammar.from_lark(grammar))
    row = _Row(width)

    class Text:
        def __init__(self) -> None:
            self.matcher = xgrammar.GrammarMatcher(compiled)

        def fill(self) -> None:
            self.matcher.fill_next_token_bitmask(row.bitmask, 0)

        def allowed(self, token: int) -> bool:
            return row.allowed(token)

        def accept(self, token: int) -> bool:
            return bool(self.matcher.accept_token(token))

    return Text


def version(name: str) -> str:
    """Give a package's version, for the table."""
    from importlib.metadata import version as of

    return of(name)
