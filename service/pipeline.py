"""One request, step by step: check, lay out the prompt, wait for a seat, generate, extract, choose, report."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property

from service.admission import Admission
from service.answers import Answer, select_best
from service.deadline import within
from service.engine import Engine, GenerationRequest, Sampling
from service.errors import BadRequestError
from service.example_runner import ExampleRunner
from service.example_task import ExampleTask, example_task
from service.keys import Principal
from service.languages import Language, language
from service.limits import check_generate
from service.prompt import (
    STOP_TOKENS,
    Example,
    Form,
    Prompt,
    PromptError,
    PromptParts,
    PromptTooLongError,
    fit,
)
from service.prompt_encoder import PromptEncoder
from service.salt import CacheSalts
from service.schemas.common import Usage
from service.schemas.generate import (
    Candidate,
    CandidateReport,
    GenerateRequest,
    GenerateResponse,
    PromptReport,
    SyntaxReport,
    Timings,
)
from service.settings import Settings

# An answer shorter than this is of no use: a chat prompt that leaves less room is refused instead.
_LEAST_ANSWER_TOKENS = 16
# Tokenising takes about a millisecond per 8 KB: longer texts go to a thread, so that nobody else's stream waits.
_LONG_TEXT_CHARS = 8192
_VERBATIM = language("text")


@dataclass(frozen=True, slots=True)
class Job:
    """A checked request with its prompt."""

    request_id: str
    request: GenerateRequest
    language: Language
    prompt: Prompt
    max_tokens: int
    started: float
    examples: ExampleTask | None

    @property
    def opens_fence(self) -> bool:
        """Whether the prompt ends in an open code fence."""
        return self.prompt.form is Form.CHAT and self.language.is_code

    def new_answer(self, *, open_fence: bool) -> Answer:
        """Start a candidate. A completion is code as it comes; only a chat's answer has fences and prose."""
        extracted = self.language if self.prompt.form is Form.CHAT else _VERBATIM
        return Answer(extracted, is_open=open_fence and self.opens_fence)

    def program(self, code: str) -> str:
        """Give the program that an answer makes: a completion is only a part of one."""
        return f"{self.request.prefix or ''}{code}{self.request.suffix or ''}" if code else ""


@dataclass(frozen=True, slots=True)
class Progress:
    """Times and counts of a job that ran."""

    queue_seconds: float
    first_token_seconds: float | None
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Choice:
    """Which answer was chosen, and by what: the examples that each passed, where they were run."""

    index: int
    passed: list[int | None] | None = None
    seconds: float = 0.0


