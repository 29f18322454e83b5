"""Control vectors in the real engine with the real 0.5B model.

Two engines, one after the other: vLLM's own model, and the steered one. Both run the same batches; a steered request's
batch mate is compared with itself beside an unsteered one, so that the shapes of all steps are equal.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters import ControlVector, Header
from model_store import find_model
from service.model_shape import ModelShape
from tests.model.conftest import MODEL, ROOT

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(900)]

Request = dict[str, Any]
Results = list[list[dict[str, Any]]]
PROMPT = "def is_prime(n: int) -> bool:\n    "
OTHER = "class Stack:\n    def __init__(self):\n        "
# Longer than a block of the prefix cache.
LONG = "# Numbers and what they are good for, in pure Python.\n" * 8 + PROMPT
MAX_TOKENS = 16


def ask(prompt: str = PROMPT, seed: int | None = None, **knobs: float) -> Request:
    return {"prompt": prompt, "knobs": knobs, "seed": seed}


# Unsteered batches, run by both engines.
PLAIN: dict[str, list[Request]] = {
    "alone": [ask()],
    "two": [ask(), ask(OTHER)],
    "four": [ask(), ask(OTHER), ask(OTHER), ask()],
    "seeded": [ask(seed=1), ask(seed=2), ask(OTHER, seed=1)],
    "long": [ask(LONG)],
}
# Steered batches, run by the steered engine; then the unsteered ones again, on buffers that were used.
STEERED: dict[str, list[Request]] = {
    "push": [ask(push=1.0)],
    "pull": [ask(push=-1.0)],
    "half": [ask(push=0.5)],
    "both": [ask(push=1.0, other=0.5)],
    "beside": [ask(), ask(OTHER, push=1.0)],
    "behind": [ask(push=1.0), ask(OTHER)],
    "mixed": [ask(), ask(OTHER, push=1.0), ask(OTHER, push=-1.0), ask()],
    "long steered": [ask(LONG, push=1.0)],
    "long steered again": [ask(LONG, push=1.0)],
    "long after it": [ask(LONG)],
}


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two strong random directions: what they do to the text is of no interest here."""
    return random_vectors(tmp_path_factory.mktemp("vectors"))


def random_vectors(folder: Path) -> Path:
    shape = ModelShape.from_folder(_model())
    for seed, (name, layers) in enumerate({"push": (8, 12), "other": (12, 16)}.items()):
        header = Header(
            name=name,
            model=MODEL,
            hidden_size=shape.hidden_size,
            num_layers=shape.num_layers,
            layers=layers,
            scale_low=1.0,
            scale_high=1.0,
        )
        rows = np.random.default_rng(seed).normal(size=(2, shape.hidden_size)).astype(np.float32)
        ControlVector(header, rows * np.float32(0.5)).save(folder / f"{name}.safetensors")
    return folder


@pytest.fixture(scope="module")
def plain() -> dict[str, list[dict[str, Any]]]:
    """What vLLM's own model answers."""
    return dict(zip(PLAIN, run_engine("-", list(PLAIN.values())), strict=True))


@pytest.fixture(scope="module")
def steered(vectors: Path) -> dict[str, list[dict[str, Any]]]:
    """What the steered model answers; "... again": unsteered batches after the steered ones."""
    batches = PLAIN | STEERED | {f"{name} again": batch for name, batch in PLAIN.items()}
    return dict(zip(batches, run_engine(str(vectors), list(batches.values())), strict=True))


def _model() -> Path:
    folder = find_model(MODEL)
    assert folder is not None, f"python -m model_store fetch {MODEL}"
    return folder


