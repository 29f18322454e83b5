"""An engine without a model, for tests and for working on the HTTP side.

It keeps the contract of `engine.py`: deltas, seats, aborts, deadlines, death. The answer is scripted: what
`FakeEngine.script` says, or a small function in a fence, one token a word. It knows no language and no sampling;
`seed` only numbers the answers of `n` candidates.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from service.engine import (
    Delta,
    EngineObserver,
    FinishReason,
    GenerationRequest,
    ModelInfo,
    OpenAICall,
    OpenAIResult,
    RequestStats,
    Sampling,
)
from service.errors import BadRequestError, EngineDeadError
from service.steering_spec import SteeringSpec

_SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
             "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>")  # fmt: skip
_FIRST_SPECIAL = 0x110000
# As in real vocabularies, a fence by itself is one token. Within a text it stays three characters here.
_FENCE, _FENCE_ID = "```", _FIRST_SPECIAL + len(_SPECIALS)
DEFAULT_ANSWER = "def answer(x):\n    return x + 1\n```"


class FakeTokenizer:
    """One id a character, and one for each of Qwen's control tokens."""

    def get_added_vocab(self) -> dict[str, int]:
        """Give the control tokens."""
        return {token: _FIRST_SPECIAL + i for i, token in enumerate(_SPECIALS)}

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Give the ids; control tokens spelt out become themselves, as in the real tokenizer."""
        del add_special_tokens
        if text == _FENCE:
            return [_FENCE_ID]
        added = self.get_added_vocab()
        pieces = re.split("(" + "|".join(map(re.escape, _SPECIALS)) + ")", text)
        return [id_ for piece in pieces for id_ in ([added[piece]] if piece in added else map(ord, piece))]

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        """Give the text."""
        names = {id_: "" if skip_special_tokens else token for token, id_ in self.get_added_vocab().items()}
        return "".join(names.get(id_) if id_ in names else chr(id_) for id_ in token_ids)  # type: ignore[misc]


@dataclass
class FakeEngine:
    """A scripted engine.

    script          what each request is answered with
    token_seconds   pause before each token; 0 still yields to the event loop
    start_seconds   pause in `start`
    """

    name: str = "fake"
    max_model_len: int = 4096
    max_num_seqs: int = 16
    script: str = DEFAULT_ANSWER
    token_seconds: float = 0.0
    start_seconds: float = 0.0
    requests: list[GenerationRequest | OpenAICall] = field(
        default_factory=list[GenerationRequest | OpenAICall]
    )
    tokenizer: FakeTokenizer = field(default_factory=FakeTokenizer)
    num_open: int = 0
    num_aborted: int = 0
    is_dead: bool = False
    _death: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _observer: EngineObserver | None = None

    @property
    def model(self) -> ModelInfo:
        """What is loaded."""
        return ModelInfo(self.name, self.max_model_len, self.max_num_seqs, created=1)

    async def start(self, observer: EngineObserver) -> None:
        """Pretend to load."""
        await asyncio.sleep(self.start_seconds)
        self._observer = observer

    def die(self) -> None:
        """Fail every open and later request, as when the engine's process is killed."""
        self.is_dead = True
        self._death.set()

    async def check_health(self) -> None:
        """Raise once `die` was called."""
        if self.is_dead:
            raise EngineDeadError("The engine stopped working.", retry_after=10)

    async def shutdown(self) -> None:
        """Nothing to end."""

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        """Answer with the script, one word a token, candidates interleaved."""
        self.requests.append(request)
        if len(request.prompt_token_ids) >= self.max_model_len:
            raise BadRequestError("The prompt does not fit.", code="context_length_exceeded")
        sampling = request.sampling
        if _FENCE_ID in sampling.stop_token_ids:
            sampling = replace(sampling, stop=(*sampling.stop, _FENCE))
        async for delta in self._tokens(len(request.prompt_token_ids), sampling, request.steering):
            yield delta

    async def _tokens(
        self, prompt_tokens: int, sampling: Sampling, steering: SteeringSpec | None
    ) -> AsyncGenerator[Delta, None]:
        record = _Record(prompt_tokens, steering)
        self.num_open += sampling.n
        try:
            words, reason = _script_words(self.script, sampling)
            for position, word in enumerate(words):
                await self._pause()
                await self.check_health()
                last = position == len(words) - 1
                for index in range(sampling.n):
                    record.see()
                    # A later candidate is likelier, so that a test can tell that the best one was chosen.
                    logprob_sum = (position + 1) * (index - 8.0) if sampling.logprobs else None
                    yield Delta(index, word, 1, logprob_sum, reason if last else None)
            record.outcome = "finished"
        except EngineDeadError:
            record.outcome = "failed"
            raise
        finally:
            self.num_open -= sampling.n
            self.num_aborted += record.outcome == "aborted"
            if self._observer is not None:
                self._observer.request_finished(record.stats())

    async def _pause(self) -> None:
        """Take a token's time, or less if the engine dies: a dead engine's requests fail at once."""
        if not self.token_seconds:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._death.wait(), self.token_seconds)

    async def chat(self, call: OpenAICall) -> OpenAIResult:
        """Answer with the script in OpenAI's chat form."""
        return await self._openai(call, "chat.completion", _chat_choice, _chat_chunk)

    async def complete(self, call: OpenAICall) -> OpenAIResult:
        """Answer with the script in OpenAI's completion form."""
        return await self._openai(call, "text_completion", _text_choice, _text_choice)

    async def _openai(self, call: OpenAICall, kind: str, choice: Any, chunk: Any) -> OpenAIResult:
        self.requests.append(call)
        body = call.body
        sampling = Sampling(
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens") or 4096,
            n=body.get("n") or 1,
        )
        frame = {"id": call.request_id, "object": kind, "created": 1, "model": self.name}
        deltas = self._tokens(len(call.prompt_token_ids or json.dumps(body)), sampling, call.steering)
        if body.get("stream"):
            return _chunks(
                deltas, {**frame, "object": kind.replace("chat.completion", "chat.completion.chunk")}, chunk
            )
        texts, reasons = [""] * sampling.n, ["stop"] * sampling.n
        num_tokens = 0
        async for delta in deltas:
            texts[delta.index] += delta.text
            reasons[delta.index] = delta.finish_reason or "stop"
            num_tokens += 1
        choices = [
            choice(i, text, reason) for i, (text, reason) in enumerate(zip(texts, reasons, strict=True))
        ]
        usage = {"prompt_tokens": 1, "completion_tokens": num_tokens, "total_tokens": 1 + num_tokens}
        return {**frame, "choices": choices, "usage": usage}


