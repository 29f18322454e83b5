"""Every choice the engine runs with, and why.

    settings + model + hardware ──► plan() ──► EnginePlan
                                                 ├── choices()      value and reason, for the log and --check
                                                 ├── memory         what the weights and the KV cache take
                                                 ├── environment    to be set before vllm is imported
                                                 └── engine_args()  keyword arguments of vLLM's AsyncEngineArgs

An explicit setting always wins, and its reason says so. Reads no environment variable, probes nothing, imports no
vLLM; whether the plan can work here is `service.check`'s question.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import structlog

from service.engine_choices import (
    Choice,
    Device,
    Executor,
    choose_batched_tokens,
    choose_binding,
    choose_device,
    choose_dtype,
    choose_executor,
    choose_max_num_seqs,
    choose_parallel,
    choose_prefix_caching,
    choose_quantization,
    choose_speculation,
    choose_threads,
    pick,
)
from service.engine_memory import KvSpace, MemoryEstimate
from service.hardware import Hardware
from service.model_shape import ModelShape
from service.settings import Settings
from service.styles import LoadedStyles
from service.vllm_plugin.process import STEERED
from service.vllm_plugin.steering_config import SteeringConfig

log = structlog.get_logger(__name__)

# The steering table is filled by this runner; vLLM's second one, its default on GPUs, prepares its batches elsewhere.
_STEERED_ENVIRONMENT = {"VLLM_USE_V2_MODEL_RUNNER": "0"}


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """What `plan` decided. A choice with the value None is left to vLLM, or has no meaning on this device."""

    settings: Settings
    model: ModelShape
    hardware: Hardware
    memory: MemoryEstimate
    environment: dict[str, str]
    device: Choice[Device]
    dtype: Choice[str]
    tensor_parallel_size: Choice[int]
    pipeline_parallel_size: Choice[int]
    executor: Choice[Executor]
    threads: Choice[int | None]
    thread_binding: Choice[str | None]
    kv_cache_bytes: Choice[int]
    block_size: Choice[int | None]
    max_model_len: Choice[int]
    max_num_seqs: Choice[int]
    max_num_batched_tokens: Choice[int]
    enforce_eager: Choice[bool]
    prefix_caching: Choice[bool]
    speculation: Choice[dict[str, Any] | None]
    quantization: Choice[str | None]
    load_format: Choice[str]
    max_logprobs: Choice[int]
    control_vectors: Choice[str | None]
    styles: LoadedStyles

    def choices(self) -> Iterator[tuple[str, Choice[Any]]]:
        """Give every choice with its name."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Choice):
                yield field.name, value

    def engine_args(self, model_dir: Path) -> dict[str, Any]:
        """Give the keyword arguments of vLLM 0.32's AsyncEngineArgs for a model folder."""
        arguments: dict[str, Any] = {
            "model": str(model_dir),
            # The label of vLLM's metrics; without it they would carry the folder's path.
            "served_model_name": self.settings.model.served_name or self.settings.model.id,
            "trust_remote_code": False,
            # Puts the syntax mask into the engine core; with no masked request it does what vLLM's own does.
            "scheduler_cls": "service.vllm_plugin.scheduler.make_scheduler",
            "enable_log_requests": False,
            "load_format": self.load_format.value,
            "dtype": self.dtype.value,
            "quantization": self.quantization.value,
            "max_model_len": self.max_model_len.value,
            "max_num_seqs": self.max_num_seqs.value,
            "max_num_batched_tokens": self.max_num_batched_tokens.value,
            "max_logprobs": self.max_logprobs.value,
            "block_size": self.block_size.value,
            "enforce_eager": self.enforce_eager.value,
            "enable_prefix_caching": self.prefix_caching.value,
            "speculative_config": self.speculation.value,
            "tensor_parallel_size": self.tensor_parallel_size.value,
            "pipeline_parallel_size": self.pipeline_parallel_size.value,
            "distributed_executor_backend": self.executor.value,
            "gpu_memory_utilization": self.settings.engine.gpu_memory_utilization,
        }
        if self.device.value == "cpu":
            arguments["worker_cls"] = "service.vllm_plugin.masked_cpu_worker.MaskedCPUWorker"
        elif self.styles.folder is not None:
            arguments["worker_cls"] = "service.vllm_plugin.gpu_worker.SteeringGpuWorker"
        if self.styles.folder is not None:
            steering = SteeringConfig(str(self.styles.folder), self.styles.collection.digest)
            arguments["additional_config"] = steering.to_additional_config()
            arguments["hf_overrides"] = {"architectures": [STEERED[self.model.architecture][0]]}
        # On GPUs vLLM measures what is left for the cache, which is better than our estimate.
        if self.device.value == "cpu" or self.settings.engine.kv_cache_bytes is not None:
            arguments["kv_cache_memory_bytes"] = self.kv_cache_bytes.value
        return {name: value for name, value in arguments.items() if value is not None}

    def as_dict(self) -> dict[str, Any]:
        """Give the plan as JSON values."""
        return {
            "choices": {name: asdict(choice) for name, choice in self.choices()},
            "model": asdict(self.model),
            "memory": {**asdict(self.memory), "needed": self.memory.needed},
            "environment": self.environment,
        }


