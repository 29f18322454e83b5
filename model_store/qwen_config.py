"""The configuration of an original QWen checkpoint as that of a Qwen2 model."""

from collections.abc import Mapping
from typing import Any

from model_store.errors import ConversionError

END_OF_TEXT, IM_END = 151643, 151645


def convert_config(original: Mapping[str, Any]) -> dict[str, object]:
    """Translate the fields of `QWenLMHeadModel`'s config.json to `Qwen2ForCausalLM`'s.

    Raises   ConversionError for another architecture, or for a variant that Qwen2 cannot express.
    """
    if original.get("architectures") != ["QWenLMHeadModel"]:
        raise ConversionError(f"expected architecture QWenLMHeadModel, found {original.get('architectures')}")
    _refuse_variants(original)
    heads = original["num_attention_heads"]
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": END_OF_TEXT,
        "eos_token_id": IM_END,
        "hidden_act": "silu",
        "hidden_size": original["hidden_size"],
        "initializer_range": original.get("initializer_range", 0.02),
        # QWen counts w1 and w2 as one matrix of twice the width.
        "intermediate_size": original["intermediate_size"] // 2,
        "max_position_embeddings": original["seq_length"],
        "max_window_layers": original["num_hidden_layers"],
        "model_type": "qwen2",
        "num_attention_heads": heads,
        "num_hidden_layers": original["num_hidden_layers"],
        "num_key_value_heads": heads,
        "rms_norm_eps": original["layer_norm_epsilon"],
        "rope_theta": float(original.get("rotary_emb_base", 10000)),
        "tie_word_embeddings": bool(original.get("tie_word_embeddings", False)),
        "torch_dtype": _dtype(original),
        "transformers_version": "4.52.4",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": original["vocab_size"],
    }


def _refuse_variants(original: Mapping[str, Any]) -> None:
    width = original["kv_channels"] * original["num_attention_heads"]
    if width != original["hidden_size"]:
        raise ConversionError(
            f"heads are {width} wide together, the residual stream {original['hidden_size']}"
        )
    if original.get("rotary_pct", 1.0) != 1.0:
        raise ConversionError(f"rotary_pct is {original['rotary_pct']}; Qwen2 rotates every channel")
    if not original.get("no_bias", True):
        raise ConversionError("no_bias is false; Qwen2 has no biases but those of q, k and v")


def _dtype(original: Mapping[str, Any]) -> str:
    if original.get("bf16"):
        return "bfloat16"
    if original.get("fp16"):
        return "float16"
    return str(original.get("torch_dtype") or "float32")


def generation_config() -> dict[str, object]:
    """Where generation stops, for a chat and for a base model alike."""
    return {
        "bos_token_id": END_OF_TEXT,
        "eos_token_id": [IM_END, END_OF_TEXT],
        "pad_token_id": END_OF_TEXT,
        "transformers_version": "4.52.4",
    }


def lost_features(original: Mapping[str, Any]) -> list[str]:
    """What the original does beyond its training length and Qwen2 does not, one sentence each.

    Up to `seq_length` tokens both compute the same: log-n scaling and dynamic NTK are the identity there.
    """
    trained = original["seq_length"]
    lost = {
        "use_logn_attn": "scales attention by the logarithm of the position (use_logn_attn)",
        "use_dynamic_ntk": "stretches its rotary base with the length (use_dynamic_ntk)",
    }
    return [
        f"beyond {trained} tokens the original {effect}; the converted model does not: keep prompts and outputs "
        f"within {trained} tokens (max_position_embeddings is set so)"
        for flag, effect in lost.items()
        if original.get(flag)
    ]
