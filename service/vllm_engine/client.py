"""AsyncLLM that tells an observer how each request went.

Every API shape ends in `AsyncLLM.generate`, ours and vLLM's own OpenAI handlers alike, so one override sees all.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal

from typing_extensions import override
from vllm.outputs import RequestOutput
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.metrics.stats import RequestStateStats

from service.engine import EngineObserver, RequestStats
from service.steering_spec import EXTRA_KEY, SteeringSpec
from service.syntax_spec import SyntaxCounts
from service.vllm_engine.syntax_inbox import SyntaxInbox, say_length_where_closed


class RequestRecord:
    """What is counted of one request while it runs."""

    def __init__(self, styles: tuple[str, ...] = ()) -> None:
        self.styles = styles
        self.started = time.monotonic()
        self.last_output = self.started
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cached_tokens = 0
        self.first_token_seconds: float | None = None
        self.outcome: Literal["finished", "aborted", "failed"] = "aborted"
        self.syntax: dict[int, SyntaxCounts] = {}
        self._engine_stats: RequestStateStats | None = None

    def see(self, output: RequestOutput) -> None:
        """Count one output; each carries only tokens that none before it did."""
        self.last_output = time.monotonic()
        self.prompt_tokens = len(output.prompt_token_ids or ()) or self.prompt_tokens
        self.cached_tokens = output.num_cached_tokens or self.cached_tokens
        self.completion_tokens += sum(len(candidate.token_ids) for candidate in output.outputs)
        self._engine_stats = output.metrics or self._engine_stats
        if self.first_token_seconds is None and self.completion_tokens:
            self.first_token_seconds = self._first_token()

    def _first_token(self) -> float:
        # A non-streamed request yields once, at its end: only the engine knows when its first token came.
        stats = self._engine_stats
        if stats is not None and stats.first_token_latency > 0:
            return stats.first_token_latency
        return self.last_output - self.started

    def stats(self) -> RequestStats:
        """Give the figures of the finished request."""
        engine = self._engine_stats
        queue = inter_token = None
        if engine is not None and engine.queued_ts > 0 and engine.scheduled_ts > 0:
            queue = engine.scheduled_ts - engine.queued_ts
        if engine is not None and engine.first_token_ts > 0 and engine.num_generation_tokens > 1:
            inter_token = (engine.last_token_ts - engine.first_token_ts) / (engine.num_generation_tokens - 1)
        return RequestStats(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cached_tokens=self.cached_tokens,
            queue_seconds=queue,
            first_token_seconds=self.first_token_seconds,
            inter_token_seconds=inter_token,
            outcome=self.outcome,
            syntax=tuple(self.syntax.values()),
            styles=self.styles,
        )


class ObservedAsyncLLM(AsyncLLM):
    """AsyncLLM with an observer."""

    observer: EngineObserver

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.syntax = SyntaxInbox(self.output_processor)

    @override
    async def generate(
        self, prompt: Any, sampling_params: Any, request_id: str, **kwargs: Any
    ) -> AsyncGenerator[RequestOutput, None]:
        """Generate as AsyncLLM does, and report the request's end to the observer."""
        record = RequestRecord(_styles(sampling_params))
        try:
            # An abandoned async generator closes its inner one only when it is collected: aborting must not wait.
            async with (
                self.syntax.watching(request_id, record.syntax),
                aclosing(super().generate(prompt, sampling_params, request_id, **kwargs)) as outputs,
            ):
                async for output in outputs:
                    record.see(output)
                    say_length_where_closed(output, record.syntax)
                    yield output
            record.outcome = "finished"
        except EngineDeadError:
            record.outcome = "failed"
            raise
        finally:
            self.observer.request_finished(record.stats())


def _styles(sampling_params: Any) -> tuple[str, ...]:
    """Give the names of what steers a request."""
    text = (getattr(sampling_params, "extra_args", None) or {}).get(EXTRA_KEY)
    return tuple(name for name, _ in SteeringSpec.from_wire(text).mix.knobs) if text else ()
