"""The engine's vocabulary for the mask: the tokenizer's text tokens, and every token that ends an answer."""

from __future__ import annotations

from typing import Any

from grammar import TokenVocabulary

# Tokens that end an answer in the models served here, beside the tokenizer's own end.
_ENDS = ("<|im_end|>", "<|endoftext|>")


def engine_vocabulary(tokenizer: Any, width: int) -> TokenVocabulary:
    """Give the vocabulary of a tokenizer for logits of a width. Raises VocabularyError."""
    text = TokenVocabulary.from_tokenizer(tokenizer, width=width)
    added: dict[str, int] = tokenizer.get_added_vocab()
    ends = dict.fromkeys([*text.eos_ids, *(added[name] for name in _ENDS if name in added)])
    tokens = [text.token_bytes(token) for token in range(len(tokenizer))]
    return TokenVocabulary.from_bytes(tokens, eos_ids=list(ends), width=width)
