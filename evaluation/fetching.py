"""Benchmarks from where they are published into a data folder; every byte is checked before it counts.

A file is written beside its place under another name and moved there once its hash is right, so that an interrupted
fetch leaves nothing that could be taken for data. A file that is there already is never touched.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from evaluation.errors import FetchError
from evaluation.suites.registry import Suite
from evaluation.suites.upstream import UPSTREAM, Upstream

MAX_BYTES = 64 << 20
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file: where it lies, under which licence, and whether it was there before."""

    suite: str
    path: Path
    licence: str
    was_there: bool


def fetch_suite(suite: Suite, folder: Path, *, show: bool = True) -> Fetched:
    """Bring a suite's file into `folder`; nothing is asked of the network when the right one is there.

    Raises FetchError: published nowhere, not pinned, unreachable, other bytes than pinned, another file in its place,
    no space.
    """
    upstream, path = UPSTREAM.get(suite.name), folder / suite.file
    if upstream is None:
        raise FetchError(f"{suite.name}: this selection is published nowhere; expected it at {path}")
    if upstream.sha256 is None:
        raise FetchError(
            f"{suite.name}: its hash is not known here, so it is not fetched; "
            f"take it from {upstream.url} and put it at {path}"
        )
    if path.exists():
        _check(
            suite.name,
            upstream,
            _published_bytes(path, upstream),
            f"{path} is another file and was left alone",
        )
        return Fetched(suite.name, path, upstream.licence, was_there=True)
    data = _download(suite.name, upstream.url, show=show)
    _check(suite.name, upstream, data, f"{upstream.url} gave something else, which was not kept")
    _write(path, gzip.compress(data, mtime=0) if _packed_here(path, upstream) else data)
    return Fetched(suite.name, path, upstream.licence, was_there=False)


def _packed_here(path: Path, upstream: Upstream) -> bool:
    """Say whether the data folder has the file gzipped where upstream has not."""
    return path.suffix == ".gz" and not upstream.url.endswith(".gz")


def _published_bytes(path: Path, upstream: Upstream) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if _packed_here(path, upstream) else data
    except (OSError, EOFError) as error:
        raise FetchError(f"{path}: cannot be read: {error}") from error


def _check(name: str, upstream: Upstream, data: bytes, otherwise: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != upstream.sha256:
        raise FetchError(f"{name}: expected SHA-256 {upstream.sha256}; got {found}: {otherwise}")


def _download(name: str, url: str, *, show: bool) -> bytes:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    bar = Progress(*columns, console=Console(stderr=True), disable=not show)
    try:
        with bar, httpx.stream("GET", url, follow_redirects=True, timeout=_TIMEOUT_S) as response:
            response.raise_for_status()
            # Of a text that is compressed on its way, the length says nothing.
            length = response.headers.get("content-length")
            known = length and "content-encoding" not in response.headers
            task = bar.add_task(name, total=int(length) if known else None)
            data = bytearray()
            for block in response.iter_bytes():
                data += block
                bar.advance(task, len(block))
                if len(data) > MAX_BYTES:
                    raise FetchError(f"{name}: expected at most {MAX_BYTES:,} bytes; {url} gives more")
            return bytes(data)
    except httpx.HTTPStatusError as error:
        raise FetchError(f"{name}: {url} answered {error.response.status_code}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchError(f"{name}: {url} cannot be reached: {error or type(error).__name__}") from error


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise FetchError(f"{path}: cannot be written: {error}") from error
