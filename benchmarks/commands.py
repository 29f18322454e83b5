"""What each command does, in order, and where its results go."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rich.console import Console

from benchmarks.client import connect, require_ready, run_async
from benchmarks.engine_setup import resolve
from benchmarks.event_loop import LagWindow, lag_section, measure_idle, measure_loaded
from benchmarks.load import LoadPlan, LoadResult, run_load
from benchmarks.load_report import load_section
from benchmarks.machine import describe_machine
from benchmarks.mask import MaskPlan, mask_section, measure_mask
from benchmarks.progress import Steps, steps
from benchmarks.report import Report, Section, show
from benchmarks.service_process import require_free, running_service
from benchmarks.startup import measure_startup, startup_section
from benchmarks.throughput import ThroughputPlan, measure_throughput
from benchmarks.throughput_report import throughput_section
from service.hardware import Hardware, detect

Command = Literal["all", "startup", "throughput", "load", "lag", "mask"]


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, read. `load.rate` is not read: each of `rates` gets a run."""

    command: Command
    words: tuple[str, ...]
    config: Path | None
    overrides: dict[str, str]
    base_url: str | None
    port: int | None
    output: Path
    rates: tuple[float, ...]
    load: LoadPlan
    throughput: ThroughputPlan
    repeats: int

    @property
    def load_plans(self) -> list[LoadPlan]:
        """One plan for each rate."""
        return [replace(self.load, rate=rate) for rate in self.rates]


def run(options: Options, console: Console) -> Report:
    """Measure, print each table as it is ready, and write the report after each. Raises BenchmarkError."""
    if options.port is not None:
        require_free(options.port)
    hardware = detect()
    _warn_if_busy(hardware)
    command = " ".join(["python -m benchmarks", *options.words])
    report = Report(command, describe_machine(hardware), datetime.now(UTC))
    for sections in _parts(options, hardware):
        for section in sections():
            report.sections.append(section)
            folder = report.write(options.output)
            show(section, console)
            console.print(f"[dim]{folder}/report.md[/dim]", highlight=False)
    return report


def _warn_if_busy(hardware: Hardware) -> None:
    load = os.getloadavg()[0]
    if load > len(hardware.cpu.cores) / 4:
        Console(stderr=True).print(
            f"[yellow]This machine is busy (load average {load:.1f}): figures will be lower and spread more.[/yellow]"
        )


def _parts(options: Options, hardware: Hardware) -> list[Callable[[], Sequence[Section]]]:
    """Give what is to be done, in the order of its doing."""
    parts: dict[Command, Callable[[], Sequence[Section]]] = {
        "startup": lambda: _startup(options, hardware),
        "throughput": lambda: _throughput(options, hardware),
        "load": lambda: _load(options, hardware),
        "lag": lambda: _lag(options, hardware),
        "mask": lambda: _mask(options, hardware),
    }
    if options.command == "all":
        # The lag is watched during the load, so the last part gives both.
        return [parts["startup"], parts["throughput"], parts["mask"], parts["lag"]]
    return [parts[options.command]]


def _startup(options: Options, hardware: Hardware) -> list[Section]:
    setup = resolve(options.config, options.overrides, hardware)
    with steps(options.repeats + 1) as progress:
        return [startup_section(measure_startup(options.repeats, setup, progress, port=options.port))]


def _throughput(options: Options, hardware: Hardware) -> list[Section]:
    plan = options.throughput
    setup = resolve(options.config, options.overrides, hardware, least_seqs=max(plan.batches))
    with steps(plan.num_steps) as progress:
        result = measure_throughput(plan, setup, progress, port=options.port)
    return [throughput_section(result, setup)]


def _load(options: Options, hardware: Hardware) -> list[Section]:
    with _service(options, hardware) as base_url, _load_progress(options) as progress:
        return [load_section(run_async(_load_runs(base_url, options, progress)))]


def _lag(options: Options, hardware: Hardware) -> list[Section]:
    with _service(options, hardware) as base_url, _load_progress(options) as progress:
        results, windows = run_async(_lag_runs(base_url, options, progress))
    return [load_section(results), lag_section(windows)]


def _mask(options: Options, hardware: Hardware) -> list[Section]:
    given = options.throughput
    plan = MaskPlan(given.batches, given.rounds, given.requests_each, given.max_tokens)
    with (
        _service(options, hardware, least_seqs=max(plan.batches)) as base_url,
        steps(plan.num_steps) as progress,
    ):
        results = run_async(measure_mask(base_url, plan, progress))
    return [mask_section(results, plan)]


@contextmanager
def _service(options: Options, hardware: Hardware, *, least_seqs: int = 1) -> Generator[str]:
    """Give the address of the service to measure, started here unless one was named."""
    if options.base_url is not None:
        yield options.base_url
        return
    setup = resolve(options.config, options.overrides, hardware, least_seqs=least_seqs)
    with ExitStack() as stack:
        with Console(stderr=True).status("starting the service"):
            service = stack.enter_context(running_service(setup.service_arguments, port=options.port))
        yield service.base_url


@contextmanager
def _load_progress(options: Options) -> Generator[Steps]:
    with steps(len(options.rates) * options.load.seconds) as progress:
        yield progress


async def _load_runs(base_url: str, options: Options, progress: Steps) -> list[LoadResult]:
    async with connect(base_url) as client:
        await require_ready(client)
        return [
            await run_load(client, plan, _ticker(progress, plan, number))
            for number, plan in enumerate(options.load_plans)
        ]


async def _lag_runs(
    base_url: str, options: Options, progress: Steps
) -> tuple[list[LoadResult], list[LagWindow]]:
    async with connect(base_url) as client:
        await require_ready(client)
        progress.begin("idle")
        windows = [await measure_idle(client)]
        results: list[LoadResult] = []
        for number, plan in enumerate(options.load_plans):
            result, window = await measure_loaded(client, plan, _ticker(progress, plan, number))
            results.append(result)
            windows.append(window)
    return results, windows


def _ticker(progress: Steps, plan: LoadPlan, number: int) -> Callable[[float, int, int], None]:
    def tick(elapsed: float, num_sent: int, num_done: int) -> None:
        reached = number * plan.seconds + min(elapsed, plan.seconds)
        progress.reach(round(reached), f"{plan.rate:g}/s: {num_sent} sent, {num_done} answered")

    return tick
