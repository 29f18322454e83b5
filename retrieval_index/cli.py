"""The commands of `python -m retrieval_index`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.syntax import Syntax
from rich.table import Table

from retrieval_index.embedder import DEFAULT, load_embedder
from retrieval_index.embedding import EmbeddedBy
from retrieval_index.embedding import Progress as OnProgress
from retrieval_index.errors import IndexDamagedError, IndexVersionError, RetrievalError, StoreUnreachableError
from retrieval_index.search import Hit, Mode, Place, Ranking, SearchIndex
from retrieval_index.store import default_home, names_in, read_manifest, verified_folder
from retrieval_index.update import Report, update_index

DATABASE_URL = "CODEFUSION_RETRIEVAL__DATABASE_URL"  # as the service's setting


def main(argv: list[str]) -> int:
    """Run one command; give its exit code: 0, 1 where nothing was found, 2 for an error."""
    options = _parser().parse_args(argv)
    try:
        return options.command(options)
    except RetrievalError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\ninterrupted; what was read is kept, and the same command goes on from there", file=sys.stderr
        )
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m retrieval_index",
        description="Indexes of repositories, searched by words and vectors.",
    )
    parser.add_argument(
        "--home", type=Path, default=default_home(), help="folder of the indexes (default: %(default)s)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("build", _build, "index a repository afresh"),
        ("update", _update, "read what changed; makes the index if there is none"),
        ("watch", _watch, "update whenever something changes"),
    ):
        writer = commands.add_parser(name, help=text)
        writer.add_argument("path", type=Path, metavar="PATH", help="of the repository")
        writer.add_argument("--name", default="default", help="of the index (default: default)")
        writer.add_argument(
            "--embedder",
            help=f"none, {DEFAULT}, a folder with a sentence-transformers model, or hub:OWNER/NAME@COMMIT "
            f"(default: as before; {DEFAULT} for a new index)",
        )
        if name == "watch":
            writer.add_argument("--every", type=float, default=2.0, help="seconds between looks (default: 2)")
        writer.set_defaults(command=command)
    stats = commands.add_parser("stats", help="what is indexed")
    stats.add_argument("--name", help="default: every index")
    stats.set_defaults(command=_stats)
    publish = commands.add_parser(
        "publish",
        help="copy an index to a PostgreSQL server, for replicas of the service",
        description="Copy an index to a PostgreSQL server with pgvector; replicas of the service read it there "
        f"(retrieval.database_url). The address may hold a password: it is read from {DATABASE_URL}.",
    )
    publish.add_argument("--name", default="default", help="of the index (default: default)")
    publish.set_defaults(command=_publish)
    search = commands.add_parser("search", help="find chunks")
    search.add_argument("query")
    search.add_argument("--name", default="default", help="of the index (default: default)")
    search.add_argument("-k", type=int, default=5, help="results at most (default: 5)")
    search.add_argument("--near", metavar="FILE", help="the file that asks, relative to the repository")
    search.add_argument(
        "--by", choices=get_args(Mode), default="fused", help="vectors, words, or both (default: fused)"
    )
    search.add_argument("--no-text", action="store_true", help="the table alone")
    search.set_defaults(command=_search)
    return parser


def _build(options: argparse.Namespace) -> int:
    return _run_update(options, afresh=True)


def _update(options: argparse.Namespace) -> int:
    return _run_update(options, afresh=False)


def _run_update(options: argparse.Namespace, *, afresh: bool) -> int:
    embedded_by = _embedded_by(options)
    with _progress(options.name) as progress:
        report = update_index(
            options.path,
            options.home,
            options.name,
            embedded_by=embedded_by,
            afresh=afresh,
            progress=progress,
        )
    _show_report(options.name, report)
    return 0


def _embedded_by(options: argparse.Namespace) -> EmbeddedBy | None:
    """Load the embedder that is asked for, else the one that the index has."""
    setting: str = options.embedder or DEFAULT
    if options.embedder is None and options.name in names_in(options.home):
        with contextlib.suppress(IndexDamagedError, IndexVersionError):  # said where the index is read
            setting = read_manifest(options.home, options.name).embedder
    embedder = load_embedder(setting)
    return EmbeddedBy(setting, embedder) if embedder else None


def _watch(options: argparse.Namespace) -> int:
    embedded_by = _embedded_by(options)
    while True:
        report = update_index(options.path, options.home, options.name, embedded_by=embedded_by)
        if not report.is_unchanged:
            _show_report(options.name, report)
        time.sleep(options.every)


def _stats(options: argparse.Namespace) -> int:
    names = [options.name] if options.name else names_in(options.home)
    table = Table(
        "index",
        "repository",
        "files",
        "chunks",
        "MB",
        "vectors",
        "built",
        "left out",
        title=str(options.home),
    )
    for name in names:
        manifest = read_manifest(options.home, name)
        verified_folder(options.home, manifest)
        built = time.strftime("%Y-%m-%d %H:%M", time.localtime(manifest.built_at))
        skipped = ", ".join(f"{count} {reason}" for reason, count in manifest.skipped.items())
        counts = (f"{manifest.num_files:,}", f"{manifest.num_chunks:,}", f"{manifest.num_bytes / 1e6:.1f}")
        vectors = f"{manifest.vector_kind}, {manifest.embedder_id}" if manifest.embedder_id else "none"
        table.add_row(name, escape(manifest.root), *counts, vectors, built, skipped)
    _console().print(table)
    return 0 if names else 1


def _publish(options: argparse.Namespace) -> int:
    try:
        from retrieval_index.postgres import PostgresStore
    except ImportError as error:
        raise StoreUnreachableError(
            f"expected the packages of codefusion[postgres]; they cannot be imported ({error})"
        ) from error
    url = os.environ.get(DATABASE_URL)
    if not url:
        raise StoreUnreachableError(
            f"{DATABASE_URL}: expected postgresql://user:password@host:port/database; it is not set"
        )
    with contextlib.closing(PostgresStore(url)) as store, _progress(options.name) as progress:
        manifest = store.publish(options.home, options.name, progress)
    vectors = (
        f"{manifest.vector_kind}, recall {manifest.vector_recall:.3f}" if manifest.vector_kind else "none"
    )
    print(f"{options.name}: {manifest.num_chunks:,} chunks published; vectors: {vectors}")
    return 0


def _search(options: argparse.Namespace) -> int:
    embedder = load_embedder(read_manifest(options.home, options.name).embedder)
    with contextlib.closing(SearchIndex.open(options.home, options.name, embedder)) as index:
        started = time.perf_counter()
        hits = index.search(
            options.query, options.k, place=Place(path=options.near), ranking=Ranking(options.by)
        )
        milliseconds = 1000 * (time.perf_counter() - started)
    console = _console()
    table = Table(
        "", "place", "symbol", "cosine", "coverage", title=f"{len(hits)} found in {milliseconds:.1f} ms"
    )
    for number, hit in enumerate(hits, 1):
        table.add_row(
            str(number),
            escape(_place(hit)),
            escape(hit.chunk.symbol),
            "" if hit.similarity is None else f"{hit.similarity:.2f}",
            f"{hit.coverage:.0%}",
        )
    console.print(table)
    for hit in hits if not options.no_text else ():
        code = Syntax(hit.chunk.text, hit.chunk.language, line_numbers=True, start_line=hit.chunk.first_line)
        console.print(Panel(code, title=escape(_place(hit)), title_align="left"))
    return 0 if hits else 1


def _place(hit: Hit) -> str:
    return f"{hit.chunk.path}:{hit.chunk.first_line}-{hit.chunk.last_line}"


def _show_report(name: str, report: Report) -> None:
    changes = (
        f"{report.num_new} new, {report.num_changed} changed, {report.num_removed} removed, "
        f"{report.num_unchanged} unchanged"
    )
    embedded = f" ({report.num_embedded:,} embedded)" if report.num_embedded else ""
    print(f"{name}: {changes}; {report.num_chunks:,} chunks{embedded}, {report.seconds:.1f} s")
    if report.skipped:
        print(
            "left out: " + ", ".join(f"{count} {reason}" for reason, count in sorted(report.skipped.items()))
        )


@contextlib.contextmanager
def _progress(name: str) -> Generator[OnProgress]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("eta"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(f"{name}: {what}", total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show


def _console() -> Console:
    console = Console()
    console.width = max(console.width, 110)
    return console
