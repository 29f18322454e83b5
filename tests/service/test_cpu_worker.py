"""Generators of seeded requests whose sample is thrown away. The whole engine: tests/model/test_real_service.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

runners = pytest.importorskip("service.vllm_plugin.cpu_worker", reason="vLLM's CPU worker is not here")


def generator() -> torch.Generator:
    return torch.Generator(device="cpu").manual_seed(7)


def test_generators_of_unread_prompts_are_turned_back_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[set[int]] = []

    def sample(self: Any) -> list[float]:
        return [float(torch.rand(1, generator=each)) for each in self.input_batch.generators.values()]

    def bookkeeping(self: Any) -> str:
        seen.append(set(self.input_batch.generators))
        for each in self.input_batch.generators.values():
            assert each is read
        return "done"

    monkeypatch.setattr(runners.CPUModelRunner, "_sample", sample)
    monkeypatch.setattr(runners.CPUModelRunner, "_bookkeeping_sync", bookkeeping)
    unread, read = generator(), generator()
    runner = object.__new__(runners.SeededCPUModelRunner)
    # Row 1 has no seed; row 3 is left over from a larger batch.
    runner.discard_request_mask = SimpleNamespace(np=np.array([True, True, False, True]))
    runner.input_batch = SimpleNamespace(num_reqs=3, generators={0: unread, 2: read})
    drawn = runner._sample()
    assert drawn[0] == drawn[1]
    assert runner._bookkeeping_sync() == "done"
    assert seen == [{2}]
    assert runner.input_batch.generators == {0: unread, 2: read}
    assert torch.rand(1, generator=unread) == drawn[0]
    assert torch.rand(1, generator=read) != drawn[1]


def test_vllms_generators_have_no_offset_on_cpu() -> None:
    # The reason for all this: once torch has offsets here, vLLM's own way works.
    with pytest.raises(RuntimeError, match="offset"):
        generator().get_offset()
