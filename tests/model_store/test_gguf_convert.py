"""The converted folder is the model the GGUF holds."""

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf.quants import dequantize
from safetensors.torch import load_file
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from model_store.errors import ConversionError
from model_store.gguf_convert import convert_gguf
from model_store.gguf_tokenizer import SPLIT_PATTERN
from model_store.progress import Reporter


@pytest.fixture(scope="module")
def converted(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted")
    convert_gguf(tiny_gguf, folder, is_tied=True, reporter=Reporter(show=False))
    return folder


@pytest.mark.parametrize("is_tied", [True, False])
def test_names_and_shapes_are_those_of_qwen2(tiny_gguf: Path, tmp_path: Path, is_tied: bool) -> None:
    convert_gguf(tiny_gguf, tmp_path, is_tied=is_tied, reporter=Reporter(show=False))
    with torch.device("meta"):
        model = Qwen2ForCausalLM(Qwen2Config.from_pretrained(tmp_path))
    expected = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    if is_tied:
        del expected["lm_head.weight"]
    stored = load_file(tmp_path / "model.safetensors")
    assert {name: tuple(weight.shape) for name, weight in stored.items()} == expected


@pytest.mark.parametrize(
    ("gguf_name", "name"),
    [
        ("output.weight", "model.embed_tokens.weight"),
        ("blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight"),
        ("blk.1.attn_q.weight", "model.layers.1.self_attn.q_proj.weight"),
        ("blk.1.attn_k.weight", "model.layers.1.self_attn.k_proj.weight"),
        ("blk.0.attn_v.weight", "model.layers.0.self_attn.v_proj.weight"),
        ("blk.0.attn_output.weight", "model.layers.0.self_attn.o_proj.weight"),
        ("blk.1.ffn_gate.weight", "model.layers.1.mlp.gate_proj.weight"),
        ("blk.1.ffn_down.weight", "model.layers.1.mlp.down_proj.weight"),
    ],
)
def test_values_are_the_dequantised_ones_in_bfloat16(
    tiny_gguf: Path, converted: Path, gguf_name: str, name: str
) -> None:
    tensor = next(tensor for tensor in gguf.GGUFReader(tiny_gguf).tensors if tensor.name == gguf_name)
    expected = torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type))).to(torch.bfloat16)
    assert torch.equal(load_file(converted / "model.safetensors")[name], expected)


def test_a_block_of_rows_is_dequantised_like_the_whole(
    tiny_gguf: Path, converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_store.gguf_weights.BLOCK_ELEMENTS", 1000)
    convert_gguf(tiny_gguf, tmp_path, is_tied=True, reporter=Reporter(show=False))
    assert (tmp_path / "model.safetensors").read_bytes() == (converted / "model.safetensors").read_bytes()


def test_transformers_loads_the_folder_and_its_tokenizer(
    converted: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Qwen2ForCausalLM.from_pretrained(converted, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(converted)
    ids = tokenizer("def", return_tensors="pt").input_ids
    assert ids.tolist() == [[257]]
    assert torch.isfinite(model(ids).logits).all()
    assert model.config.rms_norm_eps == 1e-6
    assert "regex" not in caplog.text


def test_tokenizer_is_like_the_original(converted: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(converted)
    assert len(tokenizer) == 262, "padding up to the matrix width is no token"
    assert str(tokenizer.backend_tokenizer.normalizer) == "NFC()"
    assert tokenizer.encode("e\u0301") == tokenizer.encode("\u00e9")
    assert tokenizer.encode("<|fim_pad|><|im_end|>") == [261, 259]
    # Qwen's fill-in-the-middle markers are ordinary added tokens; only the chat markers are special.
    assert tokenizer.decode([261, 260, 259], skip_special_tokens=True) == "<|fim_pad|><tool_call>"
    assert tokenizer.eos_token == "<|im_end|>"
    assert (
        tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False) == "hi<|im_end|>"
    )


def test_split_pattern_is_that_of_transformers() -> None:
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    assert SPLIT_PATTERN == PRETOKENIZE_REGEX


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "llama.gguf", "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ConversionError, match="'llama'"):
        convert_gguf(tmp_path / "llama.gguf", tmp_path, is_tied=True, reporter=Reporter(show=False))


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"not a model at all, but long enough to be read as a header")
    with pytest.raises(ConversionError, match="not a GGUF"):
        convert_gguf(tmp_path / "x.gguf", tmp_path, is_tied=True, reporter=Reporter(show=False))
