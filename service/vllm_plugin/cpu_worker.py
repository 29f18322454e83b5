"""vLLM's CPU worker, mended: a seeded request whose prompt is read in several steps killed the engine.

vLLM 0.32 samples for every request of a step, also where a part of the prompt is still unread. Such a token is thrown
away, and a seeded request's random generator is turned back by its offset, so that the answer does not depend on how
the prompt was cut. CPU generators have no offset ("CPU Generator does not use offset"): the worker raised, and with
it ended the engine and every open request. Here the generator's state is kept before that sample and put back after.
What else is mended: cpu_sampling.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from typing_extensions import override
from vllm.v1.worker.cpu_model_runner import CPUModelRunner
from vllm.v1.worker.cpu_worker import CPUWorker

from service.vllm_plugin import cpu_sampling


class SeededCPUModelRunner(CPUModelRunner):
    """Turns back the generators of requests whose sample is thrown away, by their whole state."""

    def _discarded(self) -> list[int]:
        """Give the rows of the batch with a generator and a prompt that is not read to its end."""
        mask = self.discard_request_mask.np[: self.input_batch.num_reqs]
        return [row for row in map(int, np.nonzero(mask)[0]) if row in self.input_batch.generators]

    @override
    def _sample(self, *args: Any, **kwargs: Any) -> Any:
        generators = self.input_batch.generators
        kept = [(generators[row], generators[row].get_state()) for row in self._discarded()]
        output = super()._sample(*args, **kwargs)
        for generator, state in kept:
            generator.set_state(state)
        return output

    @override
    def _bookkeeping_sync(self, *args: Any, **kwargs: Any) -> Any:
        # vLLM turns back what it finds in here.
        generators = self.input_batch.generators
        set_aside = {row: generators.pop(row) for row in self._discarded()}
        try:
            return super()._bookkeeping_sync(*args, **kwargs)
        finally:
            generators.update(set_aside)


class SeededCPUWorker(CPUWorker):
    """Names our runner; what `engine_plan` names on CPU is a subclass (masked_cpu_worker.py)."""

    @override
    def init_device(self) -> None:
        """Make the device ready, with our runner in place of vLLM's."""
        cpu_sampling.mend()
        super().init_device()
        if type(self.model_runner) is CPUModelRunner:
            # The same object with two methods more: it is made in the middle of a long function.
            self.model_runner.__class__ = SeededCPUModelRunner
