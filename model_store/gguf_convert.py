"""A Qwen2 model in GGUF to a folder that transformers and vLLM load."""

from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader

from model_store.errors import ConversionError
from model_store.gguf_tokenizer import write_tokenizer
from model_store.gguf_weights import write_weights
from model_store.json_files import write_json
from model_store.progress import Reporter

# The layout of config.json is that of transformers 4. Naming a version matters: without one, transformers 5 takes
# the tokenizer of a local folder for an old Mistral one and warns of a wrong splitting pattern.
CONFIG_LAYOUT_VERSION = "4.52.4"


def convert_gguf(gguf: Path, target: Path, *, is_tied: bool, reporter: Reporter) -> None:
    """Write weights (bfloat16), configuration and tokenizer of `gguf` into the existing folder `target`.

    is_tied   whether the model shares embedding and output matrix; a GGUF does not say
    Cost      about 40 s and 1.2 GB of memory for half a billion parameters on two cores
    Raises    ConversionError if the file is no Qwen2 model.
    """
    try:
        reader = GGUFReader(gguf)
    except ValueError as error:
        raise ConversionError(f"{gguf} is not a GGUF file: {error}") from error
    fields = {name: field.contents() for name, field in reader.fields.items()}
    if (architecture := fields.get("general.architecture")) != "qwen2":
        raise ConversionError(f"{gguf} holds a '{architecture}' model; only 'qwen2' can be converted")
    if scaled := [name for name in fields if name.startswith("qwen2.rope.scaling")]:
        raise ConversionError(
            f"{gguf} scales its rotary positions ({', '.join(scaled)}), which is not supported"
        )
    write_tokenizer(fields, target)
    write_json(target / "config.json", _config(fields, is_tied=is_tied))
    write_json(target / "generation_config.json", _generation_config(fields))
    write_weights(reader, target / "model.safetensors", is_tied=is_tied, reporter=reporter)


def _config(fields: dict[str, Any], *, is_tied: bool) -> dict[str, object]:
    layers = fields["qwen2.block_count"]
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "hidden_act": "silu",
        "hidden_size": fields["qwen2.embedding_length"],
        "initializer_range": 0.02,
        "intermediate_size": fields["qwen2.feed_forward_length"],
        "max_position_embeddings": fields["qwen2.context_length"],
        "max_window_layers": layers,
        "model_type": "qwen2",
        "num_attention_heads": fields["qwen2.attention.head_count"],
        "num_hidden_layers": layers,
        "num_key_value_heads": fields["qwen2.attention.head_count_kv"],
        "rms_norm_eps": _shortest(fields["qwen2.attention.layer_norm_rms_epsilon"]),
        "rope_theta": _shortest(fields["qwen2.rope.freq_base"]),
        "tie_word_embeddings": is_tied,
        "torch_dtype": "bfloat16",
        "transformers_version": CONFIG_LAYOUT_VERSION,
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
    }


def _generation_config(fields: dict[str, Any]) -> dict[str, object]:
    """Where to stop, and no sampling: the GGUF does not carry the original's sampling settings."""
    end_of_text = fields["tokenizer.ggml.padding_token_id"]
    return {
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "do_sample": False,
        "eos_token_id": [fields["tokenizer.ggml.eos_token_id"], end_of_text],
        "pad_token_id": end_of_text,
        "transformers_version": CONFIG_LAYOUT_VERSION,
    }


def _shortest(value: float) -> float:
    """The number as it was written: GGUF keeps float32, and 1e-06 would come back as 9.99999997e-07."""
    return float(str(np.float32(value)))
