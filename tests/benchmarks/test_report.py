"""What is written can be read: Markdown that renders, JSON without NaN."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.machine import describe_machine
from benchmarks.report import Report, Section, Table, milliseconds, number, show
from service.hardware import Cpu, Hardware, Memory

TABLE = Table("Rates", ("case", "tokens/s"), (("a|b", "1.0"), ("[x]", "-")), ("median",))
HARDWARE = Hardware(
    Cpu("Some CPU", "x86_64", (0, 1), (0, 1), None, frozenset({"avx2"})), Memory(8 << 30, 4 << 30)
)


def report(data: float = 1.0) -> Report:
    section = Section("throughput", (TABLE,), {"rate": data})
    return Report("python -m benchmarks", {"CPU": "x"}, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), [section])


def test_markdown_escapes_what_would_break_the_table() -> None:
    assert TABLE.markdown().splitlines()[2:5] == [
        "| case | tokens/s |",
        "| --- | ---: |",
        "| a\\|b | 1.0 |",
    ]
    assert "\n- median\n" in TABLE.markdown()


def test_a_run_writes_both_forms_into_its_own_folder(tmp_path: Path) -> None:
    folder = report().write(tmp_path)
    assert folder == tmp_path / "bench-20260102-030405"
    assert json.loads((folder / "report.json").read_text())["throughput"] == {"rate": 1.0}
    text = (folder / "report.md").read_text()
    assert "`python -m benchmarks`" in text
    assert "| CPU | x |" in text


def test_what_was_not_measured_is_null_in_json(tmp_path: Path) -> None:
    folder = report(math.nan).write(tmp_path)
    assert json.loads((folder / "report.json").read_text())["throughput"] == {"rate": None}


def test_the_terminal_takes_cells_literally() -> None:
    console = Console(record=True, width=60, file=Path("/dev/null").open("w"))  # noqa: SIM115
    show(Section("x", (TABLE,), {}), console)
    console.file.close()
    assert "[x]" in console.export_text()


def test_numbers_have_a_form_for_missing_values() -> None:
    assert (number(math.nan), number(1234.56), milliseconds(0.0042), milliseconds(0.42)) == (
        "-", "1,234.6", "4.2", "420",
    )  # fmt: skip


def test_the_machine_is_described_without_its_name_or_paths() -> None:
    machine = describe_machine(HARDWARE)
    text = json.dumps(machine)
    assert machine["CPU"] == "Some CPU"
    assert machine["versions"]["codefusion"]
    assert str(Path(__file__).parents[2]) not in text
