"""The vectors that the project brings."""

from __future__ import annotations

from pathlib import Path

import pytest

import adapters
from adapters import ControlVector, StyleLibrary
from model_store import load_catalog

FOLDER = Path(adapters.__file__).parent / "vectors"
FILES = sorted(FOLDER.glob("*/*.safetensors"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_says_what_it_is_for_what_it_does_and_how_it_was_made(path: Path) -> None:
    header = ControlVector.load(path).header
    entry = load_catalog()[path.parent.name]
    assert header.model == entry.id
    assert (header.hidden_size, header.num_layers) == (entry.hidden_size, entry.layers)
    assert header.calibration is not None
    knobs = [point.knob for point in header.calibration.curve]
    assert knobs == sorted(knobs)
    assert (knobs[0], knobs[-1], len(knobs)) == (-1, 1, 9)
    assert (header.calibration.spearman or 0) >= 0.9
    assert str(header.made["command"]).startswith("python -m trainer control-vectors")


def test_each_models_vectors_load_together() -> None:
    assert FILES
    for folder in {path.parent for path in FILES}:
        assert StyleLibrary.load(folder)
