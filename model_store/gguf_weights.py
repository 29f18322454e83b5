"""The tensors of a Qwen2 GGUF file as one bfloat16 safetensors file, a few rows at a time.

Peak memory is the mapped file plus some tens of megabytes: an embedding of 151936 x 1536, dequantised whole,
would take 0.9 GB and its temporaries several times that.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize, quantize

from model_store.errors import ConversionError
from model_store.progress import Reporter
from model_store.safetensors_file import TensorSpec, write_safetensors

BLOCK_ELEMENTS = 1 << 21
EMBEDDING, OUTPUT = "token_embd.weight", "output.weight"
TOP_LEVEL = {
    EMBEDDING: "model.embed_tokens.weight",
    OUTPUT: "lm_head.weight",
    "output_norm.weight": "model.norm.weight",
}
IN_LAYER = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def write_weights(reader: GGUFReader, target: Path, *, is_tied: bool, reporter: Reporter) -> None:
    """Dequantise every tensor to bfloat16 and write `target`.

    is_tied   the model shares one matrix between embedding and output. A GGUF may still carry both, in
              different precision: the output's is the finer one (Q8_0 against Q5_0), so it is the one kept.
    Raises    ConversionError for a tensor that Qwen2 does not have.
    """
    tensors = _kept(reader.tensors, is_tied=is_tied)
    specs = [TensorSpec(_name(tensor.name, is_tied=is_tied), "BF16", _shape(tensor)) for tensor in tensors]
    with reporter.bar("dequantise", sum(spec.num_bytes for spec in specs)) as advance:

        def blocks() -> Iterator[bytes]:
            for tensor in tensors:
                for block in _bfloat16_blocks(tensor):
                    yield block
                    advance(len(block))

        write_safetensors(target, specs, blocks())


def _kept(tensors: Sequence[Any], *, is_tied: bool) -> list[Any]:
    has_output = any(tensor.name == OUTPUT for tensor in tensors)
    dropped = EMBEDDING if is_tied and has_output else None
    return [tensor for tensor in tensors if tensor.name != dropped]


def _name(gguf_name: str, *, is_tied: bool) -> str:
    """The tensor's name in a `Qwen2ForCausalLM` checkpoint."""
    if gguf_name == OUTPUT and is_tied:
        return TOP_LEVEL[EMBEDDING]
    if gguf_name in TOP_LEVEL:
        return TOP_LEVEL[gguf_name]
    match gguf_name.split("."):
        case ["blk", layer, part, ("weight" | "bias") as kind] if part in IN_LAYER and layer.isdecimal():
            return f"model.layers.{layer}.{IN_LAYER[part]}.{kind}"
        case _:
            raise ConversionError(f"GGUF tensor '{gguf_name}' has no counterpart in Qwen2ForCausalLM")


def _shape(tensor: Any) -> tuple[int, ...]:
    # GGUF lists the fastest-varying dimension first, safetensors last.
    return tuple(int(length) for length in reversed(tensor.shape))


def _bfloat16_blocks(tensor: Any) -> Iterator[bytes]:
    """The tensor's bfloat16 bytes, in blocks of whole rows."""
    rows = np.atleast_2d(tensor.data)
    step = max(1, BLOCK_ELEMENTS // _shape(tensor)[-1])
    for start in range(0, len(rows), step):
        floats = dequantize(rows[start : start + step], tensor.tensor_type)
        halves = quantize(np.ascontiguousarray(floats), GGMLQuantizationType.BF16)
        yield halves.tobytes()
