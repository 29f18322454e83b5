"""The tokenizer inside a Qwen2 GGUF file, written as the files Qwen publishes.

It is built to equal the original `tokenizer.json` (transformers' own `Qwen2Tokenizer` shows the parts), which
transformers' GGUF loader does not: that one leaves out the NFC normaliser, adds 271 `[PAD...]` tokens, and takes
the fill-in-the-middle markers for special tokens because llama.cpp files them under control tokens.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gguf import TokenType
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE

from model_store.errors import ConversionError
from model_store.json_files import write_json

# From transformers' Qwen2 tokenizer. Unlike GPT-4's, it cuts digits one by one.
SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Ordinary added tokens in the original: decoding with skip_special_tokens keeps them.
NOT_SPECIAL = frozenset(
    ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>")
)


def write_tokenizer(fields: dict[str, Any], target: Path) -> int:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja; return the number of tokens.

    fields   the GGUF's metadata by key
    Raises   ConversionError if it is not a byte-level BPE with Qwen2's splitting.
    """
    kind = (fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre"))
    if kind != ("gpt2", "qwen2"):
        raise ConversionError(f"expected a GGUF tokenizer of kind gpt2/qwen2, found {kind[0]}/{kind[1]}")
    tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    added = _added_tokens(tokens, types)
    tokenizer = _byte_level_bpe(_vocabulary(tokens, types), fields["tokenizer.ggml.merges"])
    tokenizer.add_tokens([token for _, token in added])
    _check_ids(tokenizer, added)
    tokenizer.save(str(target / "tokenizer.json"))
    _write_config(fields, [token.content for _, token in added if token.special], target)
    (target / "chat_template.jinja").write_text(fields["tokenizer.chat_template"], encoding="utf-8")
    return tokenizer.get_vocab_size()


def _vocabulary(tokens: Sequence[str], types: Sequence[int]) -> dict[str, int]:
    return {token: index for index, token in enumerate(tokens) if types[index] == TokenType.NORMAL}


def _added_tokens(tokens: Sequence[str], types: Sequence[int]) -> list[tuple[int, AddedToken]]:
    """Tokens matched before splitting, with their ids. Padding up to the matrix width (UNUSED) is left out."""
    return [
        (index, AddedToken(token, special=_is_special(token, types[index]), normalized=False))
        for index, token in enumerate(tokens)
        if types[index] in (TokenType.CONTROL, TokenType.USER_DEFINED)
    ]


def _is_special(token: str, token_type: int) -> bool:
    return token_type == TokenType.CONTROL and token not in NOT_SPECIAL


def _byte_level_bpe(vocabulary: dict[str, int], merges: Sequence[str]) -> Tokenizer:
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=pairs))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    byte_level = {"add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    tokenizer.decoder = decoders.ByteLevel(**byte_level)
    tokenizer.post_processor = processors.ByteLevel(**byte_level)
    return tokenizer


def _check_ids(tokenizer: Tokenizer, added: Sequence[tuple[int, AddedToken]]) -> None:
    """Adding a token gives it the next free id, which must be the id the model learnt."""
    for index, token in added:
        if (got := tokenizer.token_to_id(token.content)) != index:
            raise ConversionError(f"token {token.content} must have id {index}, the tokenizer gives it {got}")


def _write_config(fields: dict[str, Any], special: Sequence[str], target: Path) -> None:
    tokens = fields["tokenizer.ggml.tokens"]
    pad = tokens[fields["tokenizer.ggml.padding_token_id"]]
    config = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "additional_special_tokens": [token for token in special if token != pad],
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": tokens[fields["tokenizer.ggml.eos_token_id"]],
        "errors": "replace",
        "model_max_length": fields["qwen2.context_length"],
        "pad_token": pad,
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    write_json(target / "tokenizer_config.json", config)
