"""The converted checkpoint computes what the original QWen computes."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import Qwen2ForCausalLM

from model_store.errors import ConversionError
from model_store.progress import Reporter
from model_store.qwen_convert import convert_qwen
from model_store.safetensors_file import read_tensors

CONFIG: dict[str, Any] = {
    "architectures": ["QWenLMHeadModel"],
    "auto_map": {"AutoModelForCausalLM": "modeling_qwen.QWenLMHeadModel"},
    "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "kv_channels": 12,
    "intermediate_size": 64, "layer_norm_epsilon": 1e-6, "rotary_emb_base": 10000, "rotary_pct": 1.0,
    "seq_length": 64, "vocab_size": 90, "no_bias": True, "use_logn_attn": False, "use_dynamic_ntk": False,
    "tie_word_embeddings": False, "model_type": "qwen", "fp16": False, "bf16": False,
}  # fmt: skip


class ReferenceQwen:
    """The forward pass of the published modeling_qwen.py, in float32, without cache or dropout."""

    def __init__(self, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        self.config = config
        self.weights = weights

    def logits(self, ids: Tensor) -> Tensor:
        hidden = self.weights["transformer.wte.weight"][ids]
        for layer in range(self.config["num_hidden_layers"]):
            prefix = f"transformer.h.{layer}."
            hidden = hidden + self._attention(self._norm(hidden, f"{prefix}ln_1"), f"{prefix}attn.")
            hidden = hidden + self._mlp(self._norm(hidden, f"{prefix}ln_2"), f"{prefix}mlp.")
        return self._norm(hidden, "transformer.ln_f") @ self.weights["lm_head.weight"].T

    def _norm(self, hidden: Tensor, name: str) -> Tensor:
        variance = hidden.pow(2).mean(-1, keepdim=True)
        return (
            hidden
            * torch.rsqrt(variance + self.config["layer_norm_epsilon"])
            * self.weights[f"{name}.weight"]
        )

    def _mlp(self, hidden: Tensor, prefix: str) -> Tensor:
        a1 = hidden @ self.weights[f"{prefix}w1.weight"].T
        a2 = hidden @ self.weights[f"{prefix}w2.weight"].T
        return (a1 * torch.nn.functional.silu(a2)) @ self.weights[f"{prefix}c_proj.weight"].T

    def _attention(self, hidden: Tensor, prefix: str) -> Tensor:
        batch, length, width = hidden.shape
        heads = self.config["num_attention_heads"]
        mixed = hidden @ self.weights[f"{prefix}c_attn.weight"].T + self.weights[f"{prefix}c_attn.bias"]
        query, key, value = (part.view(batch, length, heads, -1) for part in mixed.split(width, dim=2))
        query, key = self._rotate(query), self._rotate(key)
        scores = torch.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(width // heads)
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        shares = scores.masked_fill(future, float("-inf")).softmax(-1)
        context = torch.einsum("bhqk,bkhd->bqhd", shares, value).reshape(batch, length, width)
        return context @ self.weights[f"{prefix}c_proj.weight"].T

    def _rotate(self, states: Tensor) -> Tensor:
        length, dim = states.shape[1], states.shape[3]
        inverse = 1.0 / self.config["rotary_emb_base"] ** (torch.arange(0, dim, 2).float() / dim)
        angles = torch.outer(torch.arange(length).float(), inverse)
        angles = torch.cat((angles, angles), dim=-1)[None, :, None, :]
        first, second = states.chunk(2, dim=-1)
        return states * angles.cos() + torch.cat((-second, first), dim=-1) * angles.sin()


def random_weights(config: dict[str, Any]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden, inner, vocab = config["hidden_size"], config["intermediate_size"] // 2, config["vocab_size"]
    shapes = {
        "transformer.wte.weight": (vocab, hidden),
        "transformer.ln_f.weight": (hidden,),
        "lm_head.weight": (vocab, hidden),
    }
    for layer in range(config["num_hidden_layers"]):
        prefix = f"transformer.h.{layer}."
        shapes |= {
            f"{prefix}ln_1.weight": (hidden,), f"{prefix}ln_2.weight": (hidden,),
            f"{prefix}attn.c_attn.weight": (3 * hidden, hidden), f"{prefix}attn.c_attn.bias": (3 * hidden,),
            f"{prefix}attn.c_proj.weight": (hidden, hidden), f"{prefix}mlp.w1.weight": (inner, hidden),
            f"{prefix}mlp.w2.weight": (inner, hidden), f"{prefix}mlp.c_proj.weight": (hidden, inner),
        }  # fmt: skip
    return {name: torch.randn(shape, generator=generator) * 0.2 for name, shape in shapes.items()}


def write_checkpoint(folder: Path, num_shards: int = 2, **changes: Any) -> dict[str, Tensor]:
    config = CONFIG | changes
    weights = random_weights(config)
    names = sorted(weights)
    folder.mkdir()
    for shard in range(num_shards):
        part = {name: weights[name] for name in names[shard::num_shards]}
        save_file(part, folder / f"model-{shard + 1:05d}-of-{num_shards:05d}.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return weights


@pytest.fixture
def quiet() -> Reporter:
    return Reporter(show=False)


def test_logits_are_equal(tmp_path: Path, quiet: Reporter) -> None:
    weights = write_checkpoint(tmp_path / "qwen")
    convert_qwen(tmp_path / "qwen", tmp_path / "qwen2", quiet)
    ids = torch.randint(0, CONFIG["vocab_size"], (2, 40), generator=torch.Generator().manual_seed(1))
    model = Qwen2ForCausalLM.from_pretrained(
        tmp_path / "qwen2", dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        torch.testing.assert_close(
            model(ids).logits, ReferenceQwen(CONFIG, weights).logits(ids), atol=1e-5, rtol=1e-5
        )


def test_every_weight_is_carried_over_once(tmp_path: Path, quiet: Reporter) -> None:
    weights = write_checkpoint(tmp_path / "qwen", num_shards=3)
    convert_qwen(tmp_path / "qwen", tmp_path / "qwen2", quiet)
    index = json.loads((tmp_path / "qwen2/model.safetensors.index.json").read_text())["weight_map"]
    stored = {name for shard in (tmp_path / "qwen2").glob("*.safetensors") for name in read_tensors(shard)}
    assert stored == set(index)
    converted = {name: load_file(tmp_path / "qwen2" / shard)[name] for name, shard in index.items()}
    assert sum(tensor.numel() for tensor in converted.values()) == sum(
        tensor.numel() for tensor in weights.values()
    )
    fused = weights["transformer.h.1.attn.c_attn.bias"]
    parts = [converted[f"model.layers.1.self_attn.{letter}_proj.bias"] for letter in "qkv"]
    assert torch.equal(torch.cat(parts), fused)


def test_remote_code_is_not_carried_over(tmp_path: Path, quiet: Reporter) -> None:
    write_checkpoint(tmp_path / "qwen")
    convert_qwen(tmp_path / "qwen", tmp_path / "qwen2", quiet)
    config = json.loads((tmp_path / "qwen2/config.json").read_text())
    assert "auto_map" not in config
    assert config["architectures"] == ["Qwen2ForCausalLM"]
    assert config["intermediate_size"] == CONFIG["intermediate_size"] // 2


@pytest.mark.parametrize("feature", ["use_logn_attn", "use_dynamic_ntk"])
def test_lost_features_are_told(tmp_path: Path, feature: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(tmp_path / "qwen", **{feature: True})
    convert_qwen(tmp_path / "qwen", tmp_path / "qwen2", Reporter(show=True))
    assert f"({feature})" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["LlamaForCausalLM"]}, "QWenLMHeadModel"),
        ({"kv_channels": 16}, "wide"),
        ({"rotary_pct": 0.5}, "rotary_pct"),
        ({"no_bias": False}, "biases"),
    ],
)
def test_what_qwen2_cannot_express_is_refused(
    tmp_path: Path, quiet: Reporter, changes: dict[str, Any], message: str
) -> None:
    write_checkpoint(tmp_path / "qwen", **changes)
    with pytest.raises(ConversionError, match=message):
        convert_qwen(tmp_path / "qwen", tmp_path / "qwen2", quiet)
    assert not (tmp_path / "qwen2").exists()


def test_an_unknown_tensor_is_refused(tmp_path: Path, quiet: Reporter) -> None:
    write_checkpoint(tmp_path / "qwen")
    save_file({"transformer.h.0.mlp.extra.weight": torch.zeros(2)}, tmp_path / "qwen/model-extra.safetensors")
    with pytest.raises(ConversionError, match=r"mlp\.extra"):
        convert_qwen(tmp_path / "qwen", tmp_path / "qwen2", quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["qwen"], "nothing half made is left"


def test_pickled_weights_are_not_read(tmp_path: Path, quiet: Reporter) -> None:
    write_checkpoint(tmp_path / "qwen", num_shards=1)
    (tmp_path / "qwen/model-00001-of-00001.safetensors").rename(tmp_path / "qwen/pytorch_model.bin")
    with pytest.raises(ConversionError, match="pickled"):
        convert_qwen(tmp_path / "qwen", tmp_path / "qwen2", quiet)
