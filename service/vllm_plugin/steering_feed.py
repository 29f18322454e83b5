"""Fills the steering table of a worker's model before each forward pass.

vLLM's runner calls `_prepare_inputs` once a step, after the batch is in its final order and before the model runs,
be that eagerly, compiled or as a CUDA graph. Nothing else of the runner is touched.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from adapters import Mix
from service.steering_spec import EXTRA_KEY, SteeringSpec, SteeringSpecError
from service.vllm_plugin.steering_config import SteeringConfig
from service.vllm_plugin.steering_table import SteeringTable

if TYPE_CHECKING:
    from vllm.v1.worker.gpu_worker import Worker
else:
    Worker = object

_LOG = logging.getLogger(__name__)


class SteeringWorker(Worker):
    """Comes before vLLM's worker among a class's bases. Does nothing where no vectors are loaded."""

    def load_model(self, *args: Any, **kwargs: Any) -> None:
        """Load the model; when it is steered, have its runner feed it."""
        super().load_model(*args, **kwargs)
        config = SteeringConfig.of(self.vllm_config)
        if config is not None:
            feed_steering(self.model_runner, config.digest)


def feed_steering(runner: Any, digest: str) -> None:
    """Have a runner fill its model's table. `digest` is that of the vectors its model has loaded."""
    table: SteeringTable = runner.get_model().steering_table
    mixes = Mixes(digest)
    prepare = runner._prepare_inputs  # noqa: SLF001 - vLLM has no public place between ordering a batch and running it

    def prepare_and_fill(scheduler_output: Any, num_scheduled_tokens: Any, *args: Any, **kwargs: Any) -> Any:
        prepared = prepare(scheduler_output, num_scheduled_tokens, *args, **kwargs)
        requests, counts = runner.requests, scheduler_output.num_scheduled_tokens
        ids = runner.input_batch.req_ids
        table.fill([mixes.of(requests[i].sampling_params) for i in ids], [counts[i] for i in ids])
        return prepared

    runner._prepare_inputs = prepare_and_fill  # noqa: SLF001


class Mixes:
    """Reads requests' specs, each once."""

    def __init__(self, digest: str) -> None:
        self._digest = digest
        self._read = lru_cache(maxsize=4096)(self._read_spec)

    def of(self, sampling_params: Any) -> Mix:
        """Give what steers a request."""
        extra = getattr(sampling_params, "extra_args", None)
        return self._read(extra[EXTRA_KEY]) if extra and EXTRA_KEY in extra else Mix()

    def _read_spec(self, text: str) -> Mix:
        # The service made the spec and checked it. One that is wrong all the same must not end the whole batch.
        try:
            spec = SteeringSpec.from_wire(text)
        except SteeringSpecError as error:
            _LOG.error("a request is not steered: %s", error)
            return Mix()
        if spec.digest != self._digest:
            _LOG.error("a request is not steered: it was checked against other vectors than this worker's")
            return Mix()
        return spec.mix
