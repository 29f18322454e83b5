"""Whether a folder holds the model its id promises: sizes from config.json, tokens from tokenizer.json."""

from pathlib import Path
from typing import Any, cast

from model_store.catalog import ModelEntry
from model_store.errors import IntegrityError
from model_store.json_files import read_json


def check_shape(folder: Path, entry: ModelEntry) -> None:
    """Raise IntegrityError unless configuration and tokenizer are those of the model `entry`."""
    config = read_json(folder, "config.json")
    expected = {
        "architectures": [entry.architecture],
        "num_hidden_layers": entry.layers,
        "hidden_size": entry.hidden_size,
        "num_attention_heads": entry.hidden_size // entry.head_dim,
        "num_key_value_heads": entry.kv_heads,
        "vocab_size": entry.vocab_size,
    }
    found = {name: config.get(name) for name in expected}
    if found != expected:
        raise IntegrityError(f"{folder / 'config.json'} for {entry.id}", str(expected), str(found))
    if (num_tokens := count_tokens(folder)) < entry.num_tokens:
        # Without a vocabulary transformers makes a tokenizer of one token and says nothing.
        raise IntegrityError(f"{folder / 'tokenizer.json'}", f"{entry.num_tokens} tokens", str(num_tokens))


def count_tokens(folder: Path) -> int:
    """Number of different tokens in tokenizer.json, the added ones included."""
    tokenizer = read_json(folder, "tokenizer.json")
    vocabulary = cast("dict[str, int]", (tokenizer.get("model") or {}).get("vocab") or {})
    added = cast("list[dict[str, Any]]", tokenizer.get("added_tokens") or [])
    return len(vocabulary.keys() | {token["content"] for token in added})
