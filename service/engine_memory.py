"""Memory of the engine: how much the weights, the KV cache and the rest take, and how long a context that allows.

On a CPU all workers share the free memory; on GPUs each device is counted by itself. Estimates only: on GPUs vLLM
measures what is left for the cache once the weights are loaded. Knows nothing of threads or vLLM's arguments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from service.engine_choices import SET, Choice, Device
from service.hardware import Hardware
from service.model_shape import ModelShape
from service.settings import Settings

MIB, GIB = 1 << 20, 1 << 30

CPU_KV_CACHE_BYTES = GIB
CPU_MAX_MODEL_LEN = 4096
# The least engine.max_model_len may say.
MIN_MODEL_LEN = 256
# Measured, AsyncLLM: front end 0.95 GB, engine core 0.65 GB, worker 0.96 GB beyond its weights and KV cache.
CPU_OVERHEAD_BYTES = int(2.6e9)
# Not measured: CUDA context, NCCL buffers, activations of one step and CUDA graphs.
GPU_OVERHEAD_BYTES = 3 * GIB
# Left to the system and to the service's own index and buffers when the KV cache must shrink.
_SPARE_BYTES = 512 * MIB
_KV_STEP = 64 * MIB


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes of one device: of each GPU, or of all workers together on a CPU.

    available       what the engine may take: free memory on a CPU, the configured share of a GPU
    kv_tokens       tokens the KV cache holds, in whole blocks
    full_sequences  sequences of max_model_len tokens it holds
    """

    weights_total: int
    weights: int
    kv_cache: int
    kv_bytes_per_token: int
    overhead: int
    available: int
    kv_tokens: int
    full_sequences: float

    @property
    def needed(self) -> int:
        """Weights, KV cache and overhead."""
        return self.weights + self.kv_cache + self.overhead


@dataclass(frozen=True, slots=True)
class KvSpace:
    """How much memory there is for the KV cache, and how many tokens that holds. Sizes in bytes, of one worker."""

    settings: Settings
    model: ModelShape
    hardware: Hardware
    device: Device
    dtype: str

    @property
    def parallel(self) -> tuple[int, int]:
        """Devices that share a layer, and devices that share the layers."""
        return self.settings.engine.tensor_parallel_size, self.settings.engine.pipeline_parallel_size

    @property
    def block(self) -> int:
        """Tokens of one block of the cache."""
        return self.settings.engine.block_size or (32 if self.device == "cpu" else 16)

    @property
    def per_token(self) -> int:
        """What one token takes in the cache."""
        return self.model.kv_bytes_per_token(self.dtype, *self.parallel)

    @property
    def weights(self) -> int:
        """What the weights take."""
        return self.model.weights_per_device(self.dtype, *self.parallel)

    @property
    def overhead(self) -> int:
        """What is taken besides weights and cache, by all workers that share one memory."""
        return CPU_OVERHEAD_BYTES if self.device == "cpu" else GPU_OVERHEAD_BYTES

    @property
    def workers(self) -> int:
        """Workers that share one memory: all of them on a CPU, one on each GPU."""
        return math.prod(self.parallel) if self.device == "cpu" else 1

    @property
    def available(self) -> int:
        """What the engine may take, all workers that share one memory together."""
        if self.device == "cpu":
            return self.hardware.memory.available
        smallest = min((gpu.memory for gpu in self.hardware.gpus), default=0)
        return int(smallest * self.settings.engine.gpu_memory_utilization)

    def left(self) -> int:
        """What remains for the cache; negative when the weights alone are too large."""
        return (self.available - self.overhead) // self.workers - self.weights

    def choose_kv_cache(self) -> Choice[int]:
        """Size of the KV cache."""
        engine = self.settings.engine
        if engine.kv_cache_bytes is not None:
            return Choice(engine.kv_cache_bytes, SET)
        if self.device == "cuda":
            share = f"{engine.gpu_memory_utilization:.0%}"
            return Choice(max(0, self.left()), f"estimate: {share} of the GPU less weights and overhead")
        length = engine.max_model_len or min(CPU_MAX_MODEL_LEN, self.model.context_length)
        # One block more than the longest sequence: vLLM keeps block 0 for itself.
        one_sequence = _round_up((length + self.block) * self.per_token, _KV_STEP)
        wanted = max(CPU_KV_CACHE_BYTES, one_sequence)
        spare = (self.left() - _SPARE_BYTES // self.workers) // _KV_STEP * _KV_STEP
        if spare < wanted:
            return Choice(max(_KV_STEP, spare), "what the free memory leaves beside the weights")
        if wanted > CPU_KV_CACHE_BYTES:
            return Choice(wanted, "one sequence of full length")
        return Choice(wanted, "1 GiB, more than the longest sequence needs")

    def choose_max_model_len(self, kv_cache: int) -> Choice[int]:
        """Context in tokens, prompt and answer, with a cache of this size."""
        engine, on_cpu = self.settings.engine, self.device == "cpu"
        if engine.max_model_len is not None:
            return Choice(engine.max_model_len, SET)
        full = self.model.context_length
        wanted = min(CPU_MAX_MODEL_LEN, full) if on_cpu else full
        tokens = self.tokens(kv_cache)
        # Shortened further, the context would only hide that the memory is too small.
        if MIN_MODEL_LEN <= tokens < wanted:
            return Choice(tokens, f"all the KV cache holds, of {wanted}")
        return Choice(wanted, "a CPU prefills slowly" if on_cpu and wanted < full else "the model's")

    def tokens(self, kv_cache: int) -> int:
        """Count the tokens that a cache of this size holds, in whole blocks."""
        blocks = kv_cache // (self.block * self.per_token)
        return max(0, blocks - 1) * self.block

    def estimate(self, kv_cache: int, max_model_len: int) -> MemoryEstimate:
        """Sum up what a cache of this size makes the engine take."""
        return MemoryEstimate(
            weights_total=self.model.weights(self.dtype),
            weights=self.weights * self.workers,
            kv_cache=kv_cache * self.workers,
            kv_bytes_per_token=self.per_token,
            overhead=self.overhead,
            available=self.available,
            kv_tokens=self.tokens(kv_cache),
            full_sequences=round(self.tokens(kv_cache) / max_model_len, 1),
        )


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step
