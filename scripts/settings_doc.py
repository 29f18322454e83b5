"""Write docs/settings.md from the settings themselves: python -m scripts.settings_doc."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from service.settings import Settings

TARGET = Path(__file__).parent.parent / "docs/settings.md"
_HEAD = """# Settings
Made by `python -m scripts.settings_doc` from `service/settings.py`; do not edit.

Sources, later ones win: the defaults below, the TOML file of `--config` (each group is a table), the environment
(`CODEFUSION_SERVER__PORT=9000`), the command line (`--set server.port=9000`). `python -m service --check` prints what
they resolve to. A name that does not exist is refused, wherever it stands.

Two more variables are read by other programs: `CODEFUSION_CACHE` (where `model_store` keeps weights) and
`CODEFUSION_TORCH_INDEX` (an index with CPU builds of torch, for `make setup`).
"""
_SYMBOLS = {Ge: "≥", Gt: ">", Le: "≤", Lt: "<"}


def render() -> str:
    """Give the page."""
    groups: list[str] = []
    for name, field in Settings.model_fields.items():
        group = field.annotation
        assert isinstance(group, type)
        assert issubclass(group, BaseModel)
        rows = [_row(f"{name}.{leaf}", info) for leaf, info in group.model_fields.items()]
        table = "| setting | default | values | meaning |\n|---|---|---|---|\n" + "\n".join(rows)
        groups.append(f"## {name}\n{(group.__doc__ or '').strip().splitlines()[0]}\n\n{table}")
    return _HEAD + "\n" + "\n\n".join(groups) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    default = "none" if field.default is None else f"`{field.default}`"
    return f"| `{name}` | {default} | {_values(field)} | {field.description} |"


def _values(field: FieldInfo) -> str:
    bounds = [
        f"{symbol} {getattr(bound, kind.__name__.lower())}"
        for bound in field.metadata
        for kind, symbol in _SYMBOLS.items()
        if isinstance(bound, kind)
    ]
    return ", ".join([_type_name(field.annotation), *bounds])


def _type_name(annotation: Any) -> str:
    arguments = get_args(annotation)
    if not arguments:
        return getattr(annotation, "__name__", str(annotation)).lower()
    if str(get_origin(annotation)) == "typing.Literal":
        return " / ".join(f"`{value}`" for value in arguments)
    names = [_type_name(argument) for argument in arguments if argument not in (type(None), Ellipsis)]
    return " / ".join(names)


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"wrote {TARGET.name}\n")
