"""The contract between the service and whatever generates tokens.

`vllm_engine.py` is the real one and the only module that knows vLLM; `fake_engine.py` keeps the same contract
without a model. Nothing here knows HTTP.

A request's life:  submitted -> queued -> first token -> ... -> finished | aborted | failed
Abandoning the iterator (`aclose`, cancellation) aborts the request and frees its seat within one step.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from service.steering_spec import SteeringSpec
from service.syntax_spec import SyntaxCounts, SyntaxTask

FinishReason = Literal["stop", "length", "abort", "error"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose tokens. Units: `max_tokens` counts tokens per candidate."""

    max_tokens: int
    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    logprobs: bool = False


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt, as token ids, to be continued.

    syntax    what holds the answer to a grammar; its counts are complete when the last delta has come
    steering  what is added to the model's hidden states; part of what the salt is made of
    """

    request_id: str
    prompt_token_ids: tuple[int, ...]
    sampling: Sampling
    # Only requests with an equal salt share cached prompt beginnings. The server makes it, never a client.
    cache_salt: str
    syntax: SyntaxTask | None = None
    steering: SteeringSpec | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """What one candidate gained since its last delta.

    text           new text, special tokens left out; never cuts a character in half
    num_tokens     new tokens (stop token included)
    logprob_sum    sum of the log-probabilities of all its tokens so far, when asked for
    finish_reason  set in the candidate's last delta
    cached_tokens  prompt tokens found in the prefix cache
    """

    index: int
    text: str
    num_tokens: int
    logprob_sum: float | None = None
    finish_reason: FinishReason | None = None
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class RequestStats:
    """What the engine knows of one finished request. Times in seconds; None where it never got that far.

    styles  names of the control vectors that steered it
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    queue_seconds: float | None
    first_token_seconds: float | None
    inter_token_seconds: float | None
    outcome: Literal["finished", "aborted", "failed"]
    syntax: tuple[SyntaxCounts, ...] = ()
    styles: tuple[str, ...] = ()


class EngineObserver(Protocol):
    """Told of every request of every API shape, since all of them pass through the engine."""

    def request_finished(self, stats: RequestStats) -> None:
        """Take note of one request's end."""
        ...


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What clients may know of the loaded model. `max_model_len` counts prompt and answer, in tokens."""

    name: str
    max_model_len: int
    max_num_seqs: int
    created: int


@dataclass(frozen=True, slots=True)
class OpenAICall:
    """An OpenAI request, validated, with what the server adds to it.

    body               the request in OpenAI's form, only fields this service honours
    prompt_token_ids   replaces the prompt of a completion, when the service laid it out itself (FIM)
    syntax, steering   as in GenerationRequest
    """

    request_id: str
    body: dict[str, Any]
    cache_salt: str
    prompt_token_ids: tuple[int, ...] | None = None
    syntax: SyntaxTask | None = None
    steering: SteeringSpec | None = None


# A whole answer, or the JSON texts of a stream's events without the closing [DONE].
OpenAIResult = dict[str, Any] | AsyncGenerator[str, None]


class Tokenizer(Protocol):
    """What the service needs of a tokenizer. `transformers` tokenizers have it."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Give the token ids of a text; literals of added tokens become those tokens."""
        ...

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        """Give the text of token ids."""
        ...

    def get_added_vocab(self) -> dict[str, int]:
        """Give every added token, control tokens among them, with its id."""
        ...


class Engine(Protocol):
    """Generates tokens. Made ready by `start`, ended by `shutdown`; both are called once."""

    @property
    def model(self) -> ModelInfo:
        """What is loaded."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer."""
        ...

    @property
    def num_open(self) -> int:
        """How many requests are in the engine, waiting or running."""
        ...

    async def start(self, observer: EngineObserver) -> None:
        """Load the model and warm up. Raises ConfigurationError when it cannot."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        """Continue a prompt; deltas of several candidates come interleaved.

        Raises  EngineDeadError, also in mid-stream; BadRequestError if the prompt does not fit.
        """
        ...

    async def chat(self, call: OpenAICall) -> OpenAIResult:
        """Answer an OpenAI chat completion. Raises ServiceError."""
        ...

    async def complete(self, call: OpenAICall) -> OpenAIResult:
        """Answer an OpenAI completion. Raises ServiceError."""
        ...

    async def check_health(self) -> None:
        """Return if the engine is able to work; raise EngineDeadError if not."""
        ...

    async def shutdown(self) -> None:
        """End the engine and its processes. Open requests fail."""
        ...
