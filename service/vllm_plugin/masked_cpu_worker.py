"""The CPU worker of cpu_worker.py, which also says which steps the mask changed, and steers.

The flags travel as one more attribute of the runner's output, which is pickled on its way to the scheduler.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import override
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.worker import gpu_model_runner

from service.vllm_plugin.changed_tokens import ChangeCounter
from service.vllm_plugin.cpu_worker import SeededCPUWorker
from service.vllm_plugin.scheduler import CHANGED_ATTRIBUTE
from service.vllm_plugin.steering_feed import SteeringWorker

# The CPU runner is a subclass of the GPU's and finds the function there.
_COUNTER = ChangeCounter(gpu_model_runner.apply_grammar_bitmask)
gpu_model_runner.apply_grammar_bitmask = _COUNTER


class MaskedCPUWorker(SteeringWorker, SeededCPUWorker):
    """Named in the engine's arguments as its worker class."""

    @override
    def sample_tokens(self, grammar_output: Any) -> Any:
        """Sample, and say which steps the mask changed."""
        output = super().sample_tokens(grammar_output)
        flags = _COUNTER.take()
        if flags and isinstance(output, ModelRunnerOutput):
            setattr(output, CHANGED_ATTRIBUTE, flags)
        return output
