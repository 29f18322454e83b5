"""A tiny model, as GGUF, as a folder, in wheels and on a hub, with its catalog entry."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np
import pytest
from tokenizers import pre_tokenizers

from model_store.cache import ModelCache
from model_store.catalog import HubSource, ModelEntry, PackageIndexSource, Source, WheelPart
from model_store.fetch import Fetcher
from model_store.progress import Reporter
from model_store.safetensors_file import TensorSpec, write_safetensors

HIDDEN, INTER, LAYERS, HEADS, KV_HEADS, HEAD_DIM = 256, 512, 2, 4, 2, 64
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
ADDED = [
    ("<|endoftext|>", CONTROL),
    ("<|im_end|>", CONTROL),
    ("<tool_call>", USER_DEFINED),
    ("<|fim_pad|>", CONTROL),
]
PADDING = [(f"[PAD{index}]", UNUSED) for index in range(262, 264)]
TOKENS = (
    [(symbol, NORMAL) for symbol in [*sorted(pre_tokenizers.ByteLevel.alphabet()), "de", "def"]]
    + ADDED
    + PADDING
)
NUM_TOKENS = 256 + 2 + len(ADDED)
REVISION = "0123456789abcdef0123456789abcdef01234567"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_entry(*sources: Source, model_id: str = "tiny") -> ModelEntry:
    return ModelEntry(
        id=model_id, architecture="Qwen2ForCausalLM", parameters=1, layers=LAYERS, hidden_size=HIDDEN,
        kv_heads=KV_HEADS, head_dim=HEAD_DIM, vocab_size=len(TOKENS), num_tokens=NUM_TOKENS, context_length=128,
        tied_embeddings=True, licence="Apache-2.0", size_bytes=4_000_000, sources=sources,
    )  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(tmp_path / "cache")


@pytest.fixture
def fetcher(cache: ModelCache) -> Fetcher:
    """A fetcher whose hub refuses every connection."""
    return Fetcher(cache, Reporter(show=True), endpoint="http://127.0.0.1:9")


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 GGUF of two layers with the quantised types of the real ones."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "qwen2")
    _add_metadata(writer)
    random = np.random.default_rng(0)
    for name, shape, kind in _tensors():
        data = quantised(random, shape, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_metadata(writer: gguf.GGUFWriter) -> None:
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INTER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([token for token, _ in TOKENS])
    writer.add_token_types([kind for _, kind in TOKENS])
    writer.add_token_merges(["d e", "de f"])
    writer.add_bos_token_id(258)
    writer.add_eos_token_id(259)
    writer.add_pad_token_id(258)
    writer.add_chat_template("{% for m in messages %}{{ m['content'] }}<|im_end|>{% endfor %}")


def _tensors() -> list[tuple[str, tuple[int, ...], gguf.GGMLQuantizationType]]:
    kinds = gguf.GGMLQuantizationType
    tensors: list[tuple[str, tuple[int, ...], gguf.GGMLQuantizationType]] = [
        ("token_embd.weight", (len(TOKENS), HIDDEN), kinds.Q5_0),
        ("output.weight", (len(TOKENS), HIDDEN), kinds.Q8_0),
        ("output_norm.weight", (HIDDEN,), kinds.F32),
    ]
    for layer in range(LAYERS):
        tensors += [
            (f"blk.{layer}.attn_norm.weight", (HIDDEN,), kinds.F32),
            (f"blk.{layer}.ffn_norm.weight", (HIDDEN,), kinds.F32),
            (f"blk.{layer}.attn_q.weight", (HEADS * HEAD_DIM, HIDDEN), kinds.Q5_0),
            (f"blk.{layer}.attn_q.bias", (HEADS * HEAD_DIM,), kinds.F32),
            (f"blk.{layer}.attn_k.weight", (KV_HEADS * HEAD_DIM, HIDDEN), kinds.F16),
            (f"blk.{layer}.attn_k.bias", (KV_HEADS * HEAD_DIM,), kinds.F32),
            (f"blk.{layer}.attn_v.weight", (KV_HEADS * HEAD_DIM, HIDDEN), kinds.Q8_0),
            (f"blk.{layer}.attn_v.bias", (KV_HEADS * HEAD_DIM,), kinds.F32),
            (f"blk.{layer}.attn_output.weight", (HIDDEN, HEADS * HEAD_DIM), kinds.Q4_0),
            (f"blk.{layer}.ffn_gate.weight", (INTER, HIDDEN), kinds.Q4_K),
            (f"blk.{layer}.ffn_up.weight", (INTER, HIDDEN), kinds.Q5_0),
            (f"blk.{layer}.ffn_down.weight", (HIDDEN, INTER), kinds.Q6_K),
        ]
    return tensors


def quantised(
    random: np.random.Generator, shape: tuple[int, ...], kind: gguf.GGMLQuantizationType
) -> np.ndarray:
    """Random values in the given type; for the K types, which gguf cannot quantise to, random valid blocks."""
    values = random.normal(0, 0.05, shape).astype(np.float32)
    if kind not in (gguf.GGMLQuantizationType.Q4_K, gguf.GGMLQuantizationType.Q6_K):
        return gguf.quants.quantize(values, kind)
    elements, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (shape[0], shape[1] // elements, block_bytes), dtype=np.uint8)
    scale = np.frombuffer(np.float16(0.001).tobytes(), dtype=np.uint8)
    if kind == gguf.GGMLQuantizationType.Q6_K:
        blocks[..., -2:] = scale
    else:
        blocks[..., 0:2] = blocks[..., 2:4] = scale
    return blocks.reshape(shape[0], -1)


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    """A folder that passes `verify_model` and `check_shape`, with weights of a few bytes."""
    folder = tmp_path / "tiny-model"
    folder.mkdir()
    config = {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "num_hidden_layers": LAYERS,
        "hidden_size": HIDDEN, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "vocab_size": len(TOKENS),
    }  # fmt: skip
    vocabulary = {f"t{index}": index for index in range(NUM_TOKENS)}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}, "added_tokens": []}))
    write_safetensors(folder / "model.safetensors", [TensorSpec("w", "F32", (64,))], [bytes(range(256))])
    return folder


@dataclass
class WheelIndex:
    """Wheels that carry `payload` in slices, in a folder that pip is pointed at."""

    folder: Path
    payload: bytes
    parts: list[WheelPart] = field(default_factory=list[WheelPart])

    def wheel(self, number: int) -> Path:
        return next(self.folder.glob(f"tiny_part{number}-*.whl"))

    def source(self, **changes: object) -> PackageIndexSource:
        source = PackageIndexSource(
            kind="package-index", quality="tiny", gguf_sha256=sha256(self.payload), parts=tuple(self.parts)
        )
        return source.model_copy(update=changes)


@pytest.fixture
def make_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, int], WheelIndex]:
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")

    def make(payload: bytes, num_parts: int) -> WheelIndex:
        index = WheelIndex(folder, payload)
        step = -(-len(payload) // num_parts)
        for number in range(1, num_parts + 1):
            index.parts.append(_write_wheel(folder, number, payload[(number - 1) * step : number * step]))
        return index

    return make


def _write_wheel(folder: Path, number: int, data: bytes) -> WheelPart:
    name, member = f"tiny_part{number}", f"tiny_part{number}/data/part{number:02d}.bin"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(member, data)
        info = f"{name}-1.0.dist-info"
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return WheelPart(
        requirement=f"tiny-part{number}==1.0", wheel_bytes=path.stat().st_size, wheel_sha256=sha256(path.read_bytes()),
        member=member, member_bytes=len(data), member_sha256=sha256(data),
    )  # fmt: skip


def hub_source(files: tuple[str, ...], **changes: object) -> HubSource:
    return HubSource(kind="hub", repo="Tiny/Model", revision=REVISION, files=files).model_copy(update=changes)
