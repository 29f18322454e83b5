"""Start-up, split into its parts: the service is started several times, one after another, and its log is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.engine_setup import EngineSetup
from benchmarks.import_time import ImportTime, by_package, costliest, measure_import
from benchmarks.progress import Steps
from benchmarks.report import Section, Table, number
from benchmarks.service_process import running_service, settings_arguments
from benchmarks.startup_log import Start, split_start
from benchmarks.stats import Spread

# At "debug" the service lets vLLM's own info lines pass, which mark the parts.
_DETAILED_LOG = {"log.level": "debug"}
_TOP_MODULES = 15
_TOP_PACKAGES = 10
_MODULE = "service.vllm_engine"


@dataclass(frozen=True, slots=True)
class StartupResult:
    """The starts, and what importing the engine costs."""

    starts: tuple[Start, ...]
    imports: tuple[ImportTime, ...]


def measure_startup(
    repeats: int, setup: EngineSetup, steps: Steps, *, port: int | None = None
) -> StartupResult:
    """Start the service `repeats` times and import the engine once. Raises BenchmarkError."""
    arguments = [*setup.service_arguments, *settings_arguments(_DETAILED_LOG)]
    starts: list[Start] = []
    for number_ in range(1, repeats + 1):
        steps.begin(f"start {number_}/{repeats}")
        with running_service(arguments, port=port) as service:
            starts.append(split_start(list(service.process.lines), service.ready_after))
        steps.done()
    steps.begin(f"import {_MODULE}")
    imports = measure_import(_MODULE, setup.environment)
    steps.done()
    return StartupResult(tuple(starts), tuple(imports))


def startup_section(result: StartupResult) -> Section:
    """Give the table of parts and the table of modules."""
    data = {
        "starts": [asdict(start) for start in result.starts],
        "imports": [asdict(item) for item in costliest(result.imports, 100)],
    }
    tables = (
        _parts_table(result.starts),
        _packages_table(result.imports),
        _modules_table(result.imports),
    )
    return Section("startup", tables, data)


def _parts_table(starts: Sequence[Start]) -> Table:
    names = list(dict.fromkeys(part.name for start in starts for part in start.parts))
    rows: list[tuple[str, ...]] = []
    for name in names:
        values = [sum(part.seconds for part in start.parts if part.name == name) for start in starts]
        rows.append(_row(name, values))
    rows.append(_row("total: spawn to ready", [start.total for start in starts]))
    columns = ("part", "median, s", *(f"start {i}" for i in range(1, len(starts) + 1)))
    notes = ["The first start may read files from the disk that later ones find in memory."]
    if missing := dict.fromkeys(f'"{name}"' for start in starts for name in start.missing):
        notes.append(
            f"No line marked the end of {', '.join(missing)}: that time is in the part that follows."
        )
    return Table(f"Start-up, {len(starts)} starts", columns, tuple(rows), tuple(notes))


def _row(name: str, values: Sequence[float]) -> tuple[str, ...]:
    return (name, number(Spread(tuple(values)).median, 2), *(number(value, 2) for value in values))


def _packages_table(imports: Sequence[ImportTime]) -> Table:
    packages = by_package(imports)[:_TOP_PACKAGES]
    total = sum(item.own for item in imports)
    return Table(
        f"`import {_MODULE}`: {total:.1f} s in {len(imports)} modules, the costliest packages",
        ("package", "modules", "own, ms"),
        tuple((name, str(count), number(own * 1000, 0)) for name, count, own in packages),
        ("Under -X importtime, which itself slows imports down.",),
    )


def _modules_table(imports: Sequence[ImportTime]) -> Table:
    rows = tuple(
        (item.module, number(item.own * 1000, 0), number(item.cumulative * 1000, 0))
        for item in costliest(imports, _TOP_MODULES)
    )
    title = f"`import {_MODULE}`: the {_TOP_MODULES} costliest modules"
    return Table(title, ("module", "own, ms", "with its imports, ms"), rows)
