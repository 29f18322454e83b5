"""The OpenAI requests this service honours. Fields it would have to ignore are refused by name.

`stream_options`, tools and the like keep OpenAI's shape; vLLM's handlers give them their meaning.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from service.schemas.common import (
    CodeFusionOptions,
    Items,
    Off,
    RequestModel,
    Seed,
    StopStrings,
    Table,
    Temperature,
    TopP,
    few_keys,
)

Penalty = Annotated[float, Field(ge=-2.0, le=2.0)]
# No vocabulary has more; larger numbers do not fit the engine's messages.
TokenId = Annotated[int, Field(ge=0, le=2**31 - 1)]
LogitBias = Annotated[
    dict[Annotated[str, Field(pattern=r"^[0-9]{1,9}$")], Annotated[float, Field(ge=-100.0, le=100.0)]],
    BeforeValidator(few_keys),
]
FunctionName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
JsonObject = dict[str, Any]


class StreamOptions(RequestModel):
    """Options of a stream."""

    include_usage: bool | None = Field(default=None, description="Send one more chunk with the usage.")


class TextPart(RequestModel):
    """A part of a message. Only text: this service fetches no URL and decodes no media."""

    type: Literal["text"]
    text: str


class FunctionCall(RequestModel):
    """A call the model made."""

    name: FunctionName
    arguments: str = Field(description="A JSON object, serialised.")


class ToolCall(RequestModel):
    """A call the model made, with its id."""

    id: str = Field(max_length=128)
    type: Literal["function"] = "function"
    function: FunctionCall


class Message(RequestModel):
    """One turn of a chat."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Items[TextPart] | None = None
    name: str | None = Field(default=None, max_length=64)
    tool_calls: Items[ToolCall] | None = None
    tool_call_id: str | None = Field(default=None, max_length=128)
    refusal: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.role == "tool" and self.tool_call_id is None:
            raise ValueError("a message of the role tool needs tool_call_id")
        if self.content is None and not (self.role == "assistant" and (self.tool_calls or self.refusal)):
            raise ValueError(f"a message of the role {self.role} needs content")
        return self


class FunctionSpec(RequestModel):
    """A function the model may call."""

    name: FunctionName
    description: str | None = None
    parameters: JsonObject | None = Field(default=None, description="A JSON schema.")
    strict: bool | None = None


class Tool(RequestModel):
    """A tool the model may use."""

    type: Literal["function"]
    function: FunctionSpec


class NamedFunction(RequestModel):
    """The name of a function."""

    name: FunctionName


class NamedToolChoice(RequestModel):
    """Demand one function."""

    type: Literal["function"]
    function: NamedFunction


class JsonSchema(RequestModel):
    """A JSON schema the answer must keep to."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    schema_: JsonObject = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(RequestModel):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class _Sampling(RequestModel):
    model: str | None = Field(default=None, description="Default: the one model that is loaded.")
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: LogitBias | None = Field(
        default=None, description="Token ids to what is added to their logits."
    )
    n: Annotated[int, Field(ge=1)] | None = Field(default=None, description="Answers to generate.")
    seed: Seed | None = None
    stop: StopStrings = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: Annotated[int, Field(ge=-1, le=1_000_000)] | None = Field(
        default=None, description="vLLM's extension."
    )
    min_p: Annotated[float, Field(ge=0.0, le=1.0)] | None = Field(
        default=None, description="vLLM's extension."
    )
    repetition_penalty: Annotated[float, Field(gt=0.0, le=2.0)] | None = Field(
        default=None, description="vLLM's extension."
    )
    user: str | None = Field(
        default=None, max_length=64, description="Not used; the tenant comes from the key."
    )
    codefusion: CodeFusionOptions | None = Field(default=None, description="This service's own options.")


class ChatCompletionBody(_Sampling):
    """`POST /v1/chat/completions`."""

    messages: Annotated[Items[Message], Field(min_length=1)]
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = Field(default=None, description="The older name.")
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    response_format: ResponseFormat | None = None
    tools: Items[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | None = None
    parallel_tool_calls: bool | None = None
    metadata: Table[str] | None = Field(default=None, max_length=16, description="Not stored.")
    store: Off | None = Field(default=None, description="This service stores nothing.")
    service_tier: Literal["auto", "default"] | None = None
    modalities: Items[Literal["text"]] | None = None


class CompletionBody(_Sampling):
    """`POST /v1/completions`. With `suffix` the model fills the gap between `prompt` and `suffix`."""

    prompt: str | Items[str] | Items[TokenId] = Field(
        description="One text, a list with one text, or token ids. Special tokens spelt out in it are special "
        "(raw route), except together with `suffix`."
    )
    suffix: str | None = Field(default=None, description="Code right of the gap.")
    max_tokens: Annotated[int, Field(ge=0)] | None = Field(
        default=16, description="0 only together with `echo`."
    )
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = Field(
        default=None, description="Alternatives per token."
    )
    echo: bool | None = Field(default=None, description="Return the prompt before the answer.")
    best_of: Annotated[int, Field(ge=1)] | None = Field(default=None, description="Only equal to `n`.")
