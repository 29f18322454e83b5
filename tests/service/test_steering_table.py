"""The buffers that steer a batch, against the slow definition: each token's own row."""

from __future__ import annotations

import importlib
import random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from adapters import Mix
from service.vllm_plugin.steering_table import SteeringTable

dynamo: Any = importlib.import_module("torch._dynamo")  # vLLM marks sizes with it; it has no public name
HIDDEN, LAYERS, SLOTS, TOKENS = 4, 2, 3, 16
PLAIN = Mix()


def mix(number: int) -> Mix:
    return Mix((("style", number / 100),)) if number else PLAIN


def delta_of(wanted: Mix) -> npt.NDArray[np.float32]:
    return np.full((LAYERS, HIDDEN), wanted.knobs[0][1], dtype=np.float32) * np.array(
        [[1], [10]], dtype=np.float32
    )


def table(dtype: torch.dtype = torch.float32) -> SteeringTable:
    return SteeringTable(
        delta_of,
        LAYERS,
        num_slots=SLOTS,
        num_tokens=TOKENS,
        hidden_size=HIDDEN,
        dtype=dtype,
        device=torch.device("cpu"),
    )


def added(made: SteeringTable, layer: int, num_tokens: int = TOKENS) -> torch.Tensor:
    return torch.nn.functional.embedding(made.rows[:num_tokens], made.deltas[layer])


def test_each_token_gets_the_row_of_its_sequence() -> None:
    made = table()
    made.fill([mix(50), PLAIN, mix(-20)], [2, 3, 1])
    for layer, factor in ((0, 1.0), (1, 10.0)):
        expected = torch.tensor([0.5, 0.5, 0, 0, 0, -0.2] + [0.0] * 10) * factor
        torch.testing.assert_close(added(made, layer)[:, 0], expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_an_unsteered_token_keeps_every_bit(dtype: torch.dtype) -> None:
    made = table(dtype)
    made.fill([PLAIN, mix(50)], [15, 1])
    special = [0.0, -0.0, 1.0, -1.5, float("inf"), -float("inf"), 1e-40, -1e-40, 65504.0]
    states = torch.tensor(special + [0.1] * (15 - len(special)), dtype=dtype)[:, None].repeat(1, HIDDEN)
    after = states + added(made, 0, 15)
    assert torch.equal(after.view(torch.uint8), states.view(torch.uint8))


def test_any_sequence_of_batches_is_as_the_definition_says() -> None:
    made, rng = table(), random.Random(7)
    rows, deltas = made.rows.data_ptr(), [tensor.data_ptr() for tensor in made.deltas]
    for _ in range(500):
        # More mixes than slots over time, never more than slots at once.
        mixes = [mix(rng.choice([0, 0, *range(1, 9)])) for _ in range(rng.randint(0, SLOTS))]
        counts = [rng.randint(1, TOKENS // SLOTS) for _ in mixes]
        made.fill(mixes, counts)
        knobs = [m.knobs[0][1] if m else 0.0 for m, n in zip(mixes, counts, strict=True) for _ in range(n)]
        expected = torch.tensor(knobs + [0.0] * (TOKENS - len(knobs)))
        torch.testing.assert_close(added(made, 0)[:, 0], expected)
        torch.testing.assert_close(added(made, 1)[:, 0], expected * 10)
    assert made.rows.data_ptr() == rows
    assert [tensor.data_ptr() for tensor in made.deltas] == deltas


def test_equal_mixes_share_a_slot_and_are_computed_once() -> None:
    asked: list[Mix] = []

    def counted(wanted: Mix) -> npt.NDArray[np.float32]:
        asked.append(wanted)
        return delta_of(wanted)

    made = SteeringTable(
        counted,
        LAYERS,
        num_slots=1,
        num_tokens=4,
        hidden_size=HIDDEN,
        dtype=torch.float32,
        device=torch.device("cpu"),
    )
    for _ in range(3):
        made.fill([mix(5), PLAIN, mix(5)], [1, 1, 1])
        made.fill([PLAIN], [1])
    assert asked == [mix(5)]


def test_a_compiled_pass_reads_what_was_put_there_last() -> None:
    made = table()

    def forward(states: torch.Tensor) -> torch.Tensor:
        return states * 2 + torch.nn.functional.embedding(made.rows[: states.shape[0]], made.deltas[0])

    before = dynamo.utils.counters["stats"]["unique_graphs"]
    compiled = torch.compile(forward, backend="aot_eager", fullgraph=True, dynamic=True)
    for number, num_tokens in ((50, 3), (0, 5), (-20, 4)):
        made.fill([PLAIN, mix(number)], [1, num_tokens - 1])
        states = torch.randn(num_tokens, HIDDEN)
        # As vLLM does: compiled once for every number of tokens, or an error.
        dynamo.mark_dynamic(states, 0)
        torch.testing.assert_close(compiled(states), forward(states))
    assert dynamo.utils.counters["stats"]["unique_graphs"] == before + 1
