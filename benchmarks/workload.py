"""What is asked, and when: prompts and arrival times, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Route = Literal["/generate", "/v1/completions"]

_TASKS = (
    "Parse an ISO 8601 duration such as PT1H30M into seconds.",
    "Merge overlapping intervals, given as pairs of integers.",
    "Compute the Levenshtein distance of two strings.",
    "Group the words of a text by their first letter.",
    "Convert a Roman numeral to an integer and refuse invalid ones.",
    "Find the k most frequent items of a list.",
    "Flatten a nested dictionary into dotted keys.",
    "Validate an IPv4 address without regular expressions.",
    "Implement a bounded queue with a blocking put.",
    "Rotate a matrix by ninety degrees in place.",
    "Compute a moving average over a stream of numbers.",
    "Topologically sort a graph and report a cycle.",
)
_BEGINNINGS = (
    "def read_config(path):\n    ",
    "class LinkedList:\n    def __init__(self):\n        ",
    "def binary_search(items, wanted):\n    low, high = 0, len(items)\n    ",
    "import json\n\n\ndef load_records(lines):\n    ",
    "def is_prime(number):\n    if number < 2:\n        ",
    "from collections import deque\n\n\ndef breadth_first(graph, start):\n    ",
)


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request."""

    route: Route
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request and when it must be sent, in seconds from the start."""

    at: float
    call: Call


def poisson_times(rate: float, seconds: float, seed: int) -> list[float]:
    """Give arrival times of a Poisson process: independent exponential gaps of mean 1/rate, ascending."""
    source = random.Random(seed)  # noqa: S311 - a reproducible schedule, nothing secret
    times: list[float] = []
    at = source.expovariate(rate)
    while at < seconds:
        times.append(at)
        at += source.expovariate(rate)
    return times


def schedule(
    routes: tuple[Route, ...], rate: float, seconds: float, *, seed: int, max_tokens: int
) -> list[Arrival]:
    """Give the requests of an open-loop run; each takes one of the routes at random."""
    # A source of its own: other prompts must not shift the arrivals.
    source = random.Random(f"prompts {seed}")  # noqa: S311
    return [
        Arrival(at, _call(source.choice(routes), source, max_tokens))
        for at in poisson_times(rate, seconds, seed)
    ]


def _call(route: Route, source: random.Random, max_tokens: int) -> Call:
    common = {"max_tokens": max_tokens, "temperature": 0.2, "seed": source.randrange(1 << 31), "stream": True}
    if route == "/generate":
        return Call(route, {"prompt": source.choice(_TASKS), "language": "python", **common})
    body = {"prompt": source.choice(_BEGINNINGS), **common, "stream_options": {"include_usage": True}}
    return Call(route, body)


def counting_prompts(first: int) -> Iterator[str]:
    """Give prompts of one length whose greedy answer never ends by itself: a list that counts on.

    first  number of the first prompt; different numbers share no prefix-cache block, since they differ early
    """
    number = first
    while True:
        start = 10_000 + 83 * number % 80_000
        yield f"# {number:05d}: identifiers, one to a line\nids = [\n    {start},\n    {start + 1},\n    {start + 2},\n"
        number += 1


def counting_call(prompt: str, max_tokens: int, *, streaming: bool) -> Call:
    """Give the greedy completion of a counting prompt. Every field that changes sampling is written out."""
    body: dict[str, Any] = {
        "prompt": prompt,
        "max_tokens": max_tokens,
        "temperature": 0.0,
        "top_p": 1.0,
        "repetition_penalty": 1.0,
        "stream": streaming,
    }
    if streaming:
        body["stream_options"] = {"include_usage": True}
    return Call("/v1/completions", body)


def code_beginnings(first: int) -> Iterator[str]:
    """Give beginnings of Python files, each with a number at its head; see `counting_prompts` for `first`."""
    number = first
    while True:
        yield f"# File {number:05d}.\n{_BEGINNINGS[number % len(_BEGINNINGS)]}"
        number += 1


def masked_call(prompt: str, max_tokens: int, *, masked: bool) -> Call:
    """Give the greedy completion of a beginning of code, with or without the mask; its end is biased away."""
    body: dict[str, Any] = {
        "prompt": prompt,
        "max_tokens": max_tokens,
        "temperature": 0.0,
        "stream": False,
        # Qwen2.5's ends of text: both arms run to their budget.
        "logit_bias": {"151643": -100.0, "151645": -100.0},
    }
    if masked:
        body["codefusion"] = {"syntax": "enforce", "language": "python"}
    return Call("/v1/completions", body)
