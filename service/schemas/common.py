"""Types that several API shapes share."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from service.syntax_spec import Mode

T = TypeVar("T")
# pydantic lists every fault of a body, which takes seconds of the event loop for a megabyte of them.
_MAX_KEYS = 4096


def few_keys(value: Any) -> Any:
    """Refuse an object with more keys than anybody needs, before any of them is looked at."""
    if isinstance(value, dict) and len(value) > _MAX_KEYS:
        raise ValueError(f"expected at most {_MAX_KEYS} keys; got {len(value)}")
    return value


class RequestModel(BaseModel):
    """Base of every request: a field we do not know is refused, never skipped; `true` or "1" is no number."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _has_few_keys(cls, value: Any) -> Any:
        return few_keys(value)


def _is_false(value: Any) -> Any:
    # 0 equals False, which is all that Literal asks.
    if value is not False:
        raise ValueError("expected false")
    return value


Off = Annotated[Literal[False], BeforeValidator(_is_false)]
# A list that is refused at its first fault, and an object with a bounded number of keys.
Items = Annotated[list[T], Field(fail_fast=True)]
Table = Annotated[dict[str, T], BeforeValidator(few_keys)]
Knob = Annotated[float, Field(ge=-1.0, le=1.0)]
Verbosity = Knob | Literal["minimal", "normal", "detailed"]
Seed = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Temperature = Annotated[float, Field(ge=0.0, le=2.0)]
TopP = Annotated[float, Field(gt=0.0, le=1.0)]
StopStrings = str | Items[str] | None

VERBOSITY_WORDS = {"minimal": -1.0, "normal": 0.0, "detailed": 1.0}


def verbosity_value(verbosity: Verbosity) -> float:
    """Give the knob's value, -1 (minimal) to 1 (detailed)."""
    return VERBOSITY_WORDS[verbosity] if isinstance(verbosity, str) else verbosity


class RetrievalOptions(RequestModel):
    """Which indexed repository to look in, and how many snippets to take."""

    index: str = Field(
        default="default", pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="Name of the index."
    )
    k: int = Field(default=4, ge=1, le=32, description="Snippets at most.")
    path: str | None = Field(
        default=None,
        max_length=1024,
        description="The file that asks, relative to the repository: its own code is preferred.",
    )
    symbol: str | None = Field(
        default=None, max_length=256, description="The name that is written: code of this name is preferred."
    )


class CodeFusionOptions(RequestModel):
    """The service's own options, sent with OpenAI requests as the extra-body object `codefusion`."""

    language: str | None = Field(default=None, description="Programming language of the answer.")
    syntax: Literal["enforce", "off"] = Field(
        default="off",
        description="`enforce`: only code that parses. In a chat, inside the answer's fences; in a completion, "
        "together with `prompt` (and `suffix`), in `language`.",
    )
    verbosity: Verbosity = Field(
        default=0.0, description="-1 minimal to 1 detailed; 0 is the model as it is. See `GET /v1/styles`."
    )
    style: Table[Knob] = Field(
        default_factory=dict, description="Control vectors by name, -1 to 1. See `GET /v1/styles`."
    )
    retrieval: RetrievalOptions | Off = Field(
        default=False, description="Put code of an indexed repository into the prompt. See `GET /v1/indexes`."
    )


class SyntaxReport(BaseModel):
    """What the syntax mask did."""

    enforced: bool = Field(
        default=False, description="Whether the mask held from the first token to the last."
    )
    mode: Mode | None = Field(default=None, description="What was held to the grammar; null without a mask.")
    valid: bool | None = Field(
        default=None,
        description="Whether the code, in its place, is a valid program by the grammar; null where nothing checked it.",
    )
    changed_tokens: int | None = Field(
        default=None,
        description="Steps in which the model's likeliest token was not allowed; null: not counted.",
    )
    changed_share: float | None = Field(default=None, description="Their share of all tokens.")
    closing_forced: bool = Field(
        default=False, description="The budget ran out, and only a way to the end of the code was left open."
    )
    degraded: str | None = Field(default=None, description="Why the mask did less than was asked for.")


class Usage(BaseModel):
    """Tokens counted for one request."""

    prompt_tokens: int = Field(description="Tokens of the prompt.")
    completion_tokens: int = Field(description="Tokens generated, over all candidates.")
    total_tokens: int = Field(description="Their sum.")
    cached_tokens: int = Field(description="Prompt tokens found in the prefix cache.")


class HealthReport(BaseModel):
    """Answer of the health routes."""

    status: str = Field(description="`ok`, or why not.")


class ModelCard(BaseModel):
    """One model that can be asked for."""

    id: str = Field(description="The name to send as `model`.")
    object: Literal["model"] = "model"
    created: int = Field(description="When it was loaded, Unix time in seconds.")
    owned_by: str = "codefusion"
    max_model_len: int = Field(description="Context in tokens, prompt and answer.")


class ModelList(BaseModel):
    """Answer of `GET /v1/models`."""

    object: Literal["list"] = "list"
    data: list[ModelCard]
