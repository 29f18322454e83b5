"""`POST /generate`: request, report, stream events."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from service.schemas.common import (
    Items,
    Knob,
    Off,
    RequestModel,
    RetrievalOptions,
    Seed,
    StopStrings,
    SyntaxReport,
    Table,
    Temperature,
    TopP,
    Usage,
    Verbosity,
)


class Example(RequestModel):
    """One input and the output expected for it."""

    input: str = Field(description="What goes in, as the caller would write it.")
    output: str = Field(description="What must come out.")


ExamplesForm = Literal["calls", "stdin"]


class ContextOptions(RequestModel):
    """Further context to fuse into the model's state."""

    comments: str | None = Field(default=None, description="Comments that belong to the code.")
    trace: str | None = Field(default=None, description="An execution trace.")


class GenerateRequest(RequestModel):
    """Code to be written, or a gap in code to be filled."""

    prompt: str | None = Field(
        default=None, description="What to write, in words. Required unless `prefix` or `suffix` is given."
    )
    language: str | None = Field(
        default=None, description="Programming language by name; `text` for plain text. Default: a setting."
    )
    prefix: str | None = Field(default=None, description="Code left of the gap; makes this a completion.")
    suffix: str | None = Field(default=None, description="Code right of the gap; makes this a completion.")
    signature: str | None = Field(
        default=None, description="A signature or skeleton the answer must keep to."
    )
    constraints: Items[str] = Field(default_factory=list, description="Conditions, one sentence each.")
    examples: Items[Example] = Field(default_factory=list[Example], description="Inputs with their outputs.")
    context: ContextOptions = Field(
        default_factory=ContextOptions, description="Not available in this build."
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
    prompting: Literal["single", "staged"] = Field(
        default="single",
        description="`staged`: description, signature, then requirements and examples are asked one after another, "
        "each with the code of the one before. Takes up to three times as long; not for gaps, not for plain text.",
    )
    syntax: Literal["enforce", "off"] | None = Field(
        default=None,
        description="`enforce`: only code that parses (python, java, go, javascript, typescript, tsx). "
        "Default: `enforce` for these, else `off`.",
    )
    candidates: Annotated[int, Field(ge=1)] = Field(
        default=1, description="How many answers to generate; the best one is returned."
    )
    select: Literal["logprob", "examples"] = Field(
        default="logprob",
        description="How to choose. `logprob`: highest mean log-probability per token. `examples`: each candidate is "
        "run on `examples` in a sandbox; those that pass most come first, then the likelier. Where nothing here may "
        "run code, `examples` is refused.",
    )
    examples_form: ExamplesForm = Field(
        default="calls",
        description="What `select: examples` runs. `calls`: `input` is an expression that calls the code, `output` "
        "one that its value equals (python, javascript, typescript). `stdin`: `input` is what the program reads, "
        "`output` what it prints (these, and java, c, cpp, go, rust, bash).",
    )
    return_candidates: bool = Field(
        default=False, description="Put the code of every candidate into the report."
    )
    max_tokens: Annotated[int, Field(ge=1)] = Field(
        default=512, description="Tokens of one candidate at most."
    )
    temperature: Temperature = Field(default=0.2, description="0 takes the likeliest token each time.")
    top_p: TopP = Field(default=1.0, description="Nucleus sampling.")
    seed: Seed | None = Field(default=None, description="Equal seeds give equal answers.")
    stop: StopStrings = Field(
        default=None, description="Strings that end the answer; they are not part of it."
    )
    stream: bool = Field(default=False, description="Answer as server-sent events.")

    @property
    def is_completion(self) -> bool:
        """Whether code around a gap was given."""
        return self.prefix is not None or self.suffix is not None


class RetrievedChunk(BaseModel):
    """One snippet that was found for the prompt."""

    id: str
    path: str = Field(description="Relative to the repository.")
    lines: tuple[int, int] = Field(description="First and last, counted from 1.")
    score: float = Field(
        description="How well it fits: cosine, or in an index of words the share of the request's words."
    )
    trimmed: bool = Field(default=False, description="Left out of the prompt: it had no room, whole.")


class RetrievalReport(BaseModel):
    """What became of `retrieval`."""

    index: str
    found: int = Field(description="Snippets that fit the request.")
    used: int = Field(description="Of these, in the prompt.")
    degraded: str | None = Field(description="Why the request went on without searching.")


class Candidate(BaseModel):
    """One answer: what was known when the best was chosen."""

    passed_examples: int | None = Field(
        default=None, description="How many examples it passed; null where they were not run to an end."
    )
    mean_logprob: float | None = Field(
        default=None, description="Mean log-probability per token; null for a single candidate."
    )
    finish_reason: Literal["stop", "length"] = Field(description="`length`: cut.")
    code: str | None = Field(default=None, description="Its code; null unless `return_candidates`.")


class CandidateReport(BaseModel):
    """How many answers were generated, how they did, and which was chosen."""

    generated: int
    passed_examples: int | None = Field(
        default=None, description="How many of them passed every example; null unless `select` is `examples`."
    )
    chosen: int = Field(default=0, description="Index of the one returned.")
    each: list[Candidate] = Field(default_factory=list[Candidate], description="In the order of generation.")


class PromptReport(BaseModel):
    """How it was asked: what was cut of `prefix` (its beginning) and `suffix` (its end), and in how many stages."""

    trimmed_prefix_chars: int = 0
    trimmed_suffix_chars: int = 0
    stages: int = Field(default=1, description="Prompts that were answered, the last one included.")


class Timings(BaseModel):
    """Milliseconds; null where a step never came."""

    queue: float = Field(description="Waiting for a seat.")
    retrieve: float = Field(default=0.0, description="Searching the index.")
    examples: float = Field(default=0.0, description="Running the examples.")
    first_token: float | None = Field(description="From arrival to the first token.")
    total: float = Field(description="From arrival to the end.")
    mask_p50_us: float = Field(default=0.0, description="Microseconds of one mask, median.")
    mask_max_us: float = Field(default=0.0, description="Microseconds of the slowest mask.")


class GenerateResponse(BaseModel):
    """The answer, and what was done to get it."""

    id: str = Field(description="The request id, also in the header X-Request-Id.")
    model: str = Field(description="The model that answered.")
    language: str = Field(description="The programming language it was asked for.")
    code: str = Field(description="Code only: no fence, no prose.")
    finish_reason: Literal["stop", "length"] = Field(
        description="`length`: cut by max_tokens or the context."
    )
    syntax: SyntaxReport
    retrieved: list[RetrievedChunk] = Field(description="Best first.")
    retrieval: RetrievalReport | None = Field(default=None, description="null: it was not asked for.")
    steering: dict[str, float] = Field(description="The knobs that were not 0, in steps of 0.01.")
    candidates: CandidateReport
    prompt: PromptReport
    usage: Usage
    timings_ms: Timings


class GenerateChunk(BaseModel):
    """One event of a stream: a piece of code. The last event is a whole GenerateResponse."""

    id: str
    delta: str


STREAM_EXAMPLE: dict[str, Any] = {
    "summary": "Pieces of code, then the full report, then [DONE]",
    "value": 'data: {"id":"req-1","delta":"def f"}\n\ndata: {"id":"req-1","code":"def f...", ...}\n\n'
    "data: [DONE]\n\n",
}
