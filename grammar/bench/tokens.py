"""A tokenizer folder read without transformers: what every engine of the benchmark is built from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from grammar.errors import GrammarError


@dataclass(frozen=True)
class Tokens:
    """Bytes of every id (None: control tokens and ids past the tokenizer's end) and the stop id."""

    tokenizer: Tokenizer
    file: Path
    values: list[bytes | None]
    eos: int
    width: int

    def encode(self, text: bytes) -> list[int]:
        """Give the ids of a text as the model's own tokenizer cuts it."""
        return self.tokenizer.encode(text.decode(), add_special_tokens=False).ids


def load_tokens(folder: Path, width: int) -> Tokens:
    """Read a byte-level tokenizer (GPT-2, Qwen, Llama 3). Raises GrammarError."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise GrammarError(
            f"expected a tokenizer in {folder}: run `make setup`, or name one with --tokenizer"
        )
    tokenizer = Tokenizer.from_file(str(file))
    added = tokenizer.get_added_tokens_decoder()
    values: list[bytes | None] = [None] * width
    alphabet = _byte_level_alphabet()
    for text, index in tokenizer.get_vocab(with_added_tokens=False).items():
        if index not in added:
            try:
                values[index] = bytes(alphabet[c] for c in text)
            except (KeyError, IndexError) as error:
                raise GrammarError(
                    f"expected a byte-level tokenizer of at most {width} tokens, got {text!r}"
                ) from error
    return Tokens(tokenizer, file, values, _stop_id(tokenizer, folder), width)


def _stop_id(tokenizer: Tokenizer, folder: Path) -> int:
    settings: dict[str, Any] = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    eos = settings.get("eos_token")
    index = tokenizer.token_to_id(eos["content"] if isinstance(eos, dict) else str(eos))
    if index is None:
        raise GrammarError(f"expected a known eos_token in {folder / 'tokenizer_config.json'}, got {eos!r}")
    return index


def _byte_level_alphabet() -> dict[str, int]:
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(hidden)}
