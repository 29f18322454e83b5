"""A steering spec through vLLM's own request types, without an engine: each API hands it to the workers."""

from __future__ import annotations

from typing import Any

import pytest

from adapters import Mix
from service.engine import OpenAICall, Sampling
from service.steering_spec import EXTRA_KEY, SteeringSpec
from service.vllm_plugin.steering_feed import Mixes

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

SPEC = SteeringSpec(Mix((("documented", 0.5), ("verbosity", -1.0))), "d" * 64)
COMMON: dict[str, Any] = {"model": "m", "max_tokens": 4}


def test_openai_requests_carry_the_spec_and_their_mix_is_read_back() -> None:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.entrypoints.openai.completion.protocol import CompletionRequest

    from service.vllm_engine.client import _styles  # pyright: ignore[reportPrivateUsage]
    from service.vllm_engine.openai_handlers import _parse  # pyright: ignore[reportPrivateUsage]

    chat = {**COMMON, "messages": [{"role": "user", "content": "x"}]}
    for model, body in ((ChatCompletionRequest, chat), (CompletionRequest, {**COMMON, "prompt": "x"})):
        for steering, mix in ((SPEC, SPEC.mix), (None, Mix())):
            call = OpenAICall("id", body, "salt", steering=steering)
            params = _parse(model, call, body).to_sampling_params(4, {})
            assert Mixes(SPEC.digest).of(params) == mix
            assert _styles(params) == tuple(name for name, _ in mix.knobs)


def test_each_candidate_of_a_request_carries_the_spec() -> None:
    from vllm.v1.engine.parallel_sampling import ParentRequest

    from service.vllm_engine.engine import _sampling_params  # pyright: ignore[reportPrivateUsage]

    params = _sampling_params(Sampling(max_tokens=4, n=3, seed=1), None, SPEC)
    parent: Any = ParentRequest.__new__(ParentRequest)
    parent.sampling_params, parent.cached_child_sampling_params = params, None
    for index in range(3):
        child = parent._get_child_sampling_params(index)
        assert child.extra_args == {EXTRA_KEY: SPEC.to_wire()}
    assert _sampling_params(Sampling(max_tokens=4), None, None).extra_args is None
