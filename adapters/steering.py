"""From a request's knobs to what is added to the residual stream: a weighted sum of deltas per layer.

    {"verbosity": -0.5, "documented": 1.0} ──► Mix ──► float32[L, H], row i for `library.layers[i]`

Knows no engine. A style's knob runs from -1 to 1; its strength at the ends was found by calibration.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from adapters.control_vector import Array, ControlVector
from adapters.errors import KnobError, UnknownStyleError, VectorFileError

# Finer than anybody can tell apart, and coarse enough that equal wishes share cached prompt beginnings.
KNOB_STEP = 0.01
# Each style was calibrated alone. Two at their ends are as far as was ever measured.
MAX_TOTAL = 2.0
_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class Mix:
    """Knobs of one request, checked: names rising, multiples of KNOB_STEP, none of them 0. Empty: not steered."""

    knobs: tuple[tuple[str, float], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.knobs)

    @property
    def key(self) -> str:
        """A text that equal mixes share and different ones do not."""
        return ",".join(f"{name}={knob:+.2f}" for name, knob in self.knobs)


@dataclass(frozen=True, eq=False)
class StyleLibrary:
    """The vectors of one model; may be empty.

    layers  every layer that a vector steers, rising
    digest  hash over the vectors: two processes with an equal one mean the same by a mix
    """

    vectors: Mapping[str, ControlVector] = field(default_factory=dict[str, ControlVector])

    @classmethod
    def of(cls, vectors: Iterable[ControlVector]) -> StyleLibrary:
        """Put vectors together. Raises VectorFileError if they are of different models, or share a name."""
        found: dict[str, ControlVector] = {}
        for vector in sorted(vectors, key=lambda vector: vector.name):
            first = next(iter(found.values()), vector).header
            shape, other = (first.model, first.hidden_size, first.num_layers), vector.header
            if shape != (other.model, other.hidden_size, other.num_layers):
                raise VectorFileError(
                    f"{vector.name}: expected a vector for {first.model}, as {first.name} is; got one for {other.model}"
                )
            if vector.name in found:
                raise VectorFileError(f"{vector.name}: two vectors have this name")
            found[vector.name] = vector
        return cls(found)

    @classmethod
    def load(cls, folder: Path) -> StyleLibrary:
        """Read every *.safetensors of a folder, which may be missing or empty. Raises VectorFileError."""
        vectors: list[ControlVector] = []
        for path in sorted(folder.glob(f"*{_SUFFIX}")):
            vector = ControlVector.load(path)
            if path.name != vector.name + _SUFFIX:
                raise VectorFileError(
                    f"{path}: expected the name {vector.name}{_SUFFIX}, after the style in it"
                )
            vectors.append(vector)
        return cls.of(vectors)

    def __bool__(self) -> bool:
        return bool(self.vectors)

    @property
    def names(self) -> tuple[str, ...]:
        """Styles by name, rising."""
        return tuple(self.vectors)

    @property
    def layers(self) -> tuple[int, ...]:
        """Every layer that a vector steers, rising."""
        return tuple(sorted({layer for vector in self.vectors.values() for layer in vector.header.layers}))

    @property
    def digest(self) -> str:
        """Hash over the vectors."""
        parts = [f"{name}:{vector.digest()}" for name, vector in self.vectors.items()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def check_fits(self, *, hidden_size: int, num_layers: int) -> None:
        """Raise VectorFileError if the vectors are for a model of another shape."""
        for vector in self.vectors.values():
            header = vector.header
            if (header.hidden_size, header.num_layers) != (hidden_size, num_layers):
                raise VectorFileError(
                    f"{vector.name}: made for {header.model} with {header.num_layers} layers of "
                    f"{header.hidden_size}; this model has {num_layers} of {hidden_size}"
                )

    def mix(self, knobs: Mapping[str, float]) -> Mix:
        """Check and round a request's knobs; zeros leave no trace. Raises UnknownStyleError, KnobError."""
        rounded: dict[str, float] = {}
        for name, knob in knobs.items():
            if name not in self.vectors:
                raise UnknownStyleError(name, self.names)
            if not -1.0 <= knob <= 1.0:  # false for NaN, too
                raise KnobError(f"{name}: expected a knob of -1 to 1; got {knob!r}")
            if steps := round(knob / KNOB_STEP):
                rounded[name] = round(steps * KNOB_STEP, 2)
        total = math.fsum(abs(knob) for knob in rounded.values())
        if total > MAX_TOTAL + 1e-9:
            raise KnobError(
                f"expected knobs that add up to at most {MAX_TOTAL:g} without their signs; got {total:g}"
            )
        return Mix(tuple(sorted(rounded.items())))

    def delta(self, mix: Mix) -> Array:
        """Give what a mix adds behind each of `layers`: float32[L, H]. Raises UnknownStyleError."""
        layers = self.layers
        hidden_size = next(iter(self.vectors.values())).header.hidden_size if self.vectors else 0
        total = np.zeros((len(layers), hidden_size), dtype=np.float32)
        for name, knob in mix.knobs:
            if name not in self.vectors:
                raise UnknownStyleError(name, self.names)
            vector = self.vectors[name]
            rows = [layers.index(layer) for layer in vector.header.layers]
            total[rows] += vector.delta(knob)
        return total
