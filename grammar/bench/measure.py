"""One engine over the texts, in a process of its own: memory is its own, and a call that never returns can be ended.

A timed call is a call from Python into native code: about 0.1 to 0.2 µs of each figure is the call, for every engine
alike. Ours has a timing loop of its own, too (the row "native loop"), which leaves that out.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from grammar.bench.engines import Engine, make_ours
from grammar.bench.peers import PEERS
from grammar.bench.tokens import load_tokens
from grammar.errors import GrammarError

OURS = "codefusion"
CLOCKS = {"wall": time.perf_counter_ns, "cpu": time.thread_time_ns}
_GRACE = 20.0  # a call that lasts this many seconds past the time limit counts as one that does not return


@dataclass(frozen=True)
class Job:
    """What to measure. No texts: only make the engine ready."""

    engine: str
    language: str
    tokenizer: Path
    width: int
    texts: list[bytes]
    cache: Path
    clock: str
    seconds: float
    build_seconds: float
    peers_from: Path | None = None
    native_loop: bool = False


@dataclass
class TextFigures:
    """Nanoseconds for each token of one text; what was built once is taken out and stands in `once`."""

    fills: list[float] = field(default_factory=list[float])
    accepts: list[float] = field(default_factory=list[float])
    once: list[float] = field(default_factory=list[float])
    refused: bool = False
    unread: int = 0  # tokens after a refusal, or after the time limit
    can_end: bool = False


@dataclass
class Result:
    """What came of a job."""

    texts: list[TextFigures] = field(default_factory=list[TextFigures])
    version: str = ""
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    megabytes_ready: float = 0.0
    megabytes_after: float = 0.0
    note: str = ""


def measure(job: Job) -> Result:
    """Run a job in a new process; whatever happens there becomes a note."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, theirs), daemon=True)
    process.start()
    theirs.close()
    result = Result()
    try:
        _receive(job, ours, result)
    finally:
        process.kill()
        process.join()
        ours.close()
    return result


def _receive(job: Job, messages: Connection, result: Result) -> None:
    patience = job.build_seconds
    while True:
        if not messages.poll(patience):
            result.note = (
                f"a call did not return in {patience:.0f} s" if result.seconds else "start-up took too long"
            )
            return
        try:
            message = messages.recv()
        except EOFError:
            result.note = "the process died" + ("" if result.seconds else " during start-up")
            return
        match message:
            case TextFigures():
                result.texts.append(message)
            case Result():
                message.texts, result.texts = result.texts, message.texts
                result.__dict__.update(message.__dict__)
                patience = job.seconds + _GRACE
            case _:
                result.note = result.note or str(message)
                return


def _work(job: Job, messages: Connection) -> None:
    try:
        _measure(job, messages)
    except (GrammarError, ImportError, RuntimeError, ValueError) as error:
        messages.send(str(error).splitlines()[0])


def _measure(job: Job, messages: Connection) -> None:
    _one_core()
    if job.peers_from is not None:
        sys.path.insert(0, str(job.peers_from))
    for module in ("grammar",) if job.engine == OURS else PEERS[job.engine].modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise GrammarError(f"not installed: pip install {module}") from error
    tokens = load_tokens(job.tokenizer, job.width)
    before = _megabytes()
    if job.engine == OURS:
        os.environ["XDG_CACHE_HOME"] = str(job.cache)  # compiled rules are cached there, too
        engine = make_ours(job.language, tokens, job.cache, native_loop=job.native_loop)
    else:
        engine = PEERS[job.engine].make(job.language, tokens)
    result = Result(
        version=_version(job.engine), seconds=engine.seconds, megabytes_ready=_megabytes() - before
    )
    messages.send(result)
    deadline = time.monotonic() + job.seconds
    follow = follow_native if job.native_loop else follow_calls
    gc.collect()
    gc.disable()
    for text in job.texts:
        messages.send(follow(engine, tokens.encode(text), CLOCKS[job.clock], deadline))
        if time.monotonic() > deadline:
            result.note = f"stopped after {job.seconds:.0f} s"
            break
    result.megabytes_after = _megabytes() - before
    messages.send(result)
    messages.send("")


def follow_calls(engine: Engine, ids: list[int], clock: Callable[[], int], deadline: float) -> TextFigures:
    """Time one text by calls from Python; the first refused token ends it."""
    figures, row, split_seconds = TextFigures(), engine.row, engine.split_seconds
    text = engine.begin()
    for index, token in enumerate(ids):
        built = split_seconds()
        begun = clock()
        text.fill()
        filled = clock() - begun
        built_in_fill = split_seconds() - built
        allowed = bool(row[token >> 5] >> (token & 31) & 1)
        begun = clock()
        text.accept(token)
        accepted = clock() - begun
        once = split_seconds() - built
        figures.fills.append(filled - built_in_fill * 1e9)
        figures.once.append(once * 1e9)
        if allowed:
            figures.accepts.append(accepted - (once - built_in_fill) * 1e9)
        if not allowed or time.monotonic() > deadline:
            figures.refused = not allowed
            figures.unread = len(ids) - index - 1
            break
    figures.can_end = not figures.refused and not figures.unread and text.can_end()
    return figures


def follow_native(engine: Engine, ids: list[int], _clock: Callable[[], int], _deadline: float) -> TextFigures:
    """Time one text by the engine's own loop."""
    assert engine.native_loop is not None
    loop, can_end = engine.native_loop()
    fills, accepts, once, allowed = loop(ids)
    fills = [fill - built for fill, built in zip(fills, once, strict=True)]
    refused = not all(allowed)
    ended = not refused and len(allowed) == len(ids) and can_end()
    return TextFigures(fills, accepts[: allowed.count(True)], once, refused, len(ids) - len(allowed), ended)


def _one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _megabytes() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 1e6


def _version(engine: str) -> str:
    try:
        return importlib.metadata.version(engine)
    except importlib.metadata.PackageNotFoundError:
        return ""
