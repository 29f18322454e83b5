"""How a request's steering reaches the workers: one string in `SamplingParams.extra_args`.

    service ── SteeringSpec ──► extra_args["codefusion_steering"] ──► every worker: service/vllm_plugin/steering_feed.py

The service checks a request's knobs against its vectors; the spec carries them with the vectors' hash, so that a worker
which loaded others never takes them for the same. Both sides import this module; it knows neither.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from adapters import Mix

VERSION = 1
# A name of vLLM's `extra_args`, which its OpenAI handlers call `vllm_xargs`; no client can set either.
EXTRA_KEY = "codefusion_steering"
_FIELDS = {"version", "digest", "knobs"}
_MAX_STYLES = 64


class SteeringSpecError(ValueError):
    """A text that is no steering spec of this version."""


@dataclass(frozen=True, slots=True)
class SteeringSpec:
    """What steers one request. `digest` is the StyleLibrary's that the mix was checked against."""

    mix: Mix
    digest: str

    def to_wire(self) -> str:
        """Give the text for `extra_args`."""
        return json.dumps({"version": VERSION, "digest": self.digest, "knobs": dict(self.mix.knobs)})

    @property
    def salt(self) -> str:
        """What tells this request's cached hidden states from those of any other."""
        return f"steering/{VERSION}:{self.digest}:{self.mix.key}"

    @classmethod
    def from_wire(cls, text: object) -> SteeringSpec:
        """Read a spec back. Raises SteeringSpecError."""
        try:
            values = json.loads(text) if isinstance(text, str) else None
        except ValueError as error:
            raise SteeringSpecError(f"expected a steering spec as JSON: {error}") from error
        if not isinstance(values, dict) or set(values) != _FIELDS:
            raise SteeringSpecError(f"expected a JSON text with the fields {', '.join(sorted(_FIELDS))}")
        if values["version"] != VERSION:
            raise SteeringSpecError(
                f"expected a steering spec of version {VERSION}, got {values['version']!r}"
            )
        if not isinstance(values["digest"], str):
            raise SteeringSpecError(f"digest: expected a text, got {type(values['digest']).__name__}")
        return cls(Mix(_knobs(values["knobs"])), values["digest"])


def _knobs(values: Any) -> tuple[tuple[str, float], ...]:
    if not isinstance(values, dict) or not 0 < len(values) <= _MAX_STYLES:
        raise SteeringSpecError(f"knobs: expected 1 to {_MAX_STYLES} styles")
    for name, knob in values.items():
        if isinstance(knob, bool) or not isinstance(knob, int | float) or not 0 < abs(knob) <= 1:
            raise SteeringSpecError(f"knobs.{name[:64]}: expected a number of -1 to 1 other than 0")
    return tuple(sorted((name, float(knob)) for name, knob in values.items()))
