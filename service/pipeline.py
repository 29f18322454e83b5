"""One request, step by step: check, lay out the prompt, wait for a seat, generate, extract, choose, report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from functools import cached_property, partial

from service.admission import Admission
from service.answers import Answer, select_best
from service.deadline import within
from service.engine import Engine, GenerationRequest, Sampling
from service.errors import BadRequestError
from service.example_runner import ExampleRunner
from service.example_task import example_task
from service.generate_job import Choice, Job, Progress, parts_of, text_length
from service.generate_report import generate_report
from service.keys import Principal
from service.languages import Language, language
from service.limits import check_generate, check_masked
from service.prompt import (
    STOP_TOKENS,
    Prompt,
    PromptError,
    PromptParts,
    PromptTooLongError,
    fit,
)
from service.prompt_encoder import PromptEncoder
from service.retrieval import Question, Retrieval, Retriever
from service.salt import CacheSalts
from service.schemas.generate import (
    GenerateRequest,
    GenerateResponse,
)
from service.settings import Settings
from service.styles import StylePlanner
from service.syntax import SyntaxPlanner, UnjoinableSuffixError, is_masked
from service.syntax_report import unjoinable_suffix
from service.syntax_spec import SyntaxSpec, SyntaxTask

# An answer shorter than this is of no use: a chat prompt that leaves less room is refused instead.
_LEAST_ANSWER_TOKENS = 16
# Tokenising takes about a millisecond per 8 KB: longer texts go to a thread, so that nobody else's stream waits.
_LONG_TEXT_CHARS = 8192
# How tokenizers may spell a closing fence in one token.
_FENCES = ("```", " ```", "```\n", " ```\n", "\n```", "\n```\n", "```\n\n", "\n\n```")


class GeneratePipeline:
    """What `POST /generate` does. One for the whole service; holds no state between requests."""

    def __init__(
        self,
        engine: Engine,
        admission: Admission,
        salts: CacheSalts,
        settings: Settings,
        examples: ExampleRunner,
        planner: SyntaxPlanner,
        styles: StylePlanner,
        retriever: Retriever,
    ) -> None:
        self._engine = engine
        self._planner = planner
        self._styles = styles
        self._retriever = retriever
        self._admission = admission
        self._salts = salts
        self._examples = examples
        self._limits = settings.limits
        self._defaults = settings.generate
        self._snippet_share = settings.retrieval.context_share

    @cached_property
    def _encoder(self) -> PromptEncoder:
        # The tokenizer is there once the engine is up, and no request comes before.
        return PromptEncoder(self._engine.tokenizer)

    @cached_property
    def _stop_token_ids(self) -> tuple[int, ...]:
        added = self._engine.tokenizer.get_added_vocab()
        return tuple(added[token] for token in STOP_TOKENS if token in added)

    @cached_property
    def _fence_token_ids(self) -> tuple[int, ...]:
        """Tokens that are a closing fence: under the mask they come only where the code can end, and end it."""
        return tuple(
            ids[0]
            for text in _FENCES
            if len(ids := self._engine.tokenizer.encode(text, add_special_tokens=False)) == 1
        )

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
        if request.syntax == "enforce":
            check_masked(request.language or self._defaults.language, "language")
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
        job = await self._prepare(request, principal, request_id, started)
        answers = [job.new_answer(open_fence=self._defaults.open_fence) for _ in range(request.candidates)]
        streams = len(answers) == 1
        first_token: float | None = None
        cached = 0
        budget = job.max_tokens * (request.candidates + job.num_stages - 1)
        task = SyntaxTask(job.syntax) if job.syntax else None
        async with (
            self._admission.enter(principal, sequences=request.candidates, tokens=budget) as seat,
            AsyncExitStack() as stack,
        ):
            headers.update(seat.rate_headers)
            for number in range(1, job.num_stages):
                job = await self._after_stage(job, principal, number)
            deltas = await stack.enter_async_context(
                aclosing(self._engine.generate(self._engine_request(job, principal, task)))
            )
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
        counts = task.counts.get(choice.index) if task else None
        is_valid = await self._is_valid(job, answers[choice.index])
        progress = Progress(seat.queue_seconds, first_token, cached, is_valid, counts)
        yield generate_report(self._engine.model.name, job, answers, choice, progress)

    async def _after_stage(self, job: Job, principal: Principal, number: int) -> Job:
        """Answer one stage of a staged prompt; give the job of the next one, whose prompt goes on from this one's."""
        task = SyntaxTask(job.syntax) if job.syntax else None
        asked = self._engine_request(job, principal, task)
        sampling = replace(asked.sampling, n=1, logprobs=False)
        asked = replace(asked, request_id=f"{job.request_id}-stage{number}", sampling=sampling)
        answer = job.new_answer(open_fence=self._defaults.open_fence)
        async with aclosing(self._engine.generate(asked)) as deltas:
            async for delta in deltas:
                answer.add(delta)
                if answer.is_complete and not answer.has_ended:
                    break
        parts = replace(job.parts, answers=(*(job.parts.answers or ()), answer.code))
        context = self._engine.model.max_model_len
        prompt = await self._fit(parts, context - _LEAST_ANSWER_TOKENS)
        max_tokens = min(job.request.max_tokens, context - len(prompt.token_ids))
        tokens = job.stage_tokens + answer.num_tokens
        return replace(job, parts=parts, prompt=prompt, max_tokens=max_tokens, stage_tokens=tokens)

    async def _prepare(
        self, request: GenerateRequest, principal: Principal, request_id: str, started: float
    ) -> Job:
        wanted = language(request.language or self._defaults.language)
        if request.prompting == "staged" and not wanted.is_code:
            raise BadRequestError(
                f'prompting "staged" writes code step by step; expected "single" for {wanted.name}.',
                param="prompting",
                code="conflicting_options",
            )
        examples = example_task(request, wanted.name) if request.select == "examples" else None
        if examples is not None:
            await self._examples.require(examples)
        steering = self._styles.plan(request)
        retrieval = await self._retrieve(request, principal)
        parts = parts_of(request, wanted, retrieval)
        context = self._engine.model.max_model_len
        if request.is_completion:
            room = context - min(request.max_tokens, context // 4)
        else:
            room = context - _LEAST_ANSWER_TOKENS
        prompt = await self._fit(parts, room)
        max_tokens = min(request.max_tokens, context - len(prompt.token_ids))
        syntax = await self._plan_syntax(request, wanted)
        return Job(
            request_id,
            request,
            wanted,
            prompt,
            max_tokens,
            started,
            examples,
            parts,
            retrieval,
            syntax,
            steering,
        )

    async def _retrieve(self, request: GenerateRequest, principal: Principal) -> Retrieval | None:
        if request.retrieval is False:
            return None
        words = "\n".join(filter(None, (request.prompt, request.signature)))
        question = Question(words, request.prefix or "", request.suffix or "")
        return await self._retriever.retrieve(request.retrieval, question, principal.tenant)

    async def _plan_syntax(self, request: GenerateRequest, wanted: Language) -> SyntaxSpec | None:
        if request.syntax == "off" or not is_masked(wanted.name):
            return None
        if not (request.is_completion or self._defaults.open_fence):
            return self._planner.plan_fenced(wanted.name)
        try:
            return await asyncio.to_thread(
                self._planner.plan_code,
                wanted.name,
                request.prefix,
                request.suffix,
                needs_join=request.syntax == "enforce",
            )
        except UnjoinableSuffixError as error:
            raise unjoinable_suffix() from error

    async def _is_valid(self, job: Job, best: Answer) -> bool | None:
        if job.syntax is None:
            return None
        return await asyncio.to_thread(self._planner.is_valid, job.syntax, best.text)

    async def _choose(self, job: Job, answers: list[Answer], principal: Principal) -> Choice:
        """Choose the best answer. Its seats are free by now: running examples keeps nobody from the engine."""
        if job.examples is None:
            return Choice(select_best(answers))
        started = time.monotonic()
        programs = [job.program(answer.code) for answer in answers]
        passed = await self._examples.count_passed(programs, job.examples, principal.tenant)
        return Choice(select_best(answers, passed), passed, time.monotonic() - started)

    async def _fit(self, parts: PromptParts, room: int) -> Prompt:
        share = int(self._snippet_share * self._engine.model.max_model_len)
        laid_out = partial(
            fit, parts, self._encoder, room, open_fence=self._defaults.open_fence, max_snippet_tokens=share
        )
        try:
            if text_length(parts) < _LONG_TEXT_CHARS:
                return laid_out()
            return await asyncio.to_thread(laid_out)
        except PromptTooLongError as error:
            raise BadRequestError(
                f"The prompt has {error.prompt_tokens} tokens; this model takes at most {error.limit}.",
                param="prompt",
                code="context_length_exceeded",
            ) from error
        except PromptError as error:
            raise BadRequestError(f"prompt: {error}.", param="prompt") from error

    def _engine_request(self, job: Job, principal: Principal, task: SyntaxTask | None) -> GenerationRequest:
        request = job.request
        ends_at_fence = task is not None and task.spec.mode != "fenced" and job.opens_fence
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
                stop_token_ids=self._stop_token_ids + (self._fence_token_ids if ends_at_fence else ()),
                logprobs=request.candidates > 1,
            ),
            cache_salt=self._salts.salt_of(principal.tenant, job.steering),
            syntax=task,
            steering=job.steering,
        )


def stop_strings(stop: str | list[str] | None) -> tuple[str, ...]:
    """Give a request's stop strings as a tuple."""
    return (stop,) if isinstance(stop, str) else tuple(stop or ())
