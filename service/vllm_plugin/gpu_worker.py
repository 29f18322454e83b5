"""vLLM's worker on GPUs, which also steers. Taken only where vectors are loaded; needs the first model runner."""

from __future__ import annotations

from vllm.v1.worker.gpu_worker import Worker

from service.vllm_plugin.steering_feed import SteeringWorker


class SteeringGpuWorker(SteeringWorker, Worker):
    """Named in the engine's arguments as its worker class."""
