"""The file of a control vector: what is written is read, and nothing else is."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import save_file

from adapters import Calibration, ControlVector, CurvePoint, Header, VectorFileError

HIDDEN = 4


def header(**changes: Any) -> Header:
    values: dict[str, Any] = {
        "name": "verbosity",
        "model": "tiny",
        "hidden_size": HIDDEN,
        "num_layers": 6,
        "layers": (1, 3),
        "scale_low": 2.0,
        "scale_high": 3.0,
    }
    return Header.model_validate({**values, **changes})


def vector(**changes: Any) -> ControlVector:
    return ControlVector(header(**changes), np.arange(8, dtype=np.float32).reshape(2, HIDDEN) - 3)


def saved_with(path: Path, tensors: dict[str, npt.NDArray[np.float32]], text: str | None) -> Path:
    save_file(tensors, path, metadata=None if text is None else {"codefusion": text})
    return path


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    curve = (CurvePoint(knob=-1, measure=10.5, pass_rate=0.4), CurvePoint(knob=1, measure=99, pass_rate=0.5))
    made = vector(
        calibration=Calibration(
            unit="characters", problems="eight", num_problems=8, spearman=1.0, curve=curve
        ),
        made={"command": "python -m trainer", "pairs": 3},
    )
    made.save(tmp_path / "verbosity.safetensors")
    loaded = ControlVector.load(tmp_path / "verbosity.safetensors")
    assert loaded.header == made.header.model_copy(update={"sha256": made.digest()})
    assert np.array_equal(loaded.directions, made.directions)


def test_a_delta_is_linear_on_either_side_and_nothing_at_zero() -> None:
    made = vector()
    assert np.array_equal(made.delta(0.0), np.zeros((2, HIDDEN)))
    for sign, scale in ((1, 3.0), (-1, 2.0)):
        np.testing.assert_allclose(made.delta(sign * 1.0), made.directions * sign * scale)
        np.testing.assert_allclose(made.delta(sign * 0.25) * 4, made.delta(sign * 1.0), rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": ()}, "shape"),
        ({"layers": (3, 1)}, "rising layers"),
        ({"layers": (1, 1)}, "rising layers"),
        ({"layers": (1, 6)}, "rising layers of 0 to 5"),
        ({"hidden_size": 5}, r"shape \(2, 5\), got \(2, 4\)"),
    ],
)
def test_a_vector_that_contradicts_itself_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(VectorFileError, match=message):
        vector(**changes)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_directions_must_be_finite(value: float) -> None:
    with pytest.raises(VectorFileError, match="finite"):
        ControlVector(header(), np.full((2, HIDDEN), value, dtype=np.float32))


def _file(path: Path) -> dict[str, Any]:
    made = vector()
    made.save(path)
    return made.header.model_copy(update={"sha256": made.digest()}).model_dump(mode="json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "expected format 1, got 2"),
        ({"format": None}, "expected format 1, got None"),
        ({"scale_high": 4.0}, "another SHA-256"),
        ({"sha256": "0" * 64}, "another SHA-256"),
        ({"layers": [1, 2]}, "expected the tensors"),
        ({"hidden_size": 3}, r"expected float32\[3\]"),
        ({"scale_low": 0}, "scale_low"),
        ({"scale_low": -1}, "scale_low"),
        ({"name": "../up"}, "name"),
        ({"surprise": 1}, "surprise"),
        ({"model": None}, "model"),
    ],
)
def test_a_changed_header_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    values = {**_file(tmp_path / "good.safetensors"), **change}
    rows = vector().directions
    path = saved_with(
        tmp_path / "bad.safetensors",
        {"layer.1": rows[0].copy(), "layer.3": rows[1].copy()},
        json.dumps(values),
    )
    with pytest.raises(VectorFileError, match=message):
        ControlVector.load(path)


@pytest.mark.parametrize("text", [None, "", "[]", "null", "{", "[" * 100_000])
def test_a_header_that_is_none_is_refused(tmp_path: Path, text: str | None) -> None:
    path = saved_with(tmp_path / "bad.safetensors", {"layer.1": np.zeros(HIDDEN, dtype=np.float32)}, text)
    with pytest.raises(VectorFileError, match=r"bad\.safetensors"):
        ControlVector.load(path)


def test_changed_tensors_are_refused(tmp_path: Path) -> None:
    values = _file(tmp_path / "good.safetensors")
    rows = vector().directions + 1
    path = saved_with(
        tmp_path / "bad.safetensors",
        {"layer.1": rows[0], "layer.3": rows[1]},
        json.dumps(values),
    )
    with pytest.raises(VectorFileError, match="another SHA-256"):
        ControlVector.load(path)


def test_a_pickle_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "verbosity.safetensors"
    path.write_bytes(pickle.dumps({"layer.1": [0.0]}))
    with pytest.raises(VectorFileError, match="expected a safetensors file"):
        ControlVector.load(path)


def test_a_missing_an_empty_and_a_cut_file_are_refused(tmp_path: Path) -> None:
    vector().save(tmp_path / "good.safetensors")
    content = (tmp_path / "good.safetensors").read_bytes()
    for data in (b"", content[:-1], content[:40], b"\xff" * 64):
        (tmp_path / "bad.safetensors").write_bytes(data)
        with pytest.raises(VectorFileError, match="expected a safetensors file"):
            ControlVector.load(tmp_path / "bad.safetensors")
    with pytest.raises(VectorFileError, match=r"missing\.safetensors"):
        ControlVector.load(tmp_path / "missing.safetensors")


def test_a_large_file_is_neither_written_nor_read(tmp_path: Path) -> None:
    large = ControlVector(header(hidden_size=60_000, layers=(1,)), np.ones((1, 60_000), dtype=np.float32))
    with pytest.raises(VectorFileError, match="at most 200,000 bytes"):
        large.save(tmp_path / "verbosity.safetensors")
    assert not list(tmp_path.iterdir())
    (tmp_path / "verbosity.safetensors").write_bytes(b"\0" * 200_001)
    with pytest.raises(VectorFileError, match="at most 200,000 bytes"):
        ControlVector.load(tmp_path / "verbosity.safetensors")
