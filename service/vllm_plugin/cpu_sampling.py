"""vLLM's sampling of guessed tokens on CPUs, mended: it drew with temperatures that were whatever memory held.

With guesses a request has several rows of logits, and its temperature, top-k and top-p are copied to each of them. In
vLLM 0.32 the CPU's stand-in for that kernel hands the C++ code a copy of the output wherever the output is not int64,
which none of the three is, and drops the copy (vLLM issue 55005). What was drawn then came from logits divided by
unset memory: of another temperature, or, where it was zero or negative, from beyond the mask as well. Greedy requests
beside a sampled one go the same way; a step in which all are greedy does not.
"""

from __future__ import annotations

import torch
from vllm.v1.sample import rejection_sampler


def expand_batch_to_tokens(
    x: torch.Tensor,
    cu_num_tokens: torch.Tensor,
    num_tokens: int,
    replace_from: float = 0,
    replace_to: float = 0,
) -> torch.Tensor:
    """Repeat each request's value for each of its guessed tokens.

    x              one value a request, any dtype, which the result has too
    cu_num_tokens  running total of the requests' tokens
    num_tokens     the last total
    replace_from, replace_to   a value, and what stands for it in the result
    """
    counts = torch.diff(cu_num_tokens, prepend=cu_num_tokens.new_zeros(1))
    values = torch.where(x == replace_from, torch.full_like(x, replace_to), x)
    return torch.repeat_interleave(values, counts, output_size=num_tokens)


def mend() -> None:
    """Put ours in the place of vLLM's, in this process. For workers on CPUs alone."""
    rejection_sampler.expand_batch_to_tokens = expand_batch_to_tokens
