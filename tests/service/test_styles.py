"""Styles in the API: what is asked for reaches the engine, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters import Calibration, ControlVector, CurvePoint, Header, Mix, StyleLibrary
from model_store import load_catalog
from service.engine import GenerationRequest, OpenAICall
from service.engine_plan import plan
from service.errors import ConfigurationError
from service.hardware import detect
from service.model_shape import ModelShape
from service.settings import SteeringSettings
from service.styles import LoadedStyles, load_styles
from tests.conftest import Serve, settings_with

MODEL = "qwen2.5-coder-0.5b-instruct"
SHAPE = ModelShape.from_entry(load_catalog()[MODEL])
CURVE = (CurvePoint(knob=-1, measure=10, pass_rate=0.5), CurvePoint(knob=1, measure=30, pass_rate=0.5))
CALIBRATION = Calibration(unit="characters", problems="some", num_problems=2, spearman=1.0, curve=CURVE)


def vector(name: str, **changes: Any) -> ControlVector:
    values: dict[str, Any] = {
        "name": name,
        "model": MODEL,
        "hidden_size": SHAPE.hidden_size,
        "num_layers": SHAPE.num_layers,
        "layers": (12,),
        "scale_low": 1.0,
        "scale_high": 1.0,
        **changes,
    }
    header = Header.model_validate(values)
    return ControlVector(header, np.ones((1, header.hidden_size), dtype=np.float32))


LIBRARY = StyleLibrary.of(
    [vector("verbosity", calibration=CALIBRATION), vector("documented"), vector("typed")]
)
STYLES = LoadedStyles(Path("/vectors"), LIBRARY)
BODIES: dict[str, dict[str, Any]] = {
    "/generate": {"prompt": "x"},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "x"}]},
    "/v1/completions": {"prompt": "x"},
}
ROUTES = pytest.mark.parametrize("route", BODIES)


def body(route: str, **options: Any) -> dict[str, Any]:
    """A request with the options where the route has them."""
    return {**BODIES[route], **(options if route == "/generate" else {"codefusion": options})}


def steering_of(request: GenerationRequest | OpenAICall) -> Mix:
    assert request.steering is not None
    assert request.steering.digest == LIBRARY.digest
    return request.steering.mix


@ROUTES
@pytest.mark.parametrize(
    ("options", "knobs"),
    [
        ({"verbosity": 0.5}, {"verbosity": 0.5}),
        ({"verbosity": "minimal"}, {"verbosity": -1.0}),
        ({"verbosity": "detailed", "style": {"documented": -1}}, {"documented": -1.0, "verbosity": 1.0}),
        ({"style": {"typed": 0.126, "documented": 0}}, {"typed": 0.13}),
    ],
)
async def test_knobs_reach_the_engine_and_are_reported(
    in_process: Serve, route: str, options: dict[str, Any], knobs: dict[str, float]
) -> None:
    async with in_process(styles=STYLES) as service:
        answer = (await service.client.post(route, json=body(route, **options))).json()
    (request,) = service.engine.requests
    assert dict(steering_of(request).knobs) == knobs
    assert (answer if route == "/generate" else answer["codefusion"])["steering"] == knobs


@ROUTES
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"verbosity": 0},
        {"verbosity": "normal", "style": {"documented": -0.0}},
        {"style": {"typed": 0.004}},
    ],
)
async def test_knobs_of_nothing_steer_nothing(in_process: Serve, route: str, options: dict[str, Any]) -> None:
    async with in_process(styles=STYLES) as service:
        answer = (await service.client.post(route, json=body(route, **options))).json()
    (request,) = service.engine.requests
    assert request.steering is None
    assert (answer if route == "/generate" else answer["codefusion"])["steering"] == {}


@ROUTES
@pytest.mark.parametrize(
    ("options", "param", "code", "message"),
    [
        ({"style": {"terse": 1}}, "style", "unknown_style", "it has documented, typed, verbosity"),
        ({"style": {"verbosity": 1}}, "style.verbosity", None, "as the field"),
        ({"verbosity": 1, "style": {"documented": -1, "typed": 0.5}}, "style", None, "at most 2"),
    ],
)
async def test_what_cannot_be_steered_is_refused(
    in_process: Serve, route: str, options: dict[str, Any], param: str, code: str | None, message: str
) -> None:
    async with in_process(styles=STYLES) as service:
        answer = await service.client.post(route, json=body(route, **options))
    error = answer.json()["error"]
    prefix = "" if route == "/generate" else "codefusion."
    assert (answer.status_code, error["param"], error["code"]) == (400, prefix + param, code)
    assert message in error["message"]
    assert service.engine.requests == []


@ROUTES
@pytest.mark.parametrize(
    ("options", "param"), [({"verbosity": 1}, "verbosity"), ({"style": {"a": 1}}, "style")]
)
async def test_a_model_without_vectors_says_so(
    in_process: Serve, route: str, options: dict[str, Any], param: str
) -> None:
    async with in_process() as service:
        answer = await service.client.post(route, json=body(route, **options))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "unknown_style")
    assert error["param"].endswith(param)
    assert "it has none" in error["message"]


@ROUTES
async def test_only_equally_steered_requests_share_cached_beginnings(in_process: Serve, route: str) -> None:
    async with in_process(styles=STYLES) as service:
        for knob in (0, 0.5, 0.5, 0.51, -0.5):
            await service.client.post(route, json=body(route, verbosity=knob))
        await service.client.post(route, json=body(route, style={"documented": 0.5}))
    salts = [request.cache_salt for request in service.engine.requests]
    assert salts[1] == salts[2]
    assert len(set(salts)) == 5


async def test_steered_requests_are_counted_by_style(in_process: Serve) -> None:
    async with in_process(styles=STYLES) as service:
        for options in ({"verbosity": 1}, {"verbosity": 1, "style": {"typed": 1}}, {}):
            for route in BODIES:
                await service.client.post(route, json=body(route, **options))
        page = (await service.client.get("/metrics")).text
    assert 'codefusion_steered_requests_total{style="verbosity"} 6.0' in page
    assert 'codefusion_steered_requests_total{style="typed"} 3.0' in page


async def test_the_styles_are_listed_with_their_curves(in_process: Serve) -> None:
    async with in_process(styles=STYLES) as service:
        answer = (await service.client.get("/v1/styles")).json()
    cards = {card["id"]: card for card in answer["data"]}
    assert (answer["object"], list(cards)) == ("list", ["documented", "typed", "verbosity"])
    assert [cards[name]["field"] for name in ("documented", "verbosity")] == ["style.documented", "verbosity"]
    assert cards["verbosity"]["curve"] == [point.model_dump() for point in CURVE]
    assert (cards["verbosity"]["num_problems"], cards["documented"]["num_problems"]) == (2, None)
    assert cards["verbosity"]["sha256"] == LIBRARY.vectors["verbosity"].digest()


async def test_without_vectors_the_list_is_empty(in_process: Serve) -> None:
    async with in_process() as service:
        assert (await service.client.get("/v1/styles")).json()["data"] == []


def test_vectors_are_loaded_from_a_folder(tmp_path: Path) -> None:
    vector("typed").save(tmp_path / "typed.safetensors")
    loaded = load_styles(SteeringSettings(folder=tmp_path), SHAPE)
    assert (loaded.folder, loaded.collection.names) == (tmp_path, ("typed",))
    assert load_styles(SteeringSettings(folder=tmp_path, enabled=False), SHAPE).folder is None


def test_the_projects_own_vectors_are_found_by_the_models_name() -> None:
    assert load_styles(SteeringSettings(), replace(SHAPE, name="no-such-model")).folder is None


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (replace(SHAPE, hidden_size=1536), "this model has 24 of 1536"),
        (replace(SHAPE, architecture="LlamaForCausalLM"), "LlamaForCausalLM cannot be steered"),
    ],
)
def test_vectors_for_another_model_are_refused(tmp_path: Path, shape: ModelShape, message: str) -> None:
    vector("typed").save(tmp_path / "typed.safetensors")
    with pytest.raises(ConfigurationError, match=message):
        load_styles(SteeringSettings(folder=tmp_path), shape)


def test_a_missing_folder_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"steering\.folder: expected a folder"):
        load_styles(SteeringSettings(folder=tmp_path / "missing"), SHAPE)
    (tmp_path / "typed.safetensors").write_bytes(b"no vector")
    with pytest.raises(ConfigurationError, match=r"typed\.safetensors: expected a safetensors file"):
        load_styles(SteeringSettings(folder=tmp_path), SHAPE)


def test_the_engine_runs_vllms_own_model_unless_there_are_vectors() -> None:
    plain, steered = (
        plan(settings_with(engine__device="cpu"), SHAPE, detect(), styles).engine_args(Path("/model"))
        for styles in (None, STYLES)
    )
    assert not {"hf_overrides", "additional_config"} & plain.keys()
    assert steered["hf_overrides"] == {"architectures": ["CodeFusionQwen2ForCausalLM"]}
    assert steered["additional_config"]["codefusion_steering"] == {
        "folder": "/vectors",
        "digest": LIBRARY.digest,
    }
