"""What is read out of a model's config.json agrees with the catalog, and what its weights and KV cache take."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model_store import load_catalog
from service.errors import ConfigurationError
from service.model_shape import ModelShape

CATALOG = load_catalog()
LARGE = ModelShape.from_entry(CATALOG["qwen2.5-72b-instruct"])

CONFIGS: dict[str, dict[str, Any]] = {
    "qwen2.5-coder-0.5b-instruct": {
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
    "qwen2.5-72b-instruct": {
        "hidden_size": 8192,
        "intermediate_size": 29568,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "vocab_size": 152064,
        "tie_word_embeddings": False,
    },
}


def _folder(path: Path, **config: Any) -> Path:
    fields = {"architectures": ["Qwen2ForCausalLM"], "max_position_embeddings": 32768, **config}
    (path / "config.json").write_text(json.dumps(fields))
    return path


@pytest.mark.parametrize("name", CONFIGS)
def test_a_folder_and_the_catalog_give_the_same_shape(tmp_path: Path, name: str) -> None:
    shape = ModelShape.from_folder(_folder(tmp_path, **CONFIGS[name]))
    assert replace(shape, name=name) == ModelShape.from_entry(CATALOG[name])


def test_weights_are_counted_as_the_catalog_measured_them() -> None:
    for name, entry in CATALOG.items():
        assert ModelShape.from_entry(entry).weights("bfloat16") == entry.size_bytes, name


def test_quantised_weights_are_counted_as_they_lie_on_disk(tmp_path: Path) -> None:
    config = CONFIGS["qwen2.5-coder-0.5b-instruct"] | {"quantization_config": {"quant_method": "awq"}}
    (_folder(tmp_path, **config) / "model.safetensors").write_bytes(b"x" * 1000)
    shape = ModelShape.from_folder(tmp_path)
    assert (shape.quantization, shape.weights("bfloat16")) == ("awq", 1000)


def test_yarn_lengthens_the_context(tmp_path: Path) -> None:
    yarn = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    config = CONFIGS["qwen2.5-coder-0.5b-instruct"] | {"rope_scaling": yarn}
    assert ModelShape.from_folder(_folder(tmp_path, **config)).context_length == 131072


@pytest.mark.parametrize("text", [None, "not json", "[]", "{}", '{"architectures": []}'])
def test_an_unreadable_configuration_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"config\.json"):
        ModelShape.from_folder(tmp_path)


@pytest.mark.parametrize(("tp", "pp"), [(1, 1), (2, 1), (8, 1), (4, 2), (1, 4)])
def test_the_devices_together_hold_the_model(tp: int, pp: int) -> None:
    matrix = LARGE.vocab_size * LARGE.hidden_size * 2
    together = tp * pp * LARGE.weights_per_device("bfloat16", tp, pp)
    # Pipeline stages between the first and the last hold no embedding, but are counted as the fullest.
    extra = (pp - 2) * matrix if pp > 1 else 0
    assert together == pytest.approx(LARGE.weights("bfloat16") + extra, rel=1e-6)


@pytest.mark.parametrize(("tp", "pp", "kib"), [(1, 1, 320), (4, 1, 80), (8, 1, 40), (16, 1, 40), (4, 2, 40)])
def test_kv_heads_are_shared_and_when_too_few_copied(tp: int, pp: int, kib: int) -> None:
    assert LARGE.kv_bytes_per_token("bfloat16", tp, pp) == kib * 1024
