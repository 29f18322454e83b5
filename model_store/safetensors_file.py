"""The safetensors file format, written and checked without loading a tensor.

    u64 little-endian N | N bytes of JSON: name -> dtype, shape, data_offsets | the tensors' bytes

It does not know what the tensors mean.
"""

import json
import math
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

ITEM_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
              "F8_E4M3": 1, "F8_E5M2": 1}  # fmt: skip
# A 72-billion model has 963 tensors: about 120 kB of header. A header near this bound is an attack, not a model.
MAX_HEADER_BYTES = 16 << 20


class SafetensorsFormatError(ValueError):
    """The file is not a well-formed safetensors file."""


@dataclass(frozen=True)
class TensorSpec:
    """A tensor's name, dtype (as the format spells it) and shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        """Size of the tensor's data."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True)
class StoredTensor(TensorSpec):
    """A tensor together with where its data starts, in bytes from the start of the file."""

    offset: int


def write_safetensors(path: Path, specs: Sequence[TensorSpec], blocks: Iterable[bytes]) -> None:
    """Write a file whose data is `blocks`, all the tensors' bytes one after the other in the order of `specs`.

    Only one block is in memory at a time. The file is on disk (fsync) when this returns.
    Raises   SafetensorsFormatError if the blocks do not add up to the shapes.
    """
    expected = sum(spec.num_bytes for spec in specs)
    with path.open("wb") as file:
        file.write(_header(specs))
        written = sum(file.write(block) for block in blocks)
        if written != expected:
            raise SafetensorsFormatError(f"{path}: shapes need {expected} bytes of data, {written} came")
        file.flush()
        os.fsync(file.fileno())


def _header(specs: Sequence[TensorSpec]) -> bytes:
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for spec in specs:
        end = start + spec.num_bytes
        table[spec.name] = {"dtype": spec.dtype, "shape": list(spec.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def read_tensors(path: Path) -> Mapping[str, StoredTensor]:
    """Read and check a file's header: what it holds and where.

    Raises   SafetensorsFormatError if the header is too long or no JSON, or if the tensors leave gaps,
             overlap, or do not end where the file ends.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        header_bytes = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
        if header_bytes > min(MAX_HEADER_BYTES, size - 8):
            raise SafetensorsFormatError(f"{path}: no safetensors header of at most {MAX_HEADER_BYTES} bytes")
        text = file.read(header_bytes)
    try:
        table = cast("dict[str, Any]", json.loads(text))
        table.pop("__metadata__", None)
        tensors = [_stored(name, fields, 8 + header_bytes) for name, fields in table.items()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SafetensorsFormatError(f"{path}: malformed safetensors header ({error})") from error
    _check_layout(path, sorted(tensors, key=lambda tensor: tensor.offset), 8 + header_bytes, size)
    return {tensor.name: tensor for tensor in tensors}


def _stored(name: str, fields: Mapping[str, Any], data_start: int) -> StoredTensor:
    start, end = fields["data_offsets"]
    tensor = StoredTensor(name, fields["dtype"], tuple(fields["shape"]), data_start + start)
    if end - start != tensor.num_bytes:
        raise ValueError(f"{name} has {end - start} bytes for shape {list(tensor.shape)}")
    return tensor


def _check_layout(path: Path, tensors: Sequence[StoredTensor], data_start: int, size: int) -> None:
    position = data_start
    for tensor in tensors:
        if tensor.offset != position:
            raise SafetensorsFormatError(f"{path}: {tensor.name} starts at {tensor.offset}, not {position}")
        position += tensor.num_bytes
    if position != size:
        raise SafetensorsFormatError(f"{path}: the tensors end at {position}, the file at {size}")
