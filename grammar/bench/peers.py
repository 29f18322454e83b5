"""Other engines behind one interface. Each is optional; none ships a grammar of Python, so all get ours.

What they refuse or let through on grammars/python.lark is that grammar's doing, not theirs.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass

from grammar.bench.engines import Engine, Stopwatch, Text, new_row
from grammar.bench.lark import lark_of
from grammar.bench.tokens import Tokens
from grammar.errors import GrammarError


@dataclass(frozen=True)
class Peer:
    """How to make a peer ready; `modules` are imported before memory and time are counted."""

    modules: tuple[str, ...]
    make: Callable[[str, Tokens], Engine]


def _llguidance(language: str, tokens: Tokens) -> Engine:
    llguidance = importlib.import_module("llguidance")
    watch = Stopwatch()
    tokenizer = llguidance.LLTokenizer(
        tokens.file.read_text(encoding="utf-8"), n_vocab=tokens.width, eos_token=tokens.eos
    )
    watch.lap("vocabulary")
    grammar = llguidance.LLMatcher.grammar_from_lark(lark_of(language))
    error = llguidance.LLMatcher.validate_grammar(grammar, tokenizer)
    if error:
        raise GrammarError(error)
    watch.lap("grammar")
    row = new_row(tokens.width)

    def begin() -> Text:
        matcher = llguidance.LLMatcher(tokenizer, grammar, log_level=0)
        fill = functools.partial(matcher.unsafe_compute_mask_ptr, row.ctypes.data, row.nbytes)
        return Text(fill, matcher.consume_token, matcher.is_accepting)

    return Engine(row, begin, watch.seconds)


def _xgrammar(language: str, tokens: Tokens) -> Engine:
    xgrammar = importlib.import_module("xgrammar")
    torch = importlib.import_module("torch")
    watch = Stopwatch()
    info = xgrammar.TokenizerInfo(
        [value or b"" for value in tokens.values],
        vocab_type=xgrammar.VocabType.RAW,
        vocab_size=tokens.width,
        stop_token_ids=[tokens.eos],
    )
    watch.lap("vocabulary")
    compiled = xgrammar.GrammarCompiler(info, max_threads=1).compile_lark(lark_of(language))
    watch.lap("grammar")
    row = new_row(tokens.width)
    bitmask = torch.from_numpy(row.reshape(1, -1))  # the same memory

    def begin() -> Text:
        matcher = xgrammar.GrammarMatcher(compiled)

        def can_end() -> bool:
            matcher.fill_next_token_bitmask(bitmask, 0)
            return bool(row[tokens.eos >> 5] >> (tokens.eos & 31) & 1)

        fill = functools.partial(matcher.fill_next_token_bitmask, bitmask, 0)
        return Text(fill, matcher.accept_token, can_end)

    return Engine(row, begin, watch.seconds)


def _glrmask(language: str, tokens: Tokens) -> Engine:
    glrmask = importlib.import_module("glrmask")
    watch = Stopwatch()
    vocabulary = glrmask.Vocab.from_id_to_bytes(
        {index: value for index, value in enumerate(tokens.values) if value is not None}
    )
    watch.lap("vocabulary")
    constraint = glrmask.Grammar.from_lark(lark_of(language)).compile(vocabulary)
    watch.lap("grammar")
    row = new_row(max(tokens.width, 32 * constraint.mask_len()))

    def begin() -> Text:
        state = constraint.start()
        return Text(functools.partial(state.fill_mask, row), state.commit_token, state.is_accepting)

    return Engine(row, begin, watch.seconds)


PEERS: dict[str, Peer] = {
    "llguidance": Peer(("llguidance",), _llguidance),
    "xgrammar": Peer(("torch", "xgrammar"), _xgrammar),
    "glrmask": Peer(("glrmask",), _glrmask),
}
