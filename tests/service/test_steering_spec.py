"""The spec between the service and its workers."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from adapters import Mix
from service.steering_spec import EXTRA_KEY, SteeringSpec, SteeringSpecError
from service.vllm_plugin.steering_feed import Mixes

SPEC = SteeringSpec(Mix((("documented", 1.0), ("verbosity", -0.25))), "d" * 64)


def test_a_spec_arrives_as_it_was_sent() -> None:
    assert SteeringSpec.from_wire(SPEC.to_wire()) == SPEC


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 1, got 2"),
        ({"version": None}, "version 1"),
        ({"digest": 5}, "digest: expected a text"),
        ({"knobs": {}}, "1 to 64 styles"),
        ({"knobs": [["a", 1]]}, "1 to 64 styles"),
        ({"knobs": {f"s{i}": 1 for i in range(65)}}, "1 to 64 styles"),
        ({"knobs": {"a": 1.01}}, r"knobs\.a: expected a number of -1 to 1"),
        ({"knobs": {"a": 0}}, "other than 0"),
        ({"knobs": {"a": True}}, "expected a number"),
        ({"knobs": {"a": "1"}}, "expected a number"),
        ({"knobs": {"a": float("nan")}}, "expected a number"),
        ({"more": 1}, "the fields digest, knobs, version"),
    ],
)
def test_a_wrong_spec_is_refused(change: dict[str, Any], message: str) -> None:
    wire = json.dumps({**json.loads(SPEC.to_wire()), **change})
    with pytest.raises(SteeringSpecError, match=message):
        SteeringSpec.from_wire(wire)


@pytest.mark.parametrize("wire", ["", "{", "[]", "null", None, 5, {"version": 1}])
def test_what_is_no_spec_is_refused(wire: object) -> None:
    with pytest.raises(SteeringSpecError):
        SteeringSpec.from_wire(wire)


def test_salts_differ_by_knob_by_style_and_by_vectors() -> None:
    others = [
        SteeringSpec(Mix((("documented", 1.0),)), SPEC.digest),
        SteeringSpec(Mix((("documented", 1.0), ("verbosity", -0.24))), SPEC.digest),
        SteeringSpec(Mix((("documented", -0.25), ("verbosity", 1.0))), SPEC.digest),
        SteeringSpec(SPEC.mix, "e" * 64),
    ]
    assert len({SPEC.salt, *(other.salt for other in others)}) == 5


def test_a_worker_steers_by_specs_for_its_own_vectors_only(caplog: pytest.LogCaptureFixture) -> None:
    def params(extra: dict[str, Any] | None) -> Any:
        return SimpleNamespace(extra_args=extra)

    mixes = Mixes(SPEC.digest)
    assert mixes.of(params({EXTRA_KEY: SPEC.to_wire()})) == SPEC.mix
    assert mixes.of(params(None)) == mixes.of(params({"other": 1})) == mixes.of(None) == Mix()
    assert not caplog.records
    assert Mixes("e" * 64).of(params({EXTRA_KEY: SPEC.to_wire()})) == Mix()
    assert mixes.of(params({EXTRA_KEY: "{"})) == Mix()
    assert [record.message.partition(":")[0] for record in caplog.records] == ["a request is not steered"] * 2