def run_engine(vectors: str, batches: Sequence[list[Request]], **engine: Any) -> Results:
    # One thread: beside other work on the machine, two wait for each other most of the time.
    job = {"batches": batches, "engine": {"engine.threads": 1, **engine}, "max_tokens": MAX_TOKENS}
    done = subprocess.run(
        [sys.executable, "-m", "tests.model.steering_arms", str(_model()), vectors],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(lines[0].removeprefix("RESULT"))


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Whether tokens and all log-probabilities are equal to the last bit."""
    return one["tokens"] == two["tokens"] and one["logprobs"] == two["logprobs"]


# What another batch size, or a beginning from the cache, does to sums in bfloat16; processors differ in it.
ROUNDING = 0.25


def assert_close(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Equal log-probabilities within rounding, and equal tokens, up to where two are too alike for that to decide."""
    for i, (a, b) in enumerate(zip(one["logprobs"], two["logprobs"], strict=True)):
        for token in a.keys() & b.keys():
            assert a[token] == pytest.approx(b[token], abs=ROUNDING)
        mine, other = str(one["tokens"][i]), str(two["tokens"][i])
        if mine != other:
            assert a[mine] - a[other] <= 2 * ROUNDING
            return


@pytest.mark.parametrize("name", PLAIN)
def test_unsteered_requests_are_bit_identical_to_vllms_own_model(name: str, plain: Any, steered: Any) -> None:
    for mine, theirs in zip(steered[name], plain[name], strict=True):
        assert same(mine, theirs)


@pytest.mark.parametrize("name", [name for name in PLAIN if name != "long"])
def test_unsteered_requests_stay_so_after_steered_ones(name: str, plain: Any, steered: Any) -> None:
    for mine, theirs in zip(steered[f"{name} again"], plain[name], strict=True):
        assert same(mine, theirs)


def test_steering_changes_the_logits(steered: Any) -> None:
    first = [steered[name][0]["logprobs"][0] for name in ("alone", "push", "pull", "half", "both")]
    assert all(first[i] != first[j] for i in range(5) for j in range(i))


def test_a_steered_batch_mate_changes_nothing(plain: Any, steered: Any) -> None:
    assert same(steered["beside"][0], plain["two"][0])
    assert same(steered["behind"][1], plain["two"][1])
    assert same(steered["mixed"][0], plain["four"][0])
    assert same(steered["mixed"][3], plain["four"][3])


def test_a_steered_request_is_in_a_batch_what_it_is_alone(steered: Any) -> None:
    assert_close(steered["behind"][0], steered["push"][0])
    assert not same(steered["mixed"][1], steered["mixed"][2])


def test_cached_beginnings_are_shared_by_equally_steered_requests_only(plain: Any, steered: Any) -> None:
    assert steered["long steered"][0]["cached"] == 0
    assert steered["long steered again"][0]["cached"] > 0
    assert_close(steered["long steered again"][0], steered["long steered"][0])
    # The unsteered one ran before, too: what it finds in the cache is its own.
    assert steered["long after it"][0]["cached"] > 0
    assert_close(steered["long after it"][0], plain["long"][0])
    assert steered["long after it"][0]["logprobs"][0] != steered["long steered"][0]["logprobs"][0]


@pytest.fixture(scope="module")
def compiled(vectors: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What vLLM's own model and the steered one answer when they are compiled. Minutes."""
    mine = {name: (PLAIN | STEERED)[name] for name in ("alone", "two", "push", "beside", "mixed")}
    plain = {name: batch for name, batch in mine.items() if name in PLAIN}
    option = {"engine.enforce_eager": False}
    return (
        dict(zip(plain, run_engine("-", list(plain.values()), **option), strict=True)),
        dict(zip(mine, run_engine(str(vectors), list(mine.values()), **option), strict=True)),
    )


def test_compiled_unsteered_requests_are_as_of_vllms_own_model(compiled: Any) -> None:
    plain, steered = compiled
    for name, answers in plain.items():
        for mine, theirs in zip(steered[name], answers, strict=True):
            assert_close(mine, theirs)


def test_compiled_requests_are_steered_and_their_batch_mates_are_not(compiled: Any, steered: Any) -> None:
    plain, mine = compiled
    assert same(mine["beside"][0], mine["two"][0])
    assert_close(mine["push"][0], steered["push"][0])
    assert not same(mine["mixed"][1], mine["mixed"][2])
    assert mine["push"][0]["logprobs"][0] != plain["alone"][0]["logprobs"][0]
