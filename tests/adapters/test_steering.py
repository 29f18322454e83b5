"""Laws of the weighted sum, on vectors small enough to check by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ControlVector, Header, KnobError, Mix, StyleLibrary, UnknownStyleError, VectorFileError


def vector(
    name: str, layers: dict[int, list[float]], *, model: str = "tiny", low: float = 1.0, high: float = 1.0
) -> ControlVector:
    header = Header(
        name=name,
        model=model,
        hidden_size=3,
        num_layers=4,
        layers=tuple(layers),
        scale_low=low,
        scale_high=high,
    )
    return ControlVector(header, np.array(list(layers.values()), dtype=np.float32))


LIBRARY = StyleLibrary.of(
    [
        vector("verbosity", {1: [1.0, 0.0, 0.0], 2: [0.0, 2.0, 0.0]}, low=2.0, high=4.0),
        vector("documented", {2: [0.0, 0.0, 1.0], 3: [1.0, 1.0, 1.0]}),
        vector("typed", {0: [1.0, 2.0, 3.0]}),
    ]
)
KNOBS = st.floats(-1, 1)


def test_a_mix_is_the_weighted_sum_at_each_layer() -> None:
    mix = LIBRARY.mix({"verbosity": -0.5, "documented": 1.0})
    assert LIBRARY.layers == (0, 1, 2, 3)
    expected = [[0, 0, 0], [-1.0, 0, 0], [0, -2.0, 1.0], [1.0, 1.0, 1.0]]
    np.testing.assert_allclose(LIBRARY.delta(mix), expected)


def test_no_knob_and_knobs_of_zero_change_nothing() -> None:
    for knobs in ({}, {"verbosity": 0.0}, {"verbosity": -0.0, "documented": 0.001}):
        mix = LIBRARY.mix(knobs)
        assert mix == Mix()
        assert not mix
        assert not LIBRARY.delta(mix).any()


@given(KNOBS, KNOBS)
def test_styles_add_up(one: float, two: float) -> None:
    both = LIBRARY.delta(LIBRARY.mix({"verbosity": one, "documented": two}))
    apart = LIBRARY.delta(LIBRARY.mix({"verbosity": one})) + LIBRARY.delta(LIBRARY.mix({"documented": two}))
    np.testing.assert_allclose(both, apart, rtol=1e-6, atol=1e-6)


@given(KNOBS)
def test_opposite_knobs_of_an_even_style_restore(knob: float) -> None:
    there, back = (LIBRARY.delta(LIBRARY.mix({"documented": sign * knob})) for sign in (1, -1))
    assert not (there + back).any()


@given(KNOBS)
def test_a_mix_stays_what_it_is(knob: float) -> None:
    mix = LIBRARY.mix({"verbosity": knob})
    assert LIBRARY.mix(dict(mix.knobs)) == mix
    assert all(abs(rounded - knob) <= 0.0050001 for _, rounded in mix.knobs)


def test_the_order_of_knobs_is_no_difference_and_their_values_are() -> None:
    one = LIBRARY.mix({"verbosity": 0.5, "documented": 0.1})
    assert one == LIBRARY.mix({"documented": 0.1, "verbosity": 0.501})
    assert one.key == "documented=+0.10,verbosity=+0.50"
    assert one.key != LIBRARY.mix({"verbosity": 0.51, "documented": 0.1}).key


@pytest.mark.parametrize("knob", [1.001, -1.001, float("nan"), float("inf")])
def test_a_knob_out_of_bounds_is_refused(knob: float) -> None:
    with pytest.raises(KnobError, match="verbosity: expected a knob of -1 to 1"):
        LIBRARY.mix({"verbosity": knob})


def test_all_knobs_together_have_a_bound() -> None:
    assert LIBRARY.mix({"verbosity": 1.0, "documented": -1.0})
    with pytest.raises(KnobError, match=r"at most 2 without their signs; got 2\.5"):
        LIBRARY.mix({"verbosity": 1.0, "documented": -1.0, "typed": 0.5})


def test_an_unknown_style_names_those_that_are_there() -> None:
    with pytest.raises(UnknownStyleError, match="expected one of documented, typed, verbosity; got 'terse'"):
        LIBRARY.mix({"terse": 0.0})
    with pytest.raises(UnknownStyleError, match="none is loaded"):
        StyleLibrary().mix({"terse": 1.0})


def test_a_folder_is_loaded_and_an_equal_one_means_the_same(tmp_path: Path) -> None:
    for made in LIBRARY.vectors.values():
        made.save(tmp_path / f"{made.name}.safetensors")
    loaded = StyleLibrary.load(tmp_path)
    assert loaded.names == ("documented", "typed", "verbosity")
    assert loaded.digest == LIBRARY.digest
    assert loaded.digest != StyleLibrary.of([*LIBRARY.vectors.values()][:2]).digest
    assert not StyleLibrary.load(tmp_path / "missing")


def test_a_file_under_another_name_is_refused(tmp_path: Path) -> None:
    vector("typed", {0: [1.0, 2.0, 3.0]}).save(tmp_path / "other.safetensors")
    with pytest.raises(VectorFileError, match=r"expected the name typed\.safetensors"):
        StyleLibrary.load(tmp_path)


def test_vectors_of_two_models_do_not_mix() -> None:
    with pytest.raises(VectorFileError, match="expected a vector for tiny"):
        StyleLibrary.of([vector("a", {0: [1.0, 0, 0]}), vector("b", {0: [1.0, 0, 0]}, model="other")])
    with pytest.raises(VectorFileError, match="two vectors have this name"):
        StyleLibrary.of([vector("a", {0: [1.0, 0, 0]}), vector("a", {1: [1.0, 0, 0]})])


def test_a_model_of_another_shape_is_refused() -> None:
    LIBRARY.check_fits(hidden_size=3, num_layers=4)
    with pytest.raises(VectorFileError, match="4 layers of 3; this model has 28 of 1536"):
        LIBRARY.check_fits(hidden_size=1536, num_layers=28)
