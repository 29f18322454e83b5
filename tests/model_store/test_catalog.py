"""The table of models holds what it says, and nothing that fetches unverified."""

from pathlib import Path

import pytest

from model_store.catalog import HubSource, PackageIndexSource, load_catalog
from model_store.errors import CatalogError

VALID = """
[models.x]
architecture = "Qwen2ForCausalLM"
parameters = 1
layers = 1
hidden_size = 1
kv_heads = 1
head_dim = 1
vocab_size = 1
num_tokens = 1
context_length = 1
tied_embeddings = true
licence = "Apache-2.0"
size_bytes = 1
sources = []
"""


def test_the_known_models() -> None:
    assert list(load_catalog()) == [
        "qwen2.5-coder-0.5b-instruct",
        "qwen2.5-coder-1.5b-instruct",
        "qwen2.5-coder-7b-instruct",
        "qwen2.5-coder-14b-instruct",
        "qwen2.5-coder-32b-instruct",
        "qwen2.5-72b-instruct",
    ]


@pytest.mark.parametrize("model_id", list(load_catalog()))
def test_every_source_is_pinned(model_id: str) -> None:
    entry = load_catalog()[model_id]
    assert entry.sources[0].kind == "hub", "the original comes first"
    for source in entry.sources:
        if isinstance(source, HubSource):
            assert source.revision is not None
        else:
            assert source.gguf_bytes == sum(part.member_bytes for part in source.parts)
            assert len({part.wheel_sha256 for part in source.parts}) == len(source.parts)


def test_only_the_72b_is_not_apache() -> None:
    assert {id_ for id_, entry in load_catalog().items() if entry.licence != "Apache-2.0"} == {
        "qwen2.5-72b-instruct"
    }


def test_gguf_sizes() -> None:
    sizes = [
        source.gguf_bytes
        for entry in load_catalog().values()
        for source in entry.sources
        if isinstance(source, PackageIndexSource)
    ]
    assert sizes == [491_400_064, 1_117_320_768]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("layers = 1\n", ""),
        ("layers = 1\n", "layers = 1\nnonsense = 2\n"),
        ("[models.x]", "[models.x"),
        ("[models.x]", "[model.x]"),
        ("sources = []", 'sources = [{kind = "hub", repo = "a/b", files = [], revision = "main"}]'),
        ("sources = []", 'sources = [{kind = "torrent"}]'),
    ],
)
def test_a_table_with_a_mistake_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "models.toml"
    path.write_text(VALID)
    assert list(load_catalog(path)) == ["x"]
    path.write_text(VALID.replace(old, new))
    with pytest.raises(CatalogError, match=r"models\.toml"):
        load_catalog(path)
