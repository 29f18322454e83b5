"""What `python -m service --check` prints: an engine plan, each choice with its reason, and its problems.

Decides nothing: the plan is `service.engine_plan`'s and the problems are `service.check`'s.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from service.check import Problem, size_text
from service.engine_plan import EnginePlan


def print_check(
    plan: EnginePlan, problems: Sequence[Problem], *, as_json: bool = False, console: Console | None = None
) -> int:
    """Print the plan and its problems, for people or as one JSON object; give 1 if there are errors, else 0."""
    has_errors = any(problem.severity == "error" for problem in problems)
    if as_json:
        report = {"ok": not has_errors, **plan.as_dict(), "problems": [asdict(found) for found in problems]}
        (console.file if console else sys.stdout).write(json.dumps(report, indent=2) + "\n")
        return int(has_errors)
    console = console or Console()
    if plan.settings.engine.backend == "vllm":
        console.print(_choice_table(plan))
        console.print(_memory_table(plan))
    for problem in problems:
        colour = "red" if problem.severity == "error" else "yellow"
        text = f"[bold]{escape(problem.setting)}[/bold]: {escape(problem.message)}"
        console.print(f"[{colour}]{problem.severity}[/{colour}] {text}")
    console.print(
        "[red]The service cannot start so.[/red]" if has_errors else "[green]Ready to start.[/green]"
    )
    return int(has_errors)


def _choice_table(plan: EnginePlan) -> Table:
    cpu = plan.hardware.cpu
    title = f"{plan.model.name} on {cpu.model}, {len(cpu.cores)} cores"
    if plan.device.value == "cuda" and plan.hardware.gpus:
        title = f"{plan.model.name} on {len(plan.hardware.gpus)} x {plan.hardware.gpus[0].name}"
    table = Table("choice", "value", "reason", title=title)
    for name, choice in plan.choices():
        table.add_row(name, escape(_shown(name, choice.value)), escape(choice.reason))
    return table


def _memory_table(plan: EnginePlan) -> Table:
    memory = plan.memory
    table = Table(
        "memory", "size", "", title="Memory" + (" of each GPU" if plan.device.value == "cuda" else "")
    )
    table.add_row("weights", size_text(memory.weights), f"{size_text(memory.weights_total)} in all")
    tokens = f"{memory.kv_tokens:,} tokens, {memory.full_sequences:g} sequences of full length"
    table.add_row(
        "KV cache", size_text(memory.kv_cache), f"{tokens}, {memory.kv_bytes_per_token:,} bytes/token"
    )
    measured = "measured" if plan.device.value == "cpu" else "estimate: context, activations, CUDA graphs"
    table.add_row("overhead", size_text(memory.overhead), measured)
    available = size_text(memory.available) if memory.available else "an unknown size"
    table.add_row("needed", size_text(memory.needed), f"of {available} available")
    return table


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "-"
    return size_text(value) if name.endswith("_bytes") else str(value)
