"""Rows as the benchmarks have them, made up: no test needs their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def human_eval_row(task_id: str = "Own/0", **fields: Any) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "prompt": 'def add(a, b):\n    """Add.\n    >>> add(1, 2)\n    3\n    """\n',
        "entry_point": "add",
        "canonical_solution": "    return a + b\n",
        "test": "def check(candidate):\n    assert candidate(2, 3) == 5\n",
        **fields,
    }


def write_rows(path: Path, rows: list[Any]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
