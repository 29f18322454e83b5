"""One small request per lazily built part, so that no user pays for it: log-probabilities, JSON schemas, syntax masks.

Measured on two cores: the log-probability path compiles a kernel on first use and stalls the whole engine for up to
24 s; the structured-output backend decodes the vocabulary in 1-1.4 s.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from service.engine import Engine, GenerationRequest, OpenAICall, Sampling
from service.syntax_spec import SyntaxSpec, SyntaxTask

_SALT = "warmup"


async def warm_up(engine: Engine) -> None:
    """Run a generation with log-probabilities, a chat with a JSON schema, a masked one; the answers are dropped."""
    await _generate(engine, None)
    await engine.chat(OpenAICall(request_id="warmup-chat", body=_chat_body(engine), cache_salt=_SALT))
    # The engine core makes the grammars ready beside its other work; this waits for them.
    await _generate(engine, SyntaxTask(SyntaxSpec("", "fenced")))


async def _generate(engine: Engine, task: SyntaxTask | None) -> None:
    request = GenerationRequest(
        request_id="warmup-generate" if task is None else "warmup-masked",
        prompt_token_ids=tuple(engine.tokenizer.encode("def add(a, b):\n", add_special_tokens=False)),
        sampling=Sampling(max_tokens=4, n=2, temperature=0.7, top_p=0.9, seed=1, logprobs=True),
        cache_salt=_SALT,
        syntax=task,
    )
    async with aclosing(engine.generate(request)) as deltas:
        async for _ in deltas:
            pass


def _chat_body(engine: Engine) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    return {
        "model": engine.model.name,
        "messages": [{"role": "user", "content": "Is this fine? Answer as JSON."}],
        "max_completion_tokens": 8,
        "temperature": 0.0,
        "logprobs": True,
        "top_logprobs": 1,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
    }
