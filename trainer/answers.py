"""Asks a running service and keeps each answer on disk at once, so that an interrupted run goes on where it was.

A file is JSON lines: {"key": [...], "code": "..."}; the key says what was asked for. Answers are greedy.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.progress import Progress

from trainer.errors import ServiceError, WorkError

Key = tuple[Any, ...]
_CONCURRENT = 32
_TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One /generate request. `key` names it within its file; `body` is sent on top of the common fields."""

    key: Key
    body: dict[str, Any] = field(hash=False)


class AnswerFile:
    """Answers by key, in a file that only grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[Key, str] = {}
        if path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
                self._take(line, number)

    def _take(self, line: str, number: int) -> None:
        if not line.strip():
            return
        try:
            row = json.loads(line)
            self.answers[tuple(row["key"])] = row["code"]
        except (ValueError, KeyError, TypeError) as error:
            raise WorkError(f"{self.path}:{number}: expected a line with key and code: {error}") from error

    def add(self, key: Key, code: str) -> None:
        """Keep one answer."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": list(key), "code": code}) + "\n")
        self.answers[key] = code


def ask_all(url: str, asks: Sequence[Ask], into: AnswerFile, *, max_tokens: int, title: str) -> None:
    """Ask what the file lacks. Raises ServiceError; what has come stays in the file."""
    missing = [ask for ask in asks if ask.key not in into.answers]
    if missing:
        asyncio.run(_ask_all(url, missing, into, max_tokens, title))


async def _ask_all(url: str, asks: Iterable[Ask], into: AnswerFile, max_tokens: int, title: str) -> None:
    waiting = list(asks)
    with Progress() as progress:
        bar = progress.add_task(title, total=len(waiting))
        async with httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_SECONDS) as client:

            async def work() -> None:
                while waiting:
                    ask = waiting.pop(0)
                    into.add(ask.key, await _ask(client, ask, max_tokens))
                    progress.advance(bar)

            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(_CONCURRENT):
                        group.create_task(work())
            except* ServiceError as errors:
                raise errors.exceptions[0] from None


async def _ask(client: httpx.AsyncClient, ask: Ask, max_tokens: int) -> str:
    body = {"language": "python", "temperature": 0.0, "max_tokens": max_tokens, **ask.body}
    try:
        response = await client.post("/generate", json=body)
    except httpx.HTTPError as error:
        raise ServiceError(f"{client.base_url} does not answer: {error!r}") from error
    if not response.is_success:
        raise ServiceError(f"{client.base_url}: {response.status_code}: {response.text[:500]}")
    return response.json()["code"]