def plan(
    settings: Settings, model: ModelShape, hardware: Hardware, styles: LoadedStyles | None = None
) -> EnginePlan:
    """Decide everything the engine runs with. Never fails: `service.check` judges what comes out."""
    styles = styles or LoadedStyles()
    engine = settings.engine
    device = choose_device(engine, hardware)
    on_cpu = device.value == "cpu"
    dtype = choose_dtype(engine, device.value, hardware)
    tp, pp = engine.tensor_parallel_size, engine.pipeline_parallel_size
    executor = choose_executor(engine, on_cpu=on_cpu)
    threads = choose_threads(engine, hardware.cpu) if on_cpu else Choice(None, "the GPU computes")
    binding = (
        choose_binding(hardware.cpu, threads.value or 1, executor.value, tp * pp)
        if on_cpu
        else Choice(None, "the GPU computes")
    )
    block_size = pick(engine.block_size, 32 if on_cpu else None, _BLOCK_REASON[device.value])
    space = KvSpace(settings, model, hardware, device.value, dtype.value)
    kv_cache = space.choose_kv_cache()
    max_model_len = space.choose_max_model_len(kv_cache.value)
    max_num_seqs = choose_max_num_seqs(engine, hardware, on_cpu=on_cpu)
    return EnginePlan(
        settings=settings,
        model=model,
        hardware=hardware,
        memory=space.estimate(kv_cache.value, max_model_len.value),
        environment=_environment(settings, device.value, executor.value, threads.value, binding.value)
        | ({} if styles.folder is None else _STEERED_ENVIRONMENT),
        device=device,
        dtype=dtype,
        tensor_parallel_size=choose_parallel(tp, "each layer on one device"),
        pipeline_parallel_size=choose_parallel(pp, "all layers on one device"),
        executor=executor,
        threads=threads,
        thread_binding=binding,
        kv_cache_bytes=kv_cache,
        block_size=block_size,
        max_model_len=max_model_len,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=choose_batched_tokens(engine, hardware, max_num_seqs.value, on_cpu=on_cpu),
        enforce_eager=pick(engine.enforce_eager, on_cpu, _EAGER_REASON[device.value]),
        prefix_caching=choose_prefix_caching(engine),
        speculation=choose_speculation(engine),
        quantization=choose_quantization(engine, model),
        load_format=Choice("safetensors", "weights as pickles could run code"),
        max_logprobs=Choice(settings.limits.max_logprobs, "limits.max_logprobs"),
        control_vectors=_choose_vectors(settings, styles),
        styles=styles,
    )


def _choose_vectors(settings: Settings, styles: LoadedStyles) -> Choice[str | None]:
    if styles.folder is not None:
        return Choice(", ".join(styles.collection.names), f"found in {styles.folder}")
    if not settings.steering.enabled:
        return Choice(None, "steering.enabled")
    return Choice(None, "there are none for this model")


def log_plan(plan: EnginePlan) -> None:
    """Write each choice with its reason, and the memory it takes, to the log."""
    for name, choice in plan.choices():
        log.info("engine_choice", choice=name, value=choice.value, reason=choice.reason)
    log.info("engine_memory", needed=plan.memory.needed, **asdict(plan.memory))


_BLOCK_REASON = {"cpu": "vLLM's CPU kernels want a multiple of 32", "cuda": "left to the attention backend"}
_EAGER_REASON = {
    "cpu": "compiling took over 75 s at start, and no gain was measured",
    "cuda": "CUDA graphs save the launch of each kernel",
}
# vLLM's own lines are plain text among our JSON, so only its warnings pass at our level "info". Its debug lines
# may show prompts and are never asked for.
_VLLM_LEVEL = {"debug": "INFO", "info": "WARNING", "warning": "WARNING", "error": "ERROR"}


def _environment(
    settings: Settings, device: Device, executor: Executor, threads: int | None, binding: str | None
) -> dict[str, str]:
    environment = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_ALLOW_INSECURE_SERIALIZATION": "0",
        "VLLM_MAX_N_SEQUENCES": str(settings.limits.max_n),
        "VLLM_LOGGING_LEVEL": _VLLM_LEVEL[settings.log.level],
        "VLLM_LOGGING_STREAM": "ext://sys.stderr",
        # The service has threads when the engine starts, and forking a process with threads can deadlock it.
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    }
    if device == "cuda":
        return environment
    # Without a Triton for CPUs vLLM falls back to this runner anyway, with a warning.
    environment["VLLM_USE_V2_MODEL_RUNNER"] = "0"
    environment["VLLM_CPU_OMP_THREADS_BIND"] = binding or "nobind"
    # vLLM guesses tokens with numba. Its OpenMP layer sets OpenMP's number of threads for whoever calls it to what
    # numba may have, and that is one where vLLM has bound the caller to a core: the model went on with one thread.
    environment["NUMBA_THREADING_LAYER"] = "workqueue"
    if binding == "nobind":
        workers = settings.engine.tensor_parallel_size * settings.engine.pipeline_parallel_size
        environment["OMP_NUM_THREADS"] = str(max(1, (threads or 1) // workers))
    if settings.engine.enforce_eager is not False:
        # vLLM compiles a few sampling kernels even so: measured, the first request with log-probabilities stalled
        # the whole engine for 18 to 24 s (docs/adr/0003).
        environment["TORCH_COMPILE_DISABLE"] = "1"
    if executor == "uni":
        # Else vLLM turns uni into mp on CPUs without a word. AsyncLLM still gets its engine process.
        environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    return environment
