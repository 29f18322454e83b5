"""The small JSON files of a model folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from model_store.errors import UnsafeModelError


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON object of the folder.

    Raises   UnsafeModelError if it is missing or no JSON object.
    """
    try:
        value: object = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnsafeModelError(folder, f"{name} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise UnsafeModelError(folder, f"{name} is not a JSON object")
    return cast("dict[str, Any]", value)


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write an object, indented, in its own order."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
