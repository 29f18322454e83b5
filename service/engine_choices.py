"""Choices of the engine that need no count of memory: each a value, and why.

A setting wins; else the hardware decides, by rules that were measured or are vLLM's own. Sizes in memory are
`service.engine_memory`'s; how the choices make a plan is `service.engine_plan`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from service.hardware import Cpu, Hardware
from service.model_shape import ModelShape
from service.settings import EngineSettings

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Device = Literal["cpu", "cuda"]
Executor = Literal["uni", "mp", "ray"]

GIB = 1 << 30
SET = "set in configuration"

# The executor of a CPU engine with one worker. `uni` runs it inside vLLM's engine process, `mp` beside it.
CPU_EXECUTOR: Executor = "mp"


@dataclass(frozen=True, slots=True)
class Choice(Generic[T_co]):
    """One value the engine gets, and why."""

    value: T_co
    reason: str


def pick(setting: T | None, default: T, reason: str) -> Choice[T]:
    """The setting, or else the default with its reason."""
    return Choice(default, reason) if setting is None else Choice(setting, SET)


def choose_device(engine: EngineSettings, hardware: Hardware) -> Choice[Device]:
    """Where the model computes."""
    if engine.device != "auto":
        return Choice(engine.device, SET)
    if hardware.gpus:
        return Choice("cuda", f"{len(hardware.gpus)} x {hardware.gpus[0].name}")
    return Choice("cpu", f"no GPU: {hardware.no_gpu_reason}")


def choose_dtype(engine: EngineSettings, device: Device, hardware: Hardware) -> Choice[str]:
    """The type of weights and activations: bfloat16 wherever it is multiplied natively."""
    if engine.dtype != "auto":
        return Choice(engine.dtype, SET)
    if device == "cpu":
        feature = hardware.cpu.bfloat16_feature
        if feature:
            return Choice("bfloat16", f"{feature}; measured 1.9 times float32's speed")
        return Choice("float32", "this CPU multiplies no bfloat16 natively")
    if not hardware.gpus:
        return Choice("bfloat16", "no GPU to ask")
    major, minor = min(gpu.capability for gpu in hardware.gpus)
    if (major, minor) >= (8, 0):
        return Choice("bfloat16", f"compute capability {major}.{minor}")
    return Choice("float16", f"compute capability {major}.{minor} has no bfloat16")


def choose_parallel(size: int, reason: str) -> Choice[int]:
    """How many devices share a layer, or the layers: never more than one unasked."""
    return Choice(size, SET if size > 1 else reason)


def choose_executor(engine: EngineSettings, *, on_cpu: bool) -> Choice[Executor]:
    """How vLLM's workers run."""
    if engine.executor != "auto":
        return Choice(engine.executor, SET)
    if engine.tensor_parallel_size * engine.pipeline_parallel_size > 1:
        return Choice("mp", "one process for each device of this machine; several machines need ray")
    if on_cpu:
        return Choice(
            CPU_EXECUTOR, "binds the compute threads, which uni cannot: measured faster and steadier"
        )
    return Choice("uni", "one GPU needs no worker process")


def choose_threads(engine: EngineSettings, cpu: Cpu) -> Choice[int | None]:
    """Compute threads of a CPU engine, all workers together."""
    if engine.threads is not None:
        return Choice(engine.threads, SET)
    if cpu.is_throttled:
        return Choice(cpu.num_threads, f"the cgroup grants {cpu.quota:g} CPUs of {len(cpu.cores)} cores")
    return Choice(
        cpu.num_threads,
        "all cores; where another program keeps one busy, this halves the speed: set one less",
    )


def choose_binding(cpu: Cpu, threads: int, executor: Executor, workers: int) -> Choice[str | None]:
    """Which CPUs those threads are bound to, in the form of VLLM_CPU_OMP_THREADS_BIND."""
    # One thread on each core first, then the hyper-threads.
    order = [*cpu.cores, *(number for number in cpu.logical if number not in cpu.cores)]
    if executor == "uni":
        return Choice("nobind", "vLLM binds threads of worker processes only")
    if cpu.is_throttled:
        return Choice("nobind", "under a quota, containers bound to the same cores would starve each other")
    if threads > len(order) or threads < workers:
        return Choice("nobind", f"{threads} threads of {workers} worker(s) on {len(order)} CPUs")
    share = threads // workers
    groups = [sorted(order[i * share : (i + 1) * share]) for i in range(workers)]
    return Choice("|".join(_join(group) for group in groups), "the first of the cores this process may use")


def _join(numbers: Sequence[int]) -> str:
    return ",".join(str(number) for number in numbers)


def choose_max_num_seqs(engine: EngineSettings, hardware: Hardware, *, on_cpu: bool) -> Choice[int]:
    """Sequences decoded together."""
    if engine.max_num_seqs is not None:
        return Choice(engine.max_num_seqs, SET)
    if not on_cpu:
        return Choice(256, "vLLM's own default")
    if "amx_bf16" in hardware.cpu.features:
        return Choice(32, "AMX computes 32 rows nearly as fast as 16: 348 tokens/s against 218")
    return Choice(16, "measured: 10 times the tokens/s of one sequence, each at 0.6 of its pace")


def choose_batched_tokens(
    engine: EngineSettings, hardware: Hardware, max_num_seqs: int, *, on_cpu: bool
) -> Choice[int]:
    """Tokens of one step of the engine, all sequences together."""
    if engine.max_num_batched_tokens is not None:
        return Choice(engine.max_num_batched_tokens, SET)
    # vLLM refuses a step that cannot hold one token of each sequence.
    if on_cpu:
        reason = "at 400 prefilled tokens/s a larger step would hold every other stream for seconds"
        return Choice(max(512, max_num_seqs), reason)
    # vLLM's own defaults: a larger step lowers an A100's throughput.
    is_large = bool(hardware.gpus) and all(
        gpu.memory >= 70 * GIB and "A100" not in gpu.name for gpu in hardware.gpus
    )
    size = "large" if is_large else "mid-sized"
    return Choice(max(8192 if is_large else 2048, max_num_seqs), f"vLLM's own default for {size} GPUs")


def choose_prefix_caching(engine: EngineSettings) -> Choice[bool]:
    """Whether equal beginnings of prompts share their part of the KV cache."""
    if engine.prefix_caching:
        return Choice(value=True, reason="equal beginnings are computed once; salted by tenant")
    return Choice(value=False, reason=SET)


def choose_speculation(engine: EngineSettings) -> Choice[dict[str, Any] | None]:
    """The value of vLLM's speculative_config."""
    if not engine.speculative_ngram_tokens:
        return Choice(None, "off; gains on repetitive completion only (measured 3 times at best)")
    # Two to four tokens of context: the range the gain was measured with.
    config = {
        "method": "ngram",
        "num_speculative_tokens": engine.speculative_ngram_tokens,
        "prompt_lookup_min": 2,
        "prompt_lookup_max": 4,
    }
    return Choice(config, SET)


def choose_quantization(engine: EngineSettings, model: ModelShape) -> Choice[str | None]:
    """How vLLM is told to read the weights."""
    if engine.quantization is not None:
        return Choice(engine.quantization, SET)
    if model.quantization is not None:
        return Choice(None, f"vLLM reads {model.quantization} from the model's config.json")
    return Choice(None, "weights as they are")
