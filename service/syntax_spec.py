"""How a request's syntax mask reaches the engine, and how what the mask did comes back.

    service ── SyntaxSpec ──► StructuredOutputsParams.grammar ──► engine core: service/vllm_plugin
    service ◄─ SyntaxReport ─ EngineCoreOutput ◄──────────────── one per candidate

The spec is one line of JSON in a comment of an EBNF grammar that allows everything: vLLM's front end checks the
grammar and passes the text on unread. Both sides of the engine import this module; it knows neither.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

VERSION = 1
REPORT_KEY = "codefusion-syntax"
_HEAD = f"# codefusion-syntax/{VERSION} "
_ANY_HEAD = "# codefusion-syntax/"
# A grammar of xgrammar's that takes every text.
_RULES = "\nroot ::= [^\\x00]*\n"

# The first three are code from the first token to the last; fenced is prose with code in Markdown fences.
Mode = Literal["whole", "continuation", "infilling", "fenced"]
MODES: tuple[Mode, ...] = get_args(Mode)


class SyntaxSpecError(ValueError):
    """A text that begins as a spec and is none of this version."""


@dataclass(frozen=True, slots=True)
class SyntaxSpec:
    """What to hold an answer to.

    language        name in `grammar.LANGUAGES`; for `fenced`, the language of a fence without a label, or ""
    mode            what of the answer is code, and what stands around it
    prefix, suffix  code left and right of the answer; a suffix of None is the end of the file
    may_end_anywhere  the answer may end wherever it is viable (its right context could not be used)
    degraded        what of the request could not be held to, in words for the report

    A stop id of the request that is a fence ends code as the end-of-text token does: where the code can end.
    """

    language: str
    mode: Mode = "whole"
    prefix: str = ""
    suffix: str | None = None
    may_end_anywhere: bool = False
    degraded: str | None = None

    def to_grammar(self) -> str:
        """Give the text for `StructuredOutputsParams.grammar`."""
        return _HEAD + json.dumps(asdict(self)) + _RULES

    @classmethod
    def from_grammar(cls, text: str) -> SyntaxSpec | None:
        """Read a spec back; None for a grammar that is somebody's own. Raises SyntaxSpecError."""
        if not text.startswith(_ANY_HEAD):
            return None
        line = text.partition("\n")[0]
        if not line.startswith(_HEAD):
            version = line.removeprefix(_ANY_HEAD).split(" ", 1)[0]
            raise SyntaxSpecError(
                f"expected a syntax spec of version {VERSION}, got version {version[:20]!r}"
            )
        try:
            values = json.loads(line[len(_HEAD) :])
        except json.JSONDecodeError as error:
            raise SyntaxSpecError(f"expected a syntax spec as JSON: {error}") from error
        return cls(**_checked(values))


_TYPES: dict[str, tuple[type, ...]] = {
    "language": (str,),
    "mode": (str,),
    "prefix": (str,),
    "suffix": (str, type(None)),
    "may_end_anywhere": (bool,),
    "degraded": (str, type(None)),
}


def _checked(values: Any) -> dict[str, Any]:
    if not isinstance(values, dict) or set(values) != set(_TYPES):
        raise SyntaxSpecError(f"expected the fields {', '.join(_TYPES)}")
    for name, types in _TYPES.items():
        if not isinstance(values[name], types):
            raise SyntaxSpecError(f"{name}: expected {types[0].__name__}, got {type(values[name]).__name__}")
    if values["mode"] not in MODES:
        raise SyntaxSpecError(f"mode: expected one of {', '.join(MODES)}; got {values['mode']!r}")
    return values


NUM_TIME_BUCKETS = 21


@dataclass(slots=True)
class SyntaxCounts:
    """What the mask did to one candidate.

    mode              the spec's
    tokens            tokens generated
    masked_steps      steps whose row was not all ones
    changed_tokens    steps in which the model's likeliest token was not allowed; None: not counted here
    closing_forced    the budget ran out and only a way to the end was left open
    bounds_hit        steps in which a bound on blank lines, comments or brackets closed something
    degraded          why the mask did less than was asked for
    permissive        an error inside the mask switched it off for this candidate
    fill_microseconds number of fills by time: bucket i counts those below 2**i µs
    max_fill_microseconds  the slowest one
    all_fills_microseconds  all together
    """

    mode: str = "whole"
    tokens: int = 0
    masked_steps: int = 0
    changed_tokens: int | None = None
    closing_forced: bool = False
    bounds_hit: int = 0
    degraded: str | None = None
    permissive: bool = False
    fill_microseconds: list[int] = field(default_factory=lambda: [0] * NUM_TIME_BUCKETS)
    max_fill_microseconds: float = 0.0
    all_fills_microseconds: float = 0.0

    def timed(self, microseconds: float) -> None:
        """Count one fill."""
        bucket = min(NUM_TIME_BUCKETS - 1, int(microseconds).bit_length())
        self.fill_microseconds[bucket] += 1
        self.all_fills_microseconds += microseconds
        self.max_fill_microseconds = max(self.max_fill_microseconds, microseconds)

    @property
    def median_fill_microseconds(self) -> float:
        """Upper edge of the bucket that holds the median; 0 without fills."""
        half, seen = (sum(self.fill_microseconds) + 1) // 2, 0
        for i, count in enumerate(self.fill_microseconds):
            seen += count
            if count and seen >= half:
                return float(2**i)
        return 0.0

    def to_wire(self) -> list[Any]:
        """Give the values as msgpack takes them."""
        return [getattr(self, f.name) for f in fields(self)]

    @classmethod
    def from_wire(cls, values: list[Any]) -> SyntaxCounts:
        """Take the values back."""
        return cls(*values)


@dataclass(slots=True)
class SyntaxTask:
    """A spec on its way through the engine, and the counts of each candidate that come back."""

    spec: SyntaxSpec
    counts: dict[int, SyntaxCounts] = field(default_factory=dict[int, SyntaxCounts])
