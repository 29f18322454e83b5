"""Writes the report of some runs: Markdown, HTML with a page per problem, and PNG charts.

    report.md, index.html, metrics.png, latency.png, problems/<run>-<number>.html

Everything a model or a benchmark wrote is text: escaped in HTML, never a link, never run. No script, no outside file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from evaluation.charts import latency_chart, metric_chart
from evaluation.errors import RunFolderError
from evaluation.figures import Table, tables
from evaluation.run_folder import Key
from evaluation.summary import RunSummary

_PYGMENTS_NAMES = {"csharp": "csharp", "bash": "bash", "cpp": "cpp"}


@dataclass(frozen=True, slots=True)
class Page:
    """One problem of one run: its file, and how many of its samples passed."""

    file: str
    task_id: str
    passed: int
    total: int


def write_report(runs: Sequence[RunSummary], folder: Path) -> Path:
    """Write the whole report; give the HTML's path. Raises RunFolderError when it cannot be written."""
    try:
        (folder / "problems").mkdir(parents=True, exist_ok=True)
        made = tables(runs)
        (folder / "report.md").write_text(markdown(made), encoding="utf-8")
        metric_chart(runs, folder / "metrics.png")
        latency_chart(runs, folder / "latency.png")
        pages = {run.name: _write_pages(number, run, folder) for number, run in enumerate(runs)}
        index = folder / "index.html"
        index.write_text(_render("index.html", tables=made, pages=pages), encoding="utf-8", errors="replace")
    except OSError as error:
        raise RunFolderError(f"{folder}: the report cannot be written ({error.strerror})") from error
    return index


def markdown(made: Sequence[Table]) -> str:
    """Write the tables in Markdown."""
    parts = ["# Evaluation\n"]
    for table in made:
        head = [_row(table.columns), _row(["---"] * len(table.columns))]
        parts.append("\n".join([f"## {table.title}\n", *head, *map(_row, table.rows)]) + "\n")
    return "\n".join([*parts, "![metrics](metrics.png)\n", "![latency](latency.png)\n"])


def highlighted(code: str, language: str) -> Markup:
    """Give code as HTML; pygments escapes it."""
    try:
        lexer = get_lexer_by_name(_PYGMENTS_NAMES.get(language, language))
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    return Markup(highlight(visible(code), lexer, HtmlFormatter(nowrap=False)))  # noqa: S704


def visible(text: str) -> str:
    """Replace characters that turn the direction of text or cannot be shown."""
    return "".join(char if char in "\n\t" or _is_plain(char) else f"\\u{ord(char):04x}" for char in text)


def _is_plain(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _plain(value: Any) -> Any:
    # Markup is made by us, and its text went through `visible` already.
    return visible(value) if type(value) is str else value


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(visible(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _write_pages(run_number: int, run: RunSummary, folder: Path) -> list[Page]:
    by_problem: dict[str, list[Key]] = {}
    for key in sorted(run.samples):
        by_problem.setdefault(key[0], []).append(key)
    pages: list[Page] = []
    for number, (task_id, keys) in enumerate(by_problem.items()):
        # Named by numbers: an id may hold anything.
        name = f"{run_number}-{number:04d}-{re.sub(r'[^A-Za-z0-9]+', '_', task_id)[:40]}.html"
        samples = [_sample(run, key) for key in keys]
        problem = run.problems.get(task_id)
        text = _render(
            "problem.html",
            run=run,
            task_id=task_id,
            prompt=highlighted(problem.prompt, problem.language) if problem else "",
            suffix=highlighted(problem.suffix, problem.language) if problem and problem.suffix else "",
            reference=highlighted(problem.reference, problem.language)
            if problem and problem.reference
            else "",
            samples=samples,
        )
        (folder / "problems" / name).write_text(text, encoding="utf-8", errors="replace")
        passed = sum(sample["status"] == "passed" for sample in samples)
        pages.append(Page(f"problems/{name}", task_id, passed, len(samples)))
    return pages


def _sample(run: RunSummary, key: Key) -> dict[str, Any]:
    record, verdict = run.samples[key], run.verdicts.get(key, {})
    problem = run.problems.get(key[0])
    return {
        "seed": key[1],
        "index": key[2],
        "status": verdict.get("status", "not scored"),
        "detail": visible(verdict.get("detail", "")),
        "answer": visible(record["answer"]),
        "program": highlighted(record["program"], problem.language if problem else "text"),
        "finish_reason": record["finish_reason"],
        "completion_tokens": record["completion_tokens"],
        "seconds": record["seconds"],
        "report": record.get("report"),
    }


def _render(template: str, **values: Any) -> str:
    folder = resources.files("evaluation.templates")
    loader = jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8"))
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, finalize=_plain
    )
    style = Markup(HtmlFormatter().get_style_defs(".highlight"))  # noqa: S704
    return environment.get_template(template).render(style=style, **values)
