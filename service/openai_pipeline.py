"""One OpenAI request, step by step: check, find the model, wait for a seat, hand it to the engine's handlers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import cached_property
from typing import Any

from service.admission import Admission
from service.deadline import within
from service.engine import Engine, OpenAICall, OpenAIResult
from service.errors import BadRequestError, NotFoundError
from service.keys import Principal
from service.languages import language
from service.limits import check_chat, check_completion
from service.openai_retrieval import FoundSnippets, last_words, put_into_chat
from service.prompt import STOP_TOKENS, PromptError, PromptParts, fit
from service.prompt_encoder import PromptEncoder
from service.retrieval import Question, Retriever
from service.salt import CacheSalts
from service.schemas.openai import ChatCompletionBody, CompletionBody
from service.settings import Settings
from service.snippets import NO_REPOSITORY
from service.steering_spec import SteeringSpec
from service.styles import StylePlanner
from service.styles import report as steering_report
from service.syntax import SyntaxPlanner, UnjoinableSuffixError
from service.syntax_report import MaskedAnswers, unjoinable_suffix
from service.syntax_spec import SyntaxSpec
from service.validation import quoted

# Accepted because they change nothing here, and not handed on.
_OURS = {"codefusion", "metadata", "store", "service_tier", "modalities", "user", "best_of", "suffix"}
# What the event with the report has of the one before it.
_FRAME = ("id", "object", "created", "model")
Call = Callable[[OpenAICall], Awaitable[OpenAIResult]]


class OpenAIPipeline:
    """What the /v1 routes do. One for the whole service; holds no state between requests."""

    def __init__(
        self,
        engine: Engine,
        admission: Admission,
        salts: CacheSalts,
        settings: Settings,
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
        self._limits = settings.limits
        self._snippet_share = settings.retrieval.context_share

    @cached_property
    def _encoder(self) -> PromptEncoder:
        return PromptEncoder(self._engine.tokenizer)

    def chat(
        self, body: ChatCompletionBody, principal: Principal, request_id: str, headers: dict[str, str]
    ) -> AsyncGenerator[dict[str, Any] | str, None]:
        """Yield the JSON texts of a chat's stream, or one whole answer. Raises ServiceError.

        headers  of the answer; what is left of the key's rates is put there before the first item
        """
        check_chat(body, self._limits)
        self._check_model(body.model)
        max_tokens = body.max_completion_tokens or body.max_tokens or self._limits.max_tokens
        wire = self._wire(body)
        wire.pop("max_tokens", None)
        wire["max_completion_tokens"] = min(max_tokens, self._engine.model.max_model_len)
        wire["messages"] = [_message(message) for message in wire["messages"]]
        return self._run(body, wire, principal, request_id, headers, self._engine.chat)

    def complete(
        self, body: CompletionBody, principal: Principal, request_id: str, headers: dict[str, str]
    ) -> AsyncGenerator[dict[str, Any] | str, None]:
        """Yield the JSON texts of a completion's stream, or one whole answer; `headers` as in `chat`."""
        check_completion(body, self._limits)
        self._check_model(body.model)
        wire = self._wire(body)
        if isinstance(body.prompt, list) and body.prompt and isinstance(body.prompt[0], str):
            wire["prompt"] = body.prompt[0]
        wire["max_tokens"] = min(self._completion_tokens(body), self._engine.model.max_model_len)
        return self._run(body, wire, principal, request_id, headers, self._engine.complete)

    def _completion_tokens(self, body: CompletionBody) -> int:
        return self._limits.max_tokens if body.max_tokens is None else body.max_tokens

    def _wire(self, body: ChatCompletionBody | CompletionBody) -> dict[str, Any]:
        wire = body.model_dump(by_alias=True, exclude_none=True, exclude=_OURS)
        return {**wire, "model": self._engine.model.name}

    def _check_model(self, name: str | None) -> None:
        served = self._engine.model.name
        if name is not None and name != served:
            raise NotFoundError(
                f"model: expected {served!r}, the one served here; got {quoted(name)}.",
                param="model",
                code="model_not_found",
            )

    async def _run(
        self,
        body: ChatCompletionBody | CompletionBody,
        wire: dict[str, Any],
        principal: Principal,
        request_id: str,
        headers: dict[str, str],
        call_engine: Call,
    ) -> AsyncGenerator[dict[str, Any] | str, None]:
        steps = self._steps(body, wire, principal, request_id, headers, call_engine)
        async with aclosing(within(self._limits.deadline_seconds, steps)) as items:
            async for item in items:
                yield item

    async def _steps(
        self,
        body: ChatCompletionBody | CompletionBody,
        wire: dict[str, Any],
        principal: Principal,
        request_id: str,
        headers: dict[str, str],
        call_engine: Call,
    ) -> AsyncGenerator[dict[str, Any] | str, None]:
        steering = self._styles.plan(body.codefusion, prefix="codefusion.")
        found = await self._retrieve(body, principal)
        prompt_ids = None
        if isinstance(body, CompletionBody):
            prompt_ids = await self._fim_prompt(body, wire, headers, found)
        elif found is not None:
            context = self._engine.model.max_model_len
            found.used = await asyncio.to_thread(
                put_into_chat,
                wire["messages"],
                found.repository,
                self._encoder,
                context,
                self._max_snippet_tokens,
            )
        spec = await self._plan_syntax(body)
        masked = MaskedAnswers(spec, self._planner) if spec else None
        num_answers = body.n or 1
        max_tokens = wire.get("max_completion_tokens") or wire.get("max_tokens") or 1
        task = masked.task if masked else None
        salt = self._salts.salt_of(principal.tenant, steering)
        call = OpenAICall(request_id, wire, salt, prompt_ids, task, steering)
        budget = num_answers * max_tokens
        async with self._admission.enter(principal, sequences=num_answers, tokens=budget) as seat:
            headers.update(seat.rate_headers)
            result = await call_engine(call)
            if isinstance(result, dict):
                yield {**result, **await _report(body, masked, steering, found, result)}
                return
            last = "{}"
            async with aclosing(result) as events:
                async for event in events:
                    if masked is not None:
                        masked.read(event)
                    last = event
                    yield event
            if report := await _report(body, masked, steering, found):
                frame = {name: value for name, value in json.loads(last).items() if name in _FRAME}
                yield {**frame, "choices": [], **report}

    async def _plan_syntax(self, body: ChatCompletionBody | CompletionBody) -> SyntaxSpec | None:
        options = body.codefusion
        if options is None or options.syntax == "off":
            return None
        if isinstance(body, ChatCompletionBody):
            return self._planner.plan_fenced(options.language)
        prompt = body.prompt[0] if isinstance(body.prompt, list) else body.prompt
        assert isinstance(prompt, str), "limits.py"
        assert options.language is not None, "limits.py"
        try:
            return await asyncio.to_thread(
                self._planner.plan_code, options.language, prompt, body.suffix, needs_join=True
            )
        except UnjoinableSuffixError as error:
            raise unjoinable_suffix() from error

    @property
    def _max_snippet_tokens(self) -> int:
        return int(self._snippet_share * self._engine.model.max_model_len)

    async def _retrieve(
        self, body: ChatCompletionBody | CompletionBody, principal: Principal
    ) -> FoundSnippets | None:
        options = body.codefusion.retrieval if body.codefusion else False
        if options is False:
            return None
        if isinstance(body, ChatCompletionBody):
            question = Question(last_words(body.model_dump()["messages"]))
        else:
            prefix = body.prompt[0] if isinstance(body.prompt, list) else body.prompt
            question = Question(prefix=str(prefix), suffix=body.suffix or "")
        retrieval = await self._retriever.retrieve(
            options, question, principal.tenant, "codefusion.retrieval"
        )
        return FoundSnippets(retrieval)

    async def _fim_prompt(
        self,
        body: CompletionBody,
        wire: dict[str, Any],
        headers: dict[str, str],
        found: FoundSnippets | None,
    ) -> tuple[int, ...] | None:
        """Lay out prompt and suffix as a gap to fill. Its text is plain: no special token can hide in it.

        What has to be cut to fit the context is said in a header, which OpenAI's body has no place for.
        """
        if body.suffix is None:
            return None
        prefix = body.prompt[0] if isinstance(body.prompt, list) else body.prompt
        named = body.codefusion.language if body.codefusion else None
        parts = PromptParts(
            language(named or "text"),
            prefix=str(prefix),
            suffix=body.suffix,
            repository=found.repository if found else NO_REPOSITORY,
        )
        context = self._engine.model.max_model_len
        room = context - min(wire["max_tokens"], context // 4)
        try:
            prompt = await asyncio.to_thread(
                fit, parts, self._encoder, room, max_snippet_tokens=self._max_snippet_tokens
            )
        except PromptError as error:
            raise BadRequestError(f"prompt: {error}.", param="prompt") from error
        if found is not None:
            found.used = prompt.snippets
        if prompt.trimmed_prefix_chars or prompt.trimmed_suffix_chars:
            headers["x-codefusion-trimmed-chars"] = (
                f"prefix={prompt.trimmed_prefix_chars}, suffix={prompt.trimmed_suffix_chars}"
            )
        added = self._engine.tokenizer.get_added_vocab()
        wire["stop_token_ids"] = [added[token] for token in STOP_TOKENS if token in added]
        return prompt.token_ids


def _message(message: dict[str, Any]) -> dict[str, Any]:
    # OpenAI's newer name for the system's role; Qwen's template knows the older one only.
    role = "system" if message["role"] == "developer" else message["role"]
    return {**message, "role": role}


async def _report(
    body: ChatCompletionBody | CompletionBody,
    masked: MaskedAnswers | None,
    steering: SteeringSpec | None,
    found: FoundSnippets | None,
    answer: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Say what became of the `codefusion` options, to whoever sent some."""
    if body.codefusion is None:
        return {}
    syntax: dict[str, Any] = {"enforced": False}
    if masked is not None:
        if answer is not None:
            masked.read_whole(answer)
        syntax = (await masked.report(echoed=_echoed(body))).model_dump()
    return {
        "codefusion": {
            "language": body.codefusion.language,
            "syntax": syntax,
            "steering": steering_report(steering),
            **(found.report() if found else {}),
        }
    }


def _echoed(body: ChatCompletionBody | CompletionBody) -> int:
    """Give how many characters of each answer are the prompt's."""
    if isinstance(body, CompletionBody) and body.echo:
        return len(body.prompt[0] if isinstance(body.prompt, list) else body.prompt)  # type: ignore[arg-type]
    return 0