class GeneratePipeline:
    """What `POST /generate` does. One for the whole service; holds no state between requests."""

    def __init__(
        self,
        engine: Engine,
        admission: Admission,
        salts: CacheSalts,
        settings: Settings,
        examples: ExampleRunner,
    ) -> None:
        self._engine = engine
        self._admission = admission
        self._salts = salts
        self._examples = examples
        self._limits = settings.limits
        self._defaults = settings.generate

    @cached_property
    def _encoder(self) -> PromptEncoder:
        # The tokenizer is there once the engine is up, and no request comes before.
        return PromptEncoder(self._engine.tokenizer)

    @cached_property
    def _stop_token_ids(self) -> tuple[int, ...]:
        added = self._engine.tokenizer.get_added_vocab()
        return tuple(added[token] for token in STOP_TOKENS if token in added)

    async def run(
        self, request: GenerateRequest, principal: Principal, request_id: str, headers: dict[str, str]
    ) -> AsyncGenerator[str | GenerateResponse, None]:
        """Yield pieces of code as they become certain, then the report.

        Several candidates yield the code of the best one in one piece, since it is not known before the end.
        headers  of the answer; what is left of the key's rates is put there before the first piece
        Raises ServiceError. Closing the generator aborts the engine's request and frees the seat.
        """
        started = time.monotonic()
        check_generate(request, self._limits)
        steps = self._run(request, principal, request_id, headers, started)
        async with aclosing(within(self._limits.deadline_seconds, steps)) as pieces:
            async for piece in pieces:
                yield piece

    async def _run(
        self,
        request: GenerateRequest,
        principal: Principal,
        request_id: str,
        headers: dict[str, str],
        started: float,
    ) -> AsyncGenerator[str | GenerateResponse, None]:
        job = await self._prepare(request, request_id, started)
        answers = [job.new_answer(open_fence=self._defaults.open_fence) for _ in range(request.candidates)]
        streams = len(answers) == 1
        first_token: float | None = None
        cached = 0
        budget = job.max_tokens * request.candidates
        async with (
            self._admission.enter(principal, sequences=request.candidates, tokens=budget) as seat,
            aclosing(self._engine.generate(self._engine_request(job, principal))) as deltas,
        ):
            headers.update(seat.rate_headers)
            async for delta in deltas:
                first_token = first_token or time.monotonic() - started
                cached = max(cached, delta.cached_tokens)
                piece = answers[delta.index].add(delta)
                if streams and piece:
                    yield piece
                # What a model says after its code costs tokens and nobody reads it. Answers that the engine ended
                # end the loop by themselves: leaving it early would abort a finished request.
                if all(answer.is_complete for answer in answers) and not all(
                    answer.has_ended for answer in answers
                ):
                    break
        choice = await self._choose(job, answers, principal)
        if not streams:
            yield answers[choice.index].code
        yield self._report(job, answers, choice, Progress(seat.queue_seconds, first_token, cached))

    async def _prepare(self, request: GenerateRequest, request_id: str, started: float) -> Job:
        wanted = language(request.language or self._defaults.language)
        examples = example_task(request, wanted.name) if request.select == "examples" else None
        if examples is not None:
            await self._examples.require(examples)
        parts = _parts(request, wanted)
        context = self._engine.model.max_model_len
        if request.is_completion:
            room = context - min(request.max_tokens, context // 4)
        else:
            room = context - _LEAST_ANSWER_TOKENS
        prompt = await self._fit(parts, room)
        max_tokens = min(request.max_tokens, context - len(prompt.token_ids))
        return Job(request_id, request, wanted, prompt, max_tokens, started, examples)

    async def _choose(self, job: Job, answers: list[Answer], principal: Principal) -> Choice:
        """Choose the best answer. Its seats are free by now: running examples keeps nobody from the engine."""
        if job.examples is None:
            return Choice(select_best(answers))
        started = time.monotonic()
        programs = [job.program(answer.code) for answer in answers]
        passed = await self._examples.count_passed(programs, job.examples, principal.tenant)
        return Choice(select_best(answers, passed), passed, time.monotonic() - started)

    async def _fit(self, parts: PromptParts, room: int) -> Prompt:
        encoder, open_fence = self._encoder, self._defaults.open_fence
        try:
            if _text_length(parts) < _LONG_TEXT_CHARS:
                return fit(parts, encoder, room, open_fence=open_fence)
            return await asyncio.to_thread(fit, parts, encoder, room, open_fence=open_fence)
        except PromptTooLongError as error:
            raise BadRequestError(
                f"The prompt has {error.prompt_tokens} tokens; this model takes at most {error.limit}.",
                param="prompt",
                code="context_length_exceeded",
            ) from error
        except PromptError as error:
            raise BadRequestError(f"prompt: {error}.", param="prompt") from error

    def _engine_request(self, job: Job, principal: Principal) -> GenerationRequest:
        request = job.request
        return GenerationRequest(
            request_id=job.request_id,
            prompt_token_ids=job.prompt.token_ids,
            sampling=Sampling(
                max_tokens=job.max_tokens,
                n=request.candidates,
                temperature=request.temperature,
                top_p=request.top_p,
                seed=request.seed,
                stop=stop_strings(request.stop),
                stop_token_ids=self._stop_token_ids,
                logprobs=request.candidates > 1,
            ),
            cache_salt=self._salts.salt(principal.tenant),
        )

    def _report(
        self, job: Job, answers: list[Answer], choice: Choice, progress: Progress
    ) -> GenerateResponse:
        best = answers[choice.index]
        prompt_tokens = len(job.prompt.token_ids)
        completion_tokens = sum(answer.num_tokens for answer in answers)
        first_token = progress.first_token_seconds
        return GenerateResponse(
            id=job.request_id,
            model=self._engine.model.name,
            language=job.language.name,
            code=best.code,
            finish_reason=best.finish_reason,
            syntax=SyntaxReport(),
            retrieved=[],
            steering={},
            candidates=_candidates(job, answers, choice),
            prompt=PromptReport(
                trimmed_prefix_chars=job.prompt.trimmed_prefix_chars,
                trimmed_suffix_chars=job.prompt.trimmed_suffix_chars,
            ),
            usage=Usage(
                prompt_tokens=prompt_tokens,
                completion_tokens=completion_tokens,
                total_tokens=prompt_tokens + completion_tokens,
                cached_tokens=progress.cached_tokens,
            ),
            timings_ms=Timings(
                queue=_ms(progress.queue_seconds),
                examples=_ms(choice.seconds),
                first_token=None if first_token is None else _ms(first_token),
                total=_ms(time.monotonic() - job.started),
            ),
        )


def _candidates(job: Job, answers: list[Answer], choice: Choice) -> CandidateReport:
    passed: list[int | None] = choice.passed or [None] * len(answers)
    wanted = len(job.request.examples)
    return CandidateReport(
        generated=len(answers),
        passed_examples=None if choice.passed is None else passed.count(wanted),
        chosen=choice.index,
        each=[
            Candidate(
                passed_examples=count,
                mean_logprob=answer.mean_logprob if math.isfinite(answer.mean_logprob) else None,
                finish_reason=answer.finish_reason,
                code=answer.code if job.request.return_candidates else None,
            )
            for answer, count in zip(answers, passed, strict=True)
        ],
    )


def stop_strings(stop: str | list[str] | None) -> tuple[str, ...]:
    """Give a request's stop strings as a tuple."""
    return (stop,) if isinstance(stop, str) else tuple(stop or ())


def _parts(request: GenerateRequest, wanted: Language) -> PromptParts:
    return PromptParts(
        language=wanted,
        prompt=request.prompt,
        prefix=request.prefix,
        suffix=request.suffix,
        signature=request.signature,
        constraints=tuple(request.constraints),
        examples=tuple(Example(example.input, example.output) for example in request.examples),
    )


def _text_length(parts: PromptParts) -> int:
    examples = (text for example in parts.examples for text in (example.input, example.output))
    texts = (parts.prompt, parts.prefix, parts.suffix, parts.signature, *parts.constraints, *examples)
    return sum(len(text or "") for text in texts)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
