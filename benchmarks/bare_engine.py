"""vLLM without the service: AsyncLLM in this process, with the engine arguments of the service's plan.

    python -m benchmarks.bare_engine '{"engine_args": …, "environment": …, "cases": [ … ], "warmup": { … }}'

Prints `{"ready": true}` once the engine is up, then one line of JSON for each case, each after MARK: vLLM's log and
progress bars go to the same pipe. Without engine arguments the service's FakeEngine takes vLLM's place, for rehearsals.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any, Protocol

import uvicorn

from benchmarks.closed_loop import Answer, Case, Run, run_case
from benchmarks.workload import counting_call, counting_prompts

MARK = "@result "
Generate = Callable[[str], Awaitable[Answer]]


class BareEngine(Protocol):
    """Whatever answers greedy completions in this process."""

    def generator(self, case: Case) -> Generate:
        """Give the function that answers one prompt as the case asks."""
        ...

    async def shutdown(self) -> None:
        """End the engine's processes."""
        ...


class _Vllm:
    def __init__(self, engine_args: dict[str, Any]) -> None:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        self._client = AsyncLLM.from_engine_args(AsyncEngineArgs(**engine_args))
        self._ids = itertools.count()

    def generator(self, case: Case) -> Generate:
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        # What vLLM's own handlers ask for, streamed and whole.
        kind = RequestOutputKind.DELTA if case.streaming else RequestOutputKind.FINAL_ONLY
        parameters = SamplingParams(max_tokens=case.max_tokens, temperature=0.0, output_kind=kind)

        async def generate(prompt: str) -> Answer:
            text, prompt_tokens, completion_tokens = "", 0, 0
            outputs = self._client.generate(prompt, parameters, f"bare-{next(self._ids)}")
            async with aclosing(outputs):
                async for output in outputs:
                    prompt_tokens = len(output.prompt_token_ids or ()) or prompt_tokens
                    text += output.outputs[0].text
                    completion_tokens += len(output.outputs[0].token_ids)
            return Answer(prompt_tokens, completion_tokens, text)

        return generate

    async def shutdown(self) -> None:
        await asyncio.to_thread(self._client.shutdown)


class _Fake:
    def __init__(self) -> None:
        from service.fake_engine import FakeEngine

        self._engine = FakeEngine()

    def generator(self, case: Case) -> Generate:
        from service.engine import OpenAICall

        async def generate(prompt: str) -> Answer:
            body = counting_call(prompt, case.max_tokens, streaming=False).body
            result = await self._engine.complete(OpenAICall("bare", body, cache_salt=""))
            assert isinstance(result, dict)
            usage = result["usage"]
            return Answer(usage["prompt_tokens"], usage["completion_tokens"], result["choices"][0]["text"])

        return generate

    async def shutdown(self) -> None:
        pass


def main() -> int:
    """Run the cases of the request on the command line; give the exit code."""
    request: dict[str, Any] = json.loads(sys.argv[1])
    os.environ.update(request["environment"])
    # The event loop the service has, so that the arms differ in nothing but the service.
    loop_factory = uvicorn.Config(lambda: None, log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner, suppress(asyncio.CancelledError):
        runner.run(_run(request))
    return 0


async def _run(request: dict[str, Any]) -> None:
    # Told to end early, we still end the engine's processes.
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    engine: BareEngine = _Vllm(request["engine_args"]) if request["engine_args"] else _Fake()
    try:
        await _run_case(engine, Case(**request["warmup"]))
        _say({"ready": True})
        for case in request["cases"]:
            _say({"run": (await _run_case(engine, Case(**case))).as_dict()})
    finally:
        await engine.shutdown()


async def _run_case(engine: BareEngine, case: Case) -> Run:
    return await run_case(case, counting_prompts(case.first_prompt), engine.generator(case))


def _say(message: dict[str, Any]) -> None:
    # A line of its own, whatever a progress bar left unfinished before it.
    print(f"\n{MARK}{json.dumps(message)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
