"""Drawing with guessed tokens on CPUs, by vLLM's own sampler with our part of it. The engine: tests/model."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import pytest
import torch

sampling = pytest.importorskip("service.vllm_plugin.cpu_sampling", reason="vLLM is not here")


@pytest.mark.parametrize(
    "values",
    [torch.tensor([0.7, 0.0, 1.3]), torch.tensor([5, 0, 7], dtype=torch.int32), torch.tensor([5, 0, 7])],
)
def test_each_guess_gets_its_requests_value(values: torch.Tensor) -> None:
    totals = torch.tensor([2, 3, 6], dtype=torch.int32)
    expected = [values[0], values[0], 1, values[2], values[2], values[2]]
    found = sampling.expand_batch_to_tokens(values, totals, 6, replace_from=0, replace_to=1)
    assert found.dtype == values.dtype
    assert found.tolist() == torch.tensor(expected, dtype=values.dtype).tolist()


def test_requests_without_guesses_get_no_rows() -> None:
    totals = torch.tensor([0, 2, 2], dtype=torch.int32)
    assert sampling.expand_batch_to_tokens(torch.tensor([1.0, 2.0, 3.0]), totals, 2).tolist() == [2.0, 2.0]


@pytest.fixture(scope="module")
def kernels() -> Any:
    """Give the sampler as a worker on a CPU has it."""
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        pytest.skip("vLLM is not built for CPUs")
    current_platform.import_kernels()
    # It looks at every name of every module, also at deprecated ones, and stumbles over one of llvmlite, which another
    # test may have loaded (by bm25s and numba). The engine's own processes begin without.
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("llvmlite.")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        current_platform.register_triton_kernel_overrides()
    sys.modules.update(hidden)
    sampling.mend()
    return sampling.rejection_sampler


MASKED = float("-inf")
LOGITS = torch.tensor([1.0, 0.5, MASKED, 0.0, MASKED, -1.0, 2.0, MASKED])
GUESSES = [6, 2, 0]  # the second one is masked


def draw(rejection_sampler: Any, temperatures: list[float], seed: int) -> list[list[int]]:
    """Give each request's tokens of one step with the same logits in every row."""
    from vllm.v1.sample.logits_processor import LogitsProcessors
    from vllm.v1.sample.metadata import SamplingMetadata
    from vllm.v1.sample.sampler import Sampler
    from vllm.v1.spec_decode.metadata import SpecDecodeMetadata

    num = len(temperatures)
    zeros = torch.zeros(num)
    is_greedy = [temperature == 0 for temperature in temperatures]
    metadata = SamplingMetadata(
        temperature=torch.tensor(temperatures), all_greedy=all(is_greedy), all_random=not any(is_greedy),
        top_p=None, top_k=None, max_num_logprobs=None, no_penalties=True, prompt_token_ids=None,
        generators={row: torch.Generator().manual_seed(seed * num + row) for row in range(num)},
        frequency_penalties=zeros, presence_penalties=zeros, repetition_penalties=zeros,
        output_token_ids=[[] for _ in temperatures], allowed_token_ids_mask=None, bad_words_token_ids={},
        logitsprocs=LogitsProcessors(),
    )  # fmt: skip
    guesses = SpecDecodeMetadata.make_dummy([GUESSES] * num, torch.device("cpu"))
    logits = LOGITS.repeat(num * (1 + len(GUESSES)), 1)
    # What lies in memory that is not set must not matter.
    for _ in range(4):
        torch.full((num * len(GUESSES),), -1.0)
    output = rejection_sampler.RejectionSampler(Sampler())(guesses, None, logits, metadata)
    return [[t for t in row if t >= 0] for row in output.sampled_token_ids.tolist()]


def test_drawn_tokens_follow_the_models_distribution_and_never_leave_the_mask(kernels: Any) -> None:
    num, temperature = 2000, 0.7
    firsts = torch.zeros(len(LOGITS))
    for seed in range(num // 20):
        for row in draw(kernels, [temperature] * 20, seed):
            # Whatever is accepted, the masked guess is not.
            assert all(bool(LOGITS[token] > MASKED) for token in row)
            assert len(row) <= 2
            firsts[row[0]] += 1
    expected = (LOGITS / temperature).softmax(0) * num
    there = expected > 0
    squares = ((firsts - expected)[there] ** 2 / expected[there]).sum()
    # 99.9 % of a chi-squared variable with 4 degrees of freedom are below.
    assert float(squares) < 18.5


def test_greedy_requests_beside_drawn_ones_take_the_likeliest(kernels: Any) -> None:
    for seed in range(20):
        greedy, *drawn = draw(kernels, [0.0, 1.0, 2.0], seed)
        # The guess 6 is the likeliest, the next one is not.
        assert greedy == [6, 6]
        assert all(bool(LOGITS[token] > MASKED) for row in drawn for token in row)
