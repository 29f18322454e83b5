"""VllmEngine: the service's engine contract kept by vLLM's AsyncLLM.

    service process                              engine process (own process group)
    VllmEngine ── ObservedAsyncLLM ── ZMQ ──►    EngineCore ── scheduler ── worker(s)
        └── OpenAI handlers (vLLM's) ──┘

Importing this package imports vLLM (6 s) and must come after the plan's environment variables are set.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, nullcontext
from typing import Any, cast

import structlog
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.inputs import TokensPrompt
from vllm.outputs import CompletionOutput
from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams
from vllm.v1.engine.exceptions import EngineDeadError as VllmEngineDeadError

from service.engine import (
    Delta,
    EngineObserver,
    FinishReason,
    GenerationRequest,
    ModelInfo,
    OpenAICall,
    OpenAIResult,
    Sampling,
    Tokenizer,
)
from service.errors import ConfigurationError, EngineDeadError, InternalError
from service.steering_spec import EXTRA_KEY, SteeringSpec
from service.syntax_spec import SyntaxTask
from service.vllm_engine.client import ObservedAsyncLLM
from service.vllm_engine.openai_handlers import OpenAIHandlers, build_handlers
from service.vllm_engine.translate import ENGINE_DEAD, to_service_error
from service.vllm_engine.warmup import warm_up

log = structlog.get_logger(__name__)

_PING_SECONDS = 5.0
_SHUTDOWN_SECONDS = 10.0


class VllmEngine:
    """A vLLM engine in processes of its own.

    engine_args           keyword arguments of vLLM's AsyncEngineArgs
    hang_timeout_seconds  a ping that takes longer than this means the engine hangs; it then counts as dead
    """

    def __init__(
        self,
        engine_args: Mapping[str, Any],
        *,
        served_name: str,
        tool_parser: str | None,
        start_timeout_seconds: float,
        hang_timeout_seconds: float,
        warmup: bool,
    ) -> None:
        self._engine_args = dict(engine_args)
        self._served_name = served_name
        self._tool_parser = tool_parser
        self._start_timeout = start_timeout_seconds
        self._hang_timeout = hang_timeout_seconds
        self._warmup = warmup
        self._started: _Running | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._dead = False

    @property
    def model(self) -> ModelInfo:
        """What is loaded."""
        return self._running.info

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer."""
        return self._running.handlers.tokenizer

    @property
    def num_open(self) -> int:
        """How many sequences are in the engine, waiting or running."""
        return self._running.client.get_num_unfinished_requests() if self._started else 0

    @property
    def _running(self) -> _Running:
        if self._started is None:
            raise RuntimeError("The engine has not been started.")
        return self._started

    async def start(self, observer: EngineObserver) -> None:
        """Load the model in a thread, so that health probes are answered meanwhile, and warm up."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self._start_timeout):
                client = await asyncio.to_thread(_build_client, self._engine_args)
        except TimeoutError as error:
            raise ConfigurationError(
                f"The engine did not start within {self._start_timeout:.0f} s (engine.start_timeout_seconds)."
            ) from error
        except Exception as error:
            raise ConfigurationError(f"The engine did not start: {error}") from error
        client.observer = _Silent()
        self._started = _Running(client, self._describe(client), self._build_handlers(client))
        loaded = time.monotonic()
        if self._warmup:
            await warm_up(self)
        client.observer = observer
        self._watcher = asyncio.create_task(self._watch(), name="engine-watch")
        log.info(
            "engine_ready",
            model=self._served_name,
            load_seconds=round(loaded - begun, 1),
            warmup_seconds=round(time.monotonic() - loaded, 1),
        )

    def _describe(self, client: ObservedAsyncLLM) -> ModelInfo:
        return ModelInfo(
            name=self._served_name,
            max_model_len=client.model_config.max_model_len,
            max_num_seqs=client.scheduler_config.max_num_seqs,
            created=int(time.time()),
        )

    def _build_handlers(self, client: ObservedAsyncLLM) -> OpenAIHandlers:
        return build_handlers(
            client,
            served_name=self._served_name,
            model_path=str(self._engine_args["model"]),
            tool_parser=self._tool_parser,
        )

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        """Continue a prompt; see the contract."""
        prompt = TokensPrompt(prompt_token_ids=list(request.prompt_token_ids), cache_salt=request.cache_salt)
        client = self._running.client
        params = _sampling_params(request.sampling, request.syntax, request.steering)
        outputs = client.generate(prompt, params, request.request_id)
        try:
            async with self._counting(request.request_id, request.syntax), aclosing(outputs):
                async for output in outputs:
                    cached = output.num_cached_tokens or 0
                    for candidate in output.outputs:
                        yield _delta(candidate, cached)
        except Exception as error:
            raise to_service_error(error) from error

    async def chat(self, call: OpenAICall) -> OpenAIResult:
        """Answer an OpenAI chat completion."""
        return await self._counted(f"chatcmpl-{call.request_id}", call, self._running.handlers.chat)

    async def complete(self, call: OpenAICall) -> OpenAIResult:
        """Answer an OpenAI completion."""
        return await self._counted(f"cmpl-{call.request_id}-0", call, self._running.handlers.complete)

    async def _counted(
        self, engine_id: str, call: OpenAICall, answer: Callable[[OpenAICall], Awaitable[OpenAIResult]]
    ) -> OpenAIResult:
        """Answer, with the reports of a masked request put into its task. `engine_id` is the name vLLM gives it."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._counting(engine_id, call.syntax))
            result = await answer(call)
            if isinstance(result, dict):
                return result
            return _closing(result, stack.pop_all())

    def _counting(self, engine_id: str, task: SyntaxTask | None) -> AbstractAsyncContextManager[None]:
        if task is None:
            return nullcontext()
        return self._running.client.syntax.watching(engine_id, task.counts)

    async def check_health(self) -> None:
        """Raise EngineDeadError if the engine died or hangs. Costs nothing: it asks no process."""
        if self._dead or (self._started is not None and self._started.client.errored):
            raise EngineDeadError(ENGINE_DEAD, retry_after=10)

    async def _watch(self) -> None:
        """Ping the engine's loop for as long as it lives: a stopped process is alive and answers nothing."""
        core = self._running.client.engine_core
        while not self._dead:
            await asyncio.sleep(_PING_SECONDS)
            try:
                await asyncio.wait_for(core.is_sleeping_async(), self._hang_timeout)
            except TimeoutError:
                log.error("engine_hangs", timeout_seconds=self._hang_timeout)
                self._dead = True
            except VllmEngineDeadError:
                self._dead = True

    async def shutdown(self) -> None:
        """End the engine's processes. Takes up to ten seconds."""
        if self._watcher is not None:
            self._watcher.cancel()
        if self._started is not None:
            client = self._started.client
            await asyncio.to_thread(client.shutdown, 0 if self._dead else _SHUTDOWN_SECONDS)


