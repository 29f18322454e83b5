from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval_index.embedding import EmbeddedBy
from retrieval_index.terms import terms

FILES = {
    "pkg/tree.py": (
        '"""Trees."""\n\nimport math\nfrom os import path as p\n\n\nclass Tree:\n    """A tree of numbers."""\n\n'
        "    limit = 3\n\n    def insert(self, value):\n        return math.floor(value)\n\n"
        "    def find_smallest(self):\n        return p\n\n\ndef balance(tree):\n    return tree\n"
    ),
    "pkg/http_client.py": "def parse_retry_after(header):\n    '''Seconds to wait.'''\n    return int(header)\n",
    "Main.java": (
        "package a;\nimport java.util.List;\nclass Main {\n  /** Sums. */\n"
        "  int sum(List<Integer> x) { return 0; }\n}\n"
    ),
    "tree.go": 'package a\n\nimport "fmt"\n\n// Insert adds.\nfunc (t *Tree) Insert(v int) { fmt.Println(v) }\n',
}


def write(root: Path, files: dict[str, str]) -> Path:
    """Write files below a folder."""
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return write(tmp_path / "repository", FILES)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


class WordsHashed:
    """A real embedder, if a poor one: words hashed to places of a vector. Counts what it was asked for."""

    def __init__(self, dimension: int = 64, salt: str = "") -> None:
        self.dimension = dimension
        self.salt = salt
        self.id = f"hashed{salt}/{dimension}"
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += texts
        rows = np.full((len(texts), self.dimension), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in terms(text):
                row[hashlib.sha256(f"{self.salt}{word}".encode()).digest()[0] % self.dimension] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def embedder() -> WordsHashed:
    return WordsHashed()


@pytest.fixture
def embedded_by(embedder: WordsHashed) -> EmbeddedBy:
    return EmbeddedBy("hashed", embedder)
