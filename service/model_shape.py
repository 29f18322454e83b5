"""What memory and parallelism need to know of a model, from the catalog or from its config.json.

Reads Qwen2's and the original Qwen's configurations. Knows no hardware and no settings; whether vLLM can load the
architecture is `service.check`'s question.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_store import ModelEntry
from service.errors import ConfigurationError

DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What memory and parallelism depend on. `weight_bytes` are the safetensors files', when they are here."""

    name: str
    architecture: str
    parameters: int
    num_layers: int
    hidden_size: int
    num_attention_heads: int
    num_kv_heads: int
    head_dim: int
    vocab_size: int
    context_length: int
    tied_embeddings: bool
    quantization: str | None = None
    weight_bytes: int | None = None

    @classmethod
    def from_entry(cls, entry: ModelEntry) -> ModelShape:
        """Take the shape of a known model from the catalog."""
        return cls(
            name=entry.id,
            architecture=entry.architecture,
            parameters=entry.parameters,
            num_layers=entry.layers,
            hidden_size=entry.hidden_size,
            # True of all Qwen2 models: the heads' outputs, side by side, are as wide as the residual stream.
            num_attention_heads=entry.hidden_size // entry.head_dim,
            num_kv_heads=entry.kv_heads,
            head_dim=entry.head_dim,
            vocab_size=entry.vocab_size,
            context_length=entry.context_length,
            tied_embeddings=entry.tied_embeddings,
        )

    @classmethod
    def from_folder(cls, folder: Path) -> ModelShape:
        """Read the config.json of a model folder. Raises ConfigurationError if there is none to be read."""
        try:
            config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            return cls(
                name=folder.name,
                weight_bytes=sum(file.stat().st_size for file in folder.glob("*.safetensors")) or None,
                quantization=(config.get("quantization_config") or {}).get("quant_method"),
                **_shape(config),
            )
        except OSError as error:
            raise ConfigurationError(
                f"{folder} is no model folder: config.json: {error.strerror}."
            ) from error
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise ConfigurationError(
                f"{folder / 'config.json'} is no model configuration: {error!r}."
            ) from error

    def weights(self, dtype: str) -> int:
        """Bytes of all weights. Quantised ones are counted as they lie on disk."""
        if self.quantization and self.weight_bytes:
            return self.weight_bytes
        return self.parameters * DTYPE_BYTES[dtype]

    def weights_per_device(self, dtype: str, tp: int, pp: int) -> int:
        """Bytes of the fullest device: its share of the layers, and an embedding matrix if it has one.

        With pp > 1 the first stage holds the input embedding and the last the output head, never both.
        """
        total = self.weights(dtype)
        matrix = total * self.vocab_size * self.hidden_size // self.parameters
        matrices = 1 if self.tied_embeddings else 2
        own_matrices = matrices if pp == 1 else 1
        return (total - matrices * matrix) // (tp * pp) + own_matrices * matrix // tp

    def kv_bytes_per_token(self, dtype: str, tp: int = 1, pp: int = 1) -> int:
        """Bytes one token takes in the KV cache of one device. Fewer KV heads than devices are copied."""
        heads = max(1, self.num_kv_heads // tp)
        return 2 * math.ceil(self.num_layers / pp) * heads * self.head_dim * DTYPE_BYTES[dtype]


def _shape(config: dict[str, Any]) -> dict[str, Any]:
    """Give the fields of ModelShape that a Qwen2 or Qwen configuration determines."""
    hidden, layers, vocab = config["hidden_size"], config["num_hidden_layers"], config["vocab_size"]
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads", heads)
    head_dim = config.get("head_dim") or hidden // heads
    tied = bool(config.get("tie_word_embeddings", False))
    attention = hidden * head_dim * 2 * (heads + kv_heads) + head_dim * (heads + 2 * kv_heads)
    layer = attention + 3 * hidden * config["intermediate_size"] + 2 * hidden
    return {
        "architecture": config["architectures"][0],
        "parameters": layers * layer + vocab * hidden * (1 if tied else 2) + hidden,
        "num_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_kv_heads": kv_heads,
        "head_dim": head_dim,
        "vocab_size": vocab,
        "context_length": _context_length(config),
        "tied_embeddings": tied,
    }


def _context_length(config: dict[str, Any]) -> int:
    rope = config.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type")) == "yarn":
        original = rope.get("original_max_position_embeddings", config["max_position_embeddings"])
        return int(original * rope.get("factor", 1))
    return int(config.get("max_position_embeddings") or config["seq_length"])
