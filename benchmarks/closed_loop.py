"""Closed loop: N clients, each sending its next request when its last one is answered. Knows no HTTP, no vLLM."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request gave."""

    prompt_tokens: int
    completion_tokens: int
    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured: so many clients, each with so many requests; streamed or in one body.

    first_prompt  number of its first prompt (see `workload.counting_prompts`); no two cases share one
    """

    concurrency: int
    streaming: bool
    requests_each: int
    max_tokens: int
    first_prompt: int

    @property
    def num_requests(self) -> int:
        """Requests in all."""
        return self.concurrency * self.requests_each

    @property
    def name(self) -> str:
        """How reports call it."""
        return f"batch {self.concurrency}, {'streamed' if self.streaming else 'whole'}"


@dataclass(frozen=True, slots=True)
class Run:
    """What one arm did with one case. `digests` are of the answers' texts, in the order of the prompts."""

    case: Case
    seconds: float
    prompt_tokens: int
    completion_tokens: int
    digests: tuple[str, ...]

    @property
    def tokens_per_second(self) -> float:
        """Tokens really generated, by the wall clock of the whole case."""
        return self.completion_tokens / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Run:
        """Undo `as_dict`."""
        case, digests = Case(**values["case"]), tuple(values["digests"])
        return cls(case, values["seconds"], values["prompt_tokens"], values["completion_tokens"], digests)


async def run_case(case: Case, prompts: Iterable[str], generate: Callable[[str], Awaitable[Answer]]) -> Run:
    """Have `concurrency` clients answer the prompts, and time from the first request to the last answer."""
    numbered = iter(enumerate(prompt for _, prompt in zip(range(case.num_requests), prompts, strict=False)))
    answers: dict[int, Answer] = {}

    async def client(work: Iterator[tuple[int, str]]) -> None:
        for number, prompt in work:
            answers[number] = await generate(prompt)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(case.concurrency):
            group.create_task(client(numbered))
    seconds = time.perf_counter() - begun
    ordered = [answers[number] for number in sorted(answers)]
    return Run(
        case=case,
        seconds=seconds,
        prompt_tokens=sum(answer.prompt_tokens for answer in ordered),
        completion_tokens=sum(answer.completion_tokens for answer in ordered),
        digests=tuple(hashlib.sha256(answer.text.encode()).hexdigest()[:16] for answer in ordered),
    )
