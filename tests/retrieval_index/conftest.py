from __future__ import annotations

from pathlib import Path

import pytest

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
