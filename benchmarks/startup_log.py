"""Start-up, told by the child's log: which line ends which part.

    spawn ─► plan logged ─► listening ─► engine configured ─► core up ─► worker up ─► weights read ─► cache sized
          ─► engine initialised ─► loaded ─► engine_ready ─► ready

Lines are JSON (ours, and vLLM's in our process) or vLLM's own text (its engine core and workers). Times are those of
the lines' arrival, since vLLM's stamps have whole seconds. A mark that is not found leaves its time to the next part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from benchmarks.service_process import LogLine

_VLLM_LINE = re.compile(
    r"^(?:\x1b\[[0-9;]*m|\([^)]*\)|\s)*[A-Z]+\S* \d\d-\d\d \d\d:\d\d:\d\d \[[^]]*\]\s*(?P<message>.*)$"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """The end of a part. `pattern` is searched in a line's message; `last` takes the last such line, not the first."""

    part: str
    pattern: re.Pattern[str]
    last: bool = False


# In the order they happen. With the executor `uni` the worker lives in the engine core: its part then is short.
MARKS = (
    Mark("python, imports, checks, plan", re.compile(r"^engine_memory$"), last=True),
    Mark("vLLM import (service process)", re.compile(r"^listening$")),
    Mark("engine configuration", re.compile(r"^Chunked prefill is enabled")),
    Mark("engine core: spawn, import", re.compile(r"^Initializing a V1 LLM engine")),
    Mark("worker: spawn, import, set-up", re.compile(r"^Starting to load model")),
    Mark("weights: read", re.compile(r"^Loading weights took")),
    Mark("weights: repack; KV cache: size", re.compile(r"KV cache size: [\d,]+ tokens")),
    Mark("KV cache: allocate; engine warm-up", re.compile(r"^init engine \(")),
)
_LOADED = "engine client, tokenizer, handlers"
_WARMED = "service warm-up requests"
_READY = "ready seen by a probe"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a start, in seconds."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the service. `missing` names marks that no line matched."""

    parts: tuple[Part, ...]
    total: float
    missing: tuple[str, ...]


def split_start(lines: Sequence[LogLine], ready_after: float) -> Start:
    """Split a start into its parts.

    lines        what the process wrote, in order
    ready_after  when a probe first found it ready, in seconds from the spawn
    """
    messages = [(line.at, *read_message(line.text)) for line in lines if line.at <= ready_after]
    ends: list[tuple[str, float]] = []
    missing: list[str] = []
    for mark in MARKS:
        after = ends[-1][1] if ends else 0.0
        found = [at for at, message, _ in messages if at >= after and mark.pattern.search(message)]
        if found:
            ends.append((mark.part, found[-1 if mark.last else 0]))
        else:
            missing.append(mark.part)
    ready_event = next(((at, event) for at, name, event in messages if name == "engine_ready"), None)
    if ready_event is None:
        missing += [_LOADED, _WARMED]
    else:
        at, event = ready_event
        ends += [(_LOADED, at - float(event.get("warmup_seconds") or 0)), (_WARMED, at)]
    ends.append((_READY, ready_after))
    starts = [0.0, *(end for _, end in ends)]
    # `warmup_seconds` has one decimal, so the part before it may come out a few hundredths below zero.
    parts = tuple(Part(name, max(0.0, end - begin)) for (name, end), begin in zip(ends, starts, strict=False))
    return Start(parts, ready_after, tuple(missing))


def read_message(text: str) -> tuple[str, dict[str, Any]]:
    """Give a line's message and, for a JSON line, its fields."""
    if text.startswith("{"):
        try:
            event = cast("dict[str, Any]", json.loads(text))
        except json.JSONDecodeError:
            return text, {}
        return str(event.get("event", "")), event
    vllm = _VLLM_LINE.match(text)
    return (vllm["message"] if vllm else text), {}
