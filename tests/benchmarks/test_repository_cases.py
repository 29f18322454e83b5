"""Lines that are cut out of packages: what is asked for can be known from the files that are left."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import evaluation
from benchmarks.errors import BenchmarkError
from benchmarks.exemplars import words_in_a_row, write_exemplars
from benchmarks.repository_cases import cut_cases
from benchmarks.repository_completion import edit_similarity

HELPERS = "def parse_size(text):\n    return int(text)\n\n\ndef unused():\n    pass\n"
USER = (
    "from pkg.helpers import parse_size\n\n\ndef total(texts):\n    found = 0\n    for text in texts:\n"
    "        found = found + parse_size(text)\n    return found\n"
)


def package(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / "pkg" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "pkg" / name).write_text(text, encoding="utf-8")
    return root / "pkg"


def test_a_line_is_cut_where_it_calls_another_files_function(tmp_path: Path) -> None:
    files = {"helpers.py": HELPERS, "user.py": USER, "relative.py": USER.replace("pkg.helpers", ".helpers")}
    cases = cut_cases(package(tmp_path, files), tmp_path / "copy", 10, seed=1)
    assert {case.path for case in cases} == {"user.py", "relative.py"}
    for case in cases:
        assert case.line == "found = found + parse_size(text)"
        assert (case.helper, case.helper_path) == ("parse_size", "helpers.py")
        assert case.prefix.endswith("    for text in texts:\n        ")
        assert case.suffix == "\n    return found\n"
    assert [path.name for path in (tmp_path / "copy").rglob("*.py")] == ["helpers.py"]


def test_a_line_may_be_cut_at_the_call_alone(tmp_path: Path) -> None:
    files = {"helpers.py": HELPERS, "user.py": USER}
    (case,) = cut_cases(package(tmp_path, files), tmp_path / "copy", 10, 1, "call")
    assert case.prefix.endswith("\n        found = found + ")
    assert case.line == "parse_size(text)"
    assert case.suffix == "\n    return found\n"


@pytest.mark.parametrize(
    "user",
    [
        USER.replace("from pkg.helpers", "from other.helpers"),
        USER.replace("import parse_size", "import parse_size as p").replace("parse_size(", "p("),
        USER.replace("import parse_size", "import missing").replace("parse_size(", "missing("),
        USER.replace("parse_size(text)", "parse_size(\n            text\n        )"),
        "from pkg.helpers import parse_size\n\nTOTAL = parse_size('12345')\n",
        "def broken(:\n",
    ],
)
def test_other_lines_are_not_cut(tmp_path: Path, user: str) -> None:
    assert (
        cut_cases(package(tmp_path, {"helpers.py": HELPERS, "user.py": user}), tmp_path / "copy", 10, 1) == []
    )


def test_files_with_helpers_of_cut_lines_are_kept_and_cutting_is_repeatable(tmp_path: Path) -> None:
    root = Path(evaluation.__file__).parent
    cases = cut_cases(root, tmp_path / "copy", 20, seed=3)
    left = {path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*.py")}
    assert len(cases) > 5
    for case in cases:
        assert case.path not in left
        assert f"def {case.helper}(" in (tmp_path / "copy" / case.helper_path).read_text(encoding="utf-8")
        assert f"{case.prefix}{case.line}{case.suffix}" in (root / case.path).read_text(encoding="utf-8")
    assert cut_cases(root, tmp_path / "copy", 20, seed=3) == cases


def test_likeness_of_lines() -> None:
    assert edit_similarity("a = f(x)", "a = f(x)") == 1.0
    assert edit_similarity("", "a") == 0.0
    assert 0.5 < edit_similarity("a = f(x)", "a = f(y)") < 1.0


def corpus_row(name: str, code: str, **flags: Any) -> str:
    row = {"name": name, "code": code, "contam_same_ast": [], "contam_13gram": [], "contam_same_name": []}
    return json.dumps({**row, **flags})


def test_exemplars_have_nothing_that_a_benchmark_asks_for(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "corpus").mkdir(parents=True)
    (data / "mbpp").mkdir()
    prompt = 'def has_close(numbers, threshold):\n    """Check if any two numbers in the list are closer than it."""\n'
    problem = {
        "task_id": "HumanEval/0", "prompt": prompt, "entry_point": "has_close",
        "canonical_solution": "    return False\n", "test": "def check(candidate):\n    assert not candidate([], 0)\n",
    }  # fmt: skip
    with gzip.open(data / "HumanEval.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps(problem) + "\n")
    task = {"task_id": 2, "prompt": "Add.", "code": "def add(a, b): return a + b", "test_imports": [],
            "test_list": ["assert add(1, 2) == 3"], "source_file": ""}  # fmt: skip
    (data / "mbpp/sanitized-mbpp.json").write_text(json.dumps([task]), encoding="utf-8")
    rows = [
        corpus_row("kept", "def kept():\n    return 'a \u2028 b'\n"),
        corpus_row("has_close", "def has_close():\n    return 1\n"),
        corpus_row("copy", "# check if any two numbers in the list are closer than it\n"),
        corpus_row("flagged", "def flagged(): pass\n", contam_same_ast=["HumanEval/0"]),
    ]
    for corpus in ("python_stdlib_functions", "thealgorithms_functions"):
        with gzip.open(data / "corpus" / f"{corpus}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.write("\n".join(rows) + "\n")
    kept, dropped = write_exemplars(data, tmp_path / "out")
    assert (kept, dict(dropped)) == (2, {"of the same name": 2, "with 10 words in a row": 2, "flagged": 2})
    assert [path.name for path in (tmp_path / "out").rglob("*.py")] == ["0000_kept.py"] * 2
    (data / "corpus" / "thealgorithms_functions.jsonl.gz").unlink()
    with pytest.raises(BenchmarkError, match="thealgorithms"):
        write_exemplars(data, tmp_path / "out")


def test_words_in_a_row() -> None:
    words = [f"W{n}" for n in range(12)]
    assert list(words_in_a_row(" ".join(words))) == [
        tuple(w.lower() for w in words[i : i + 10]) for i in range(3)
    ]
    assert list(words_in_a_row("too short")) == []