async def _chunks(
    deltas: AsyncGenerator[Delta, None], frame: dict[str, Any], chunk: Any
) -> AsyncGenerator[str, None]:
    async for delta in deltas:
        yield json.dumps({**frame, "choices": [chunk(delta.index, delta.text, delta.finish_reason)]})


def _chat_choice(index: int, text: str, reason: FinishReason | None) -> dict[str, Any]:
    return {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": reason}


def _chat_chunk(index: int, text: str, reason: FinishReason | None) -> dict[str, Any]:
    return {"index": index, "delta": {"content": text}, "finish_reason": reason}


def _text_choice(index: int, text: str, reason: FinishReason | None) -> dict[str, Any]:
    return {"index": index, "text": text, "finish_reason": reason, "logprobs": None}


def _script_words(script: str, sampling: Sampling) -> tuple[list[str], Literal["stop", "length"]]:
    for stop in sampling.stop:
        script = script.split(stop, 1)[0]
    words = re.findall(r"\s*\S+|\s+$", script) or [""]
    if len(words) > sampling.max_tokens:
        return words[: sampling.max_tokens], "length"
    return words, "stop"


class _Record:
    def __init__(self, prompt_tokens: int, steering: SteeringSpec | None) -> None:
        self._styles = tuple(name for name, _ in steering.mix.knobs) if steering else ()
        self._started = time.monotonic()
        self._prompt_tokens = prompt_tokens
        self._first: float | None = None
        self._num_tokens = 0
        self.outcome: Literal["finished", "aborted", "failed"] = "aborted"

    def see(self) -> None:
        self._num_tokens += 1
        self._first = self._first or time.monotonic() - self._started

    def stats(self) -> RequestStats:
        return RequestStats(
            self._prompt_tokens,
            self._num_tokens,
            0,
            0.0,
            self._first,
            None,
            self.outcome,
            styles=self._styles,
        )
