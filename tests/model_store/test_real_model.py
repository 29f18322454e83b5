"""The model in the cache is a code model: it scores and continues code sensibly."""

import gc
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from model_store import find_model, load_catalog, verify_model
from model_store.safetensors_file import read_tensors
from model_store.shape import check_shape, count_tokens

MODEL_ID = "qwen2.5-coder-0.5b-instruct"
SNIPPET = (
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return fibonacci(n - 1) + fibonacci(n - 2)\n"
)

pytestmark = [pytest.mark.model, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder() -> Path:
    found = find_model(MODEL_ID)
    if found is None:
        pytest.skip(f"run `python -m model_store fetch {MODEL_ID}` first")
    return found


@pytest.fixture(scope="module")
def model(folder: Path) -> Generator[Any]:
    yield Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    gc.collect()


def test_it_is_what_its_manifest_says(folder: Path) -> None:
    manifest = verify_model(folder, deep=True)
    check_shape(folder, load_catalog()[MODEL_ID])
    assert manifest.id == MODEL_ID
    assert count_tokens(folder) == 151_665


def test_its_tensors_are_those_of_qwen2(folder: Path) -> None:
    with torch.device("meta"):
        expected = Qwen2ForCausalLM(Qwen2Config.from_pretrained(folder)).state_dict()
    stored = {
        name: tensor.shape
        for shard in folder.glob("*.safetensors")
        for name, tensor in read_tensors(shard).items()
    }
    assert stored == {
        name: tuple(weight.shape) for name, weight in expected.items() if name != "lm_head.weight"
    }


def test_code_is_likely(folder: Path, model: Any) -> None:
    ids = AutoTokenizer.from_pretrained(folder)(SNIPPET, return_tensors="pt").input_ids
    with torch.no_grad():
        assert model(ids, labels=ids).loss.item() < 1.5


def test_it_adds(folder: Path, model: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("def add(a, b):", return_tensors="pt").input_ids
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
    assert tokenizer.decode(out[0, ids.shape[1] :]).strip().startswith("return a + b")
