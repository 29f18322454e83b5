"""A control vector: for one style and one model, a direction per layer and how strongly the knob pushes along it.

File    safetensors. One tensor "layer.N" for each steered layer: float32[H]. Its metadata entry "codefusion" holds the
        rest as JSON (see `Header`), with a SHA-256 over tensors and header. Nothing is ever unpickled.
Source  Turner et al. 2023 and Rimsky et al. 2024 (activation addition from contrast pairs); the paper, eq. 7.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from adapters.errors import VectorFileError

FORMAT = 1
Array = npt.NDArray[np.float32]
MAX_FILE_BYTES = 200_000
_HEADER = "codefusion"
NAME_PATTERN = r"^[a-z][a-z0-9_]{0,31}$"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class CurvePoint(_Frozen):
    """What was measured at one value of the knob, over all of the calibration's problems."""

    knob: float = Field(ge=-1.0, le=1.0, description="Where the knob stood.")
    measure: float = Field(description="Mean of what the style moves, in the calibration's unit.")
    pass_rate: float = Field(ge=0.0, le=1.0, description="Share of problems solved.")


class PromptPoint(_Frozen):
    """The same without a vector, asked for in words."""

    asked: str = Field(
        description="`low` or `high` end, `none`; with `+knob` where the vector worked beside it."
    )
    measure: float
    pass_rate: float = Field(ge=0.0, le=1.0)


class Calibration(_Frozen):
    """How the knob was set, and what it does.

    num_problems  of the fixed set; with 56 problems one of them is 1.8 points
    spearman      rank correlation of the knob and the mean measure over the curve's points
    """

    unit: str
    problems: str
    num_problems: int = Field(ge=1)
    spearman: float | None = None
    curve: tuple[CurvePoint, ...] = ()
    prompting: tuple[PromptPoint, ...] = ()


class Header(_Frozen):
    """Everything in a file but the directions.

    model        id of the model it was made with
    hidden_size, num_layers  its shape: a vector fits no other
    layers       steered layers, rising; the direction is added to the residual stream behind each
    scale_low, scale_high    strength at knob -1 and at +1: what the directions are multiplied with
    made         how it was made: command, method, hashes of the data; for people
    sha256       over tensors and all other fields
    """

    format: int = FORMAT
    name: str = Field(pattern=NAME_PATTERN)
    model: str = Field(min_length=1, max_length=200)
    hidden_size: int = Field(ge=1, le=65536)
    num_layers: int = Field(ge=1, le=1024)
    layers: tuple[int, ...]
    scale_low: float = Field(gt=0.0, le=1000.0)
    scale_high: float = Field(gt=0.0, le=1000.0)
    calibration: Calibration | None = None
    made: dict[str, str | int | float] = Field(default_factory=dict)
    sha256: str = ""


@dataclass(frozen=True, eq=False)
class ControlVector:
    """A style's directions. `directions` float32[L, H], row i for `header.layers[i]`."""

    header: Header
    directions: Array = field(repr=False)

    def __post_init__(self) -> None:
        header, shape = self.header, tuple(self.directions.shape)
        if shape != (len(header.layers), header.hidden_size):
            raise VectorFileError(
                f"{header.name}: expected directions of shape {(len(header.layers), header.hidden_size)}, got {shape}"
            )
        layers = header.layers
        if (
            not layers
            or list(layers) != sorted(set(layers))
            or not 0 <= layers[0] <= layers[-1] < header.num_layers
        ):
            raise VectorFileError(
                f"{header.name}: expected rising layers of 0 to {header.num_layers - 1}, got {layers}"
            )
        if self.directions.dtype != np.float32 or not np.isfinite(self.directions).all():
            raise VectorFileError(f"{header.name}: expected finite float32 directions")

    @property
    def name(self) -> str:
        """The style's name."""
        return self.header.name

    def delta(self, knob: float) -> Array:
        """Give what a knob of -1 to 1 adds: float32[L, H]. Linear on either side of 0; exactly 0 at 0."""
        scale = self.header.scale_high if knob > 0 else self.header.scale_low
        return self.directions * np.float32(knob * scale)

    def with_header(self, **changes: Any) -> ControlVector:
        """Give the same directions under a changed header."""
        return replace(self, header=Header.model_validate({**self.header.model_dump(), **changes}))

    def digest(self) -> str:
        """Give the SHA-256 of tensors and header; what `sha256` must be in a file."""
        return _digest(self.header, self.directions)

    def save(self, path: Path) -> None:
        """Write the file, with its hash. Raises VectorFileError if it would be too large."""
        header = self.header.model_copy(update={"sha256": self.digest()})
        tensors = {
            f"layer.{layer}": row.copy() for layer, row in zip(header.layers, self.directions, strict=True)
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        save_file(tensors, partial, metadata={_HEADER: header.model_dump_json()})
        if (size := partial.stat().st_size) > MAX_FILE_BYTES:
            partial.unlink()
            raise VectorFileError(
                f"{path}: expected at most {MAX_FILE_BYTES:,} bytes, got {size:,}; steer fewer layers"
            )
        partial.chmod(0o644)  # the library makes files that nobody else can read
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> ControlVector:
        """Read and check a file. Raises VectorFileError that says what was expected and what came."""
        try:
            size = path.stat().st_size
            if size > MAX_FILE_BYTES:
                raise VectorFileError(f"{path}: expected at most {MAX_FILE_BYTES:,} bytes, got {size:,}")
            with safe_open(path, framework="np") as file:
                header = _read_header(path, file.metadata() or {})
                names = file.keys()
                directions = _read_directions(path, header, {name: file.get_tensor(name) for name in names})
        except (OSError, SafetensorError, TypeError) as error:  # TypeError: a type that numpy has not
            raise VectorFileError(f"{path}: expected a safetensors file: {error}") from error
        vector = cls(header, directions)
        if vector.digest() != header.sha256:
            raise VectorFileError(
                f"{path}: its content has another SHA-256 than its header says; it is damaged"
            )
        return vector


def _digest(header: Header, directions: Array) -> str:
    text = json.dumps(header.model_dump(mode="json", exclude={"sha256"}), sort_keys=True)
    digest = hashlib.sha256(text.encode())
    digest.update(directions.astype("<f4").tobytes())
    return digest.hexdigest()


def _read_header(path: Path, metadata: dict[str, str]) -> Header:
    if _HEADER not in metadata:
        raise VectorFileError(
            f"{path}: expected a header {_HEADER!r} in its metadata; it is no control vector"
        )
    try:
        values = json.loads(metadata[_HEADER])
        version = values.get("format") if isinstance(values, dict) else None
        if version != FORMAT:
            raise VectorFileError(f"{path}: expected format {FORMAT}, got {version!r}")
        return Header.model_validate_json(metadata[_HEADER])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise VectorFileError(f"{path}: header: {where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise VectorFileError(f"{path}: expected its header as JSON: {error}") from error


def _read_directions(path: Path, header: Header, tensors: dict[str, Array]) -> Array:
    expected = {f"layer.{layer}" for layer in header.layers}
    if set(tensors) != expected:
        raise VectorFileError(f"{path}: expected the tensors {sorted(expected)}, got {sorted(tensors)[:64]}")
    for name, tensor in tensors.items():
        if tensor.dtype != np.float32 or tuple(tensor.shape) != (header.hidden_size,):
            raise VectorFileError(
                f"{path}: {name}: expected float32[{header.hidden_size}], got {tensor.dtype} {list(tensor.shape)}"
            )
    return np.stack([tensors[f"layer.{layer}"] for layer in header.layers])
