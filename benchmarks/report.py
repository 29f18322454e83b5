"""What a run leaves behind: tables on the terminal, report.md to read, report.json with every figure behind them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a title; the first column names the row. `notes` say how to read it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """Give the table in GitHub's Markdown."""
        align = ["---", *("---:" for _ in self.columns[1:])]
        lines = [_row(self.columns), _row(align), *(_row(row) for row in self.rows)]
        notes = "".join(f"\n- {note}" for note in self.notes)
        return f"### {self.title}\n\n" + "\n".join(lines) + "\n" + (f"{notes}\n" if notes else "")

    def rich(self) -> RichTable:
        """Give the table for a terminal."""
        table = RichTable(title=self.title, title_justify="left", caption_justify="left")
        table.caption = "\n".join(self.notes) or None
        for i, name in enumerate(self.columns):
            table.add_column(Text(name), justify="right" if i else "left")
        for row in self.rows:
            table.add_row(*(Text(cell) for cell in row))
        return table


@dataclass(frozen=True, slots=True)
class Section:
    """One benchmark's part: its name, its tables, and its raw figures as JSON values."""

    name: str
    tables: tuple[Table, ...]
    data: dict[str, Any]


@dataclass
class Report:
    """A whole run. Written again after each section, so that a late failure loses nothing."""

    command: str
    machine: dict[str, Any]
    started: datetime
    sections: list[Section] = field(default_factory=list[Section])

    def folder(self, root: Path) -> Path:
        """Give the folder of this run below `root`."""
        return root / f"bench-{self.started:%Y%m%d-%H%M%S}"

    def write(self, root: Path) -> Path:
        """Write report.md and report.json; give their folder."""
        folder = self.folder(root)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.md").write_text(self.markdown(), encoding="utf-8")
        (folder / "report.json").write_text(json.dumps(_finite(self.as_dict()), indent=1), encoding="utf-8")
        return folder

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        sections = {section.name: section.data for section in self.sections}
        return {
            "command": self.command,
            "started": self.started.isoformat(),
            "machine": self.machine,
            **sections,
        }

    def markdown(self) -> str:
        """Give the report to be read."""
        machine = Table("Machine", ("what", "value"), tuple((k, _cell(v)) for k, v in self.machine.items()))
        head = f"# Benchmark of {self.started:%Y-%m-%d %H:%M} UTC\n\n`{self.command}`\n\n"
        parts = [machine.markdown()]
        for section in self.sections:
            parts.append(f"## {section.name}\n")
            parts.extend(table.markdown() for table in section.tables)
        return head + "\n".join(parts)


def show(section: Section, console: Console) -> None:
    """Print a section's tables."""
    for table in section.tables:
        console.print()
        console.print(table.rich())


def number(value: float, digits: int = 1) -> str:
    """Give a number as text, and a dash for one that was not measured."""
    return "-" if math.isnan(value) else f"{value:,.{digits}f}"


def milliseconds(seconds: float) -> str:
    """Give seconds as milliseconds: with a decimal below ten, else whole."""
    return number(seconds * 1000, 1 if seconds < 0.01 else 0)


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _cell(value: object) -> str:
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value)
        return ", ".join(f"{name} {item}" for name, item in pairs.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in cast("list[object]", value))
    return str(value)


def _finite(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not have, by null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in cast("list[Any]", value)]
    return value
