"""A tokenizer's tokens as bytes, with the stop ids and the width of a logits row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from grammar import _native
from grammar.errors import VocabularyError


class TokenVocabulary:
    """Immutable; shared by every matcher and language.

    Ids without bytes (special tokens, ids past the tokenizer's end) are never allowed, except stop ids where the
    text may end. Tokens of more than 4,095 bytes are never allowed either.
    """

    def __init__(self, native: _native.Vocabulary) -> None:
        self.native = native
        self.engines: dict[str, _native.Engine] = {}

    @property
    def width(self) -> int:
        """Length of a logits row; at least the number of tokens."""
        return self.native.width

    @property
    def eos_ids(self) -> list[int]:
        """Ids that end the text."""
        return self.native.stop_ids

    def token_bytes(self, token_id: int) -> bytes | None:
        """Give the bytes of a token; None for ids without text."""
        return self.native.token_bytes(token_id)

    @classmethod
    def from_bytes(
        cls, tokens: Sequence[bytes | None], *, eos_ids: Iterable[int], width: int | None = None
    ) -> TokenVocabulary:
        """Take the bytes of each id; None for ids without bytes. Raises VocabularyError."""
        try:
            native = _native.Vocabulary(list(tokens), list(eos_ids), len(tokens) if width is None else width)
        except _native.NativeError as error:
            raise VocabularyError(str(error)) from error
        return cls(native)

    @classmethod
    def from_tokenizer(cls, tokenizer: Any, *, width: int | None = None) -> TokenVocabulary:
        """Take a fast Hugging Face tokenizer, byte-level (GPT-2, Qwen, Llama 3) or with byte fall-back (Llama 2).

        Added tokens (control tokens, fill-in-the-middle marks) carry no text. The stop id is the tokenizer's
        end-of-sequence token; more are given with `from_bytes`. Raises VocabularyError for other kinds.
        """
        if not hasattr(tokenizer, "backend_tokenizer"):
            raise VocabularyError(f"expected a fast tokenizer, got {type(tokenizer).__name__}")
        kinds = _component_types(json.loads(tokenizer.backend_tokenizer.to_str()))
        if "ByteLevel" in kinds:
            decode = _byte_level
        elif "ByteFallback" in kinds or "Metaspace" in kinds:
            decode = _byte_fallback
        else:
            raise VocabularyError(f"expected a byte-level or byte-fall-back tokenizer, got {sorted(kinds)}")
        added = set(tokenizer.get_added_vocab().values())
        tokens: list[bytes | None] = [None] * len(tokenizer)
        for text, index in tokenizer.get_vocab().items():
            if index not in added:
                tokens[index] = decode(text)
        eos = tokenizer.eos_token_id
        return cls.from_bytes(tokens, eos_ids=[] if eos is None else [eos], width=width)


def _component_types(description: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    waiting: list[Any] = [description.get(part) for part in ("pre_tokenizer", "decoder")]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            found.add(part.get("type", ""))
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return found


def _byte_level_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for the 256 bytes."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(hidden)}


_ALPHABET = _byte_level_alphabet()


def _byte_level(text: str) -> bytes | None:
    try:
        return bytes(_ALPHABET[c] for c in text)
    except KeyError:
        return None


def _byte_fallback(text: str) -> bytes | None:
    if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
        return bytes([int(text[3:5], 16)])
    return text.replace("\u2581", " ").encode()