class _Running:
    """What exists once the engine is up."""

    def __init__(self, client: ObservedAsyncLLM, info: ModelInfo, handlers: OpenAIHandlers) -> None:
        self.client = client
        self.info = info
        self.handlers = handlers


class _Silent:
    def request_finished(self, stats: object) -> None:
        """Forget it: warm-up requests are nobody's."""


def _build_client(engine_args: dict[str, Any]) -> ObservedAsyncLLM:
    return cast("ObservedAsyncLLM", ObservedAsyncLLM.from_engine_args(AsyncEngineArgs(**engine_args)))


async def _closing(events: AsyncGenerator[str, None], stack: AsyncExitStack) -> AsyncGenerator[str, None]:
    async with stack, aclosing(events):
        async for event in events:
            yield event


def _sampling_params(
    sampling: Sampling, task: SyntaxTask | None, steering: SteeringSpec | None
) -> SamplingParams:
    return SamplingParams(
        n=sampling.n,
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=sampling.seed,
        stop=list(sampling.stop),
        stop_token_ids=list(sampling.stop_token_ids),
        logprobs=0 if sampling.logprobs else None,
        output_kind=RequestOutputKind.DELTA,
        structured_outputs=StructuredOutputsParams(grammar=task.spec.to_grammar()) if task else None,
        extra_args={EXTRA_KEY: steering.to_wire()} if steering else None,
    )


def _delta(candidate: CompletionOutput, cached_tokens: int) -> Delta:
    reason = candidate.finish_reason
    if reason == "error":
        raise InternalError("The engine failed on this request.")
    return Delta(
        index=candidate.index,
        text=candidate.text,
        num_tokens=len(candidate.token_ids),
        logprob_sum=candidate.cumulative_logprob,
        finish_reason=cast("FinishReason | None", reason),
        cached_tokens=cached_tokens,
    )
