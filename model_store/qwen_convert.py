"""An original QWen checkpoint (`QWenLMHeadModel`, 1.8 to 72 billion) as a `Qwen2ForCausalLM` folder.

The two compute the same function; only names differ, and three stacked matrices:

    transformer.wte                 model.embed_tokens
    transformer.h.N.ln_1            model.layers.N.input_layernorm
    transformer.h.N.attn.c_attn     model.layers.N.self_attn.{q,k,v}_proj    rows q | k | v, weight and bias
    transformer.h.N.attn.c_proj     model.layers.N.self_attn.o_proj
    transformer.h.N.ln_2            model.layers.N.post_attention_layernorm
    transformer.h.N.mlp.w1          model.layers.N.mlp.up_proj
    transformer.h.N.mlp.w2          model.layers.N.mlp.gate_proj             the one that goes through silu
    transformer.h.N.mlp.c_proj      model.layers.N.mlp.down_proj
    transformer.ln_f                model.norm
    lm_head                         lm_head

Rows are contiguous, so each new tensor is a range of bytes of the old file: shards are copied, never loaded.
"""

import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from model_store.cache import ModelCache
from model_store.digests import blocks_of
from model_store.errors import ConversionError
from model_store.json_files import read_json, write_json
from model_store.progress import Advance, Reporter
from model_store.qwen_config import convert_config, generation_config, lost_features
from model_store.safetensors_file import (
    SafetensorsFormatError,
    StoredTensor,
    TensorSpec,
    read_tensors,
    write_safetensors,
)
from model_store.verify import WEIGHTS_INDEX

TOP_LEVEL = {
    "transformer.wte.weight": "model.embed_tokens.weight",
    "transformer.ln_f.weight": "model.norm.weight",
    "lm_head.weight": "lm_head.weight",
}
IN_LAYER = {
    "ln_1": "input_layernorm",
    "attn.c_proj": "self_attn.o_proj",
    "ln_2": "post_attention_layernorm",
    "mlp.w1": "mlp.up_proj",
    "mlp.w2": "mlp.gate_proj",
    "mlp.c_proj": "mlp.down_proj",
}
STACKED = "attn.c_attn"
# Buffers that modeling_qwen.py computes itself and some checkpoints store.
COMPUTED = (".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias")
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)


@dataclass(frozen=True)
class Piece:
    """A tensor of the new checkpoint and where its bytes are in an old shard."""

    spec: TensorSpec
    offset: int


def convert_qwen(source: Path, target: Path, reporter: Reporter) -> None:
    """Write the Qwen2 form of the checkpoint folder `source` into the new folder `target`.

    Memory   a few megabytes, whatever the model's size; needs as much disk as the source
    Raises   ConversionError for another architecture, pickled weights or a tensor without counterpart;
             DiskSpaceError before anything is written.
    """
    original = read_json(source, "config.json")
    config = convert_config(original)
    shards = sorted(source.glob("*.safetensors"))
    if not shards:
        raise ConversionError(f"{source} has no .safetensors files; pickled weights (.bin) are not read")
    if target.exists():
        raise ConversionError(f"{target} exists already; give the name of a new folder")
    total = sum(shard.stat().st_size for shard in shards)
    ModelCache(target.parent).require_space(total)
    for warning in lost_features(original):
        reporter.say(f"warning: {warning}")
    with _built_aside(target) as build:
        _convert_shards(shards, build, total, reporter)
        write_json(build / "config.json", config)
        write_json(build / "generation_config.json", generation_config())
        _copy_tokenizer(source, build, reporter)


@contextmanager
def _built_aside(target: Path) -> Generator[Path]:
    """A folder beside `target` that takes its place at the end, or goes if there was an error."""
    build = target.with_name(f".{target.name}.partial")
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    try:
        yield build
        build.rename(target)
    finally:
        shutil.rmtree(build, ignore_errors=True)


def _convert_shards(shards: list[Path], target: Path, total: int, reporter: Reporter) -> None:
    with reporter.bar("convert", total) as advance:
        weight_map = {name: shard.name for shard in shards for name in _convert_shard(shard, target, advance)}
    if len(shards) > 1:
        write_json(target / WEIGHTS_INDEX, {"metadata": {"total_size": total}, "weight_map": weight_map})


def _convert_shard(shard: Path, target: Path, advance: Advance) -> list[str]:
    """Write the shard's Qwen2 form under the same name; return the names of its tensors."""
    try:
        stored = read_tensors(shard).values()
    except SafetensorsFormatError as error:
        raise ConversionError(str(error)) from error
    pieces = [piece for tensor in stored for piece in _pieces(tensor)]
    write_safetensors(
        target / shard.name, [piece.spec for piece in pieces], _bytes_of(shard, pieces, advance)
    )
    return [piece.spec.name for piece in pieces]


def _bytes_of(shard: Path, pieces: list[Piece], advance: Advance) -> Iterator[bytes]:
    with shard.open("rb") as file:
        for piece in pieces:
            file.seek(piece.offset)
            for block in blocks_of(file, piece.spec.num_bytes):
                yield block
                advance(len(block))


def _pieces(tensor: StoredTensor) -> list[Piece]:
    """The tensors of the new checkpoint that this old one becomes: none, one, or q, k and v."""
    if tensor.name.endswith(COMPUTED) and "c_attn" not in tensor.name:
        return []
    if tensor.name in TOP_LEVEL:
        return [_renamed(tensor, TOP_LEVEL[tensor.name])]
    layer, part, kind = _parsed(tensor.name)
    prefix = f"model.layers.{layer}."
    if part == STACKED:
        return _split(tensor, [f"{prefix}self_attn.{letter}_proj.{kind}" for letter in "qkv"])
    if part in IN_LAYER and kind == "weight":
        return [_renamed(tensor, f"{prefix}{IN_LAYER[part]}.weight")]
    raise ConversionError(f"tensor '{tensor.name}' has no counterpart in Qwen2ForCausalLM")


def _parsed(name: str) -> tuple[str, str, str]:
    """Split 'transformer.h.7.attn.c_attn.bias' into '7', 'attn.c_attn', 'bias'."""
    match name.split("."):
        case ["transformer", "h", layer, *part, ("weight" | "bias") as kind] if layer.isdecimal():
            return layer, ".".join(part), kind
        case _:
            raise ConversionError(f"tensor '{name}' is not one of a QWen checkpoint")


def _renamed(tensor: StoredTensor, name: str) -> Piece:
    return Piece(TensorSpec(name, tensor.dtype, tensor.shape), tensor.offset)


def _split(tensor: StoredTensor, names: list[str]) -> list[Piece]:
    rows, remainder = divmod(tensor.shape[0], len(names))
    if remainder:
        raise ConversionError(f"tensor '{tensor.name}' has {tensor.shape[0]} rows, not three equal parts")
    specs = [TensorSpec(name, tensor.dtype, (rows, *tensor.shape[1:])) for name in names]
    return [Piece(spec, tensor.offset + index * spec.num_bytes) for index, spec in enumerate(specs)]


def _copy_tokenizer(source: Path, target: Path, reporter: Reporter) -> None:
    present = [name for name in TOKENIZER_FILES if (source / name).is_file()]
    for name in present:
        shutil.copyfile(source / name, target / name)
    if "tokenizer.json" not in present:
        # The original carries qwen.tiktoken and its own Python code, which are not run.
        reporter.say(
            f"warning: {source} has no tokenizer.json. Copy tokenizer.json and tokenizer_config.json of a Qwen2 "
            f"model into the new folder: the first 151643 tokens and the chat markers are the same."
        )
