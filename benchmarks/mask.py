"""Tokens per second with the syntax mask against those without, in one service.

    batch 1   off │ masked   off │ masked …     one engine; the arms alternate from round to round
    batch 8   …                                 the same prompts in both, greedy, ends of text biased away

Prompts are beginnings of Python code that the model goes on writing: statements, calls, strings, comments, so that
rows of the mask are of every kind. Rates count the tokens that were generated; a masked answer ends a few tokens early,
where its budget runs out. Budgets vary from prompt to prompt, alike in both arms: with one for all, answers without a
mask would end together and those with it one after the other, in batches that thin out.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from benchmarks.client import connect, require_ready, send
from benchmarks.closed_loop import Answer, Case, Run, run_case
from benchmarks.errors import BenchmarkError
from benchmarks.progress import Steps
from benchmarks.report import Section, Table, number
from benchmarks.stats import Spread
from benchmarks.workload import code_beginnings, masked_call

_REQUEST_SECONDS = 900.0
_CLOSING_CHARS = 40
_NOTES = (
    "Rates: median over the rounds (lowest to highest). Ratio: of the medians (range of the rounds' own ratios).",
    "Added: what one step of the whole batch takes longer with the mask.",
    "Same: prompts that both arms continue alike while warming up, but for 40 characters where the mask closes.",
    "Greedy texts may differ without a mask, too: bfloat16 sums depend on the batch.",
)


@dataclass(frozen=True, slots=True)
class MaskPlan:
    """What to compare."""

    batches: tuple[int, ...] = (1, 8, 32)
    rounds: int = 3
    requests_each: int = 2
    max_tokens: int = 64
    goal: float = 0.98

    def cases(self) -> list[Case]:
        """Give the cases, each with prompts of its own."""
        cases: list[Case] = []
        first_prompt = 100
        for batch in self.batches:
            each = self.requests_each * (2 if batch == 1 else 1)
            cases.append(
                Case(
                    batch,
                    streaming=False,
                    requests_each=each,
                    max_tokens=self.max_tokens,
                    first_prompt=first_prompt,
                )
            )
            first_prompt += cases[-1].num_requests
        return cases

    @property
    def num_steps(self) -> int:
        """Steps of progress."""
        return len(self.batches) * (1 + 2 * self.rounds)


@dataclass
class MaskResult:
    """Runs of one case, a pair for each round, and the first round's texts."""

    case: Case
    off: list[Run] = field(default_factory=list[Run])
    masked: list[Run] = field(default_factory=list[Run])
    texts: dict[bool, list[str]] = field(default_factory=dict[bool, list[str]])

    @property
    def ratio(self) -> float:
        """Masked over off, of the medians."""
        return self._rate(self.masked).median / self._rate(self.off).median

    @property
    def ratios(self) -> Spread:
        """The rounds' own ratios."""
        pairs = zip(self.masked, self.off, strict=True)
        return Spread(tuple(masked.tokens_per_second / off.tokens_per_second for masked, off in pairs))

    @property
    def added_seconds(self) -> float:
        """What the mask adds to one step of the whole batch."""
        masked, off = self._rate(self.masked).median, self._rate(self.off).median
        return self.case.concurrency * (1 / masked - 1 / off)

    @property
    def same_answers(self) -> float:
        """Share of prompts that both arms continue alike."""
        pairs = list(zip(self.texts[False], self.texts[True], strict=True))
        return sum(off.startswith(masked[:-_CLOSING_CHARS]) for off, masked in pairs) / len(pairs)

    @staticmethod
    def _rate(runs: list[Run]) -> Spread:
        return Spread(tuple(run.tokens_per_second for run in runs))

    def row(self, goal: float) -> tuple[str, ...]:
        """Give the table's row."""
        return (
            str(self.case.concurrency),
            _spread(self._rate(self.off)),
            _spread(self._rate(self.masked)),
            f"{self.ratio:.3f} ({self.ratios.low:.3f} - {self.ratios.high:.3f})",
            number(self.added_seconds * 1000, 2),
            f"{self.same_answers:.0%}",
            "pass" if self.ratio >= goal else "MISS",
        )

    def as_dict(self) -> dict[str, Any]:
        """Give the runs as JSON values."""
        return {
            "case": asdict(self.case),
            "ratio": self.ratio,
            "off": [run.as_dict() for run in self.off],
            "masked": [run.as_dict() for run in self.masked],
        }


async def measure_mask(base_url: str, plan: MaskPlan, steps: Steps) -> list[MaskResult]:
    """Run the cases. Raises BenchmarkError if a request fails."""
    async with connect(base_url) as client:
        await require_ready(client)
        return [await _measure(client, plan, case, steps) for case in plan.cases()]


async def _measure(client: httpx.AsyncClient, plan: MaskPlan, case: Case, steps: Steps) -> MaskResult:
    result = MaskResult(case)
    steps.begin(f"batch {case.concurrency}: warming up")
    # Prompts of both arms are then in the prefix cache, and rows that they need have been met once.
    for masked in (False, True):
        result.texts[masked] = (await _run(client, case, masked=masked))[1]
    steps.done()
    for round_number in range(plan.rounds):
        order = (False, True) if round_number % 2 == 0 else (True, False)
        for masked in order:
            steps.begin(
                f"batch {case.concurrency}, round {round_number + 1}: {'masked' if masked else 'off'}"
            )
            run, _ = await _run(client, case, masked=masked)
            (result.masked if masked else result.off).append(run)
            steps.done()
    return result


async def _run(client: httpx.AsyncClient, case: Case, *, masked: bool) -> tuple[Run, list[str]]:
    texts: dict[str, str] = {}
    prompts = list(itertools.islice(code_beginnings(case.first_prompt), case.num_requests))
    budgets = {prompt: case.max_tokens * (6 + number % 5) // 8 for number, prompt in enumerate(prompts)}

    async def generate(prompt: str) -> Answer:
        exchange = await send(client, masked_call(prompt, budgets[prompt], masked=masked), _REQUEST_SECONDS)
        if not exchange.is_ok:
            raise BenchmarkError(
                f"batch {case.concurrency}: a request ended with {exchange.outcome!r}; expected an answer."
            )
        texts[prompt] = exchange.text
        return Answer(exchange.prompt_tokens, exchange.completion_tokens, exchange.text)

    try:
        run = await run_case(case, prompts, generate)
    except* BenchmarkError as group:
        raise group.exceptions[0] from None
    return run, [texts[prompt] for prompt in prompts]


def mask_section(results: list[MaskResult], plan: MaskPlan) -> Section:
    """Give the table."""
    how = f"{plan.rounds} rounds, greedy, {plan.max_tokens * 3 // 4} to {plan.max_tokens * 5 // 4} tokens a request"
    title = f"With the syntax mask ÷ without, tokens/s: {how}"
    columns = ("batch", "off", "masked", "ratio", "added, ms", "same", f"≥ {plan.goal:g}")
    rows = tuple(result.row(plan.goal) for result in results)
    data = {"plan": asdict(plan), "cases": [result.as_dict() for result in results]}
    return Section("mask", (Table(title, columns, rows, _NOTES),), data)


def _spread(spread: Spread) -> str:
    digits = 1 if spread.median < 1000 else 0
    median, low, high = (number(value, digits) for value in (spread.median, spread.low, spread.high))
    return f"{median} ({low} - {high})"
