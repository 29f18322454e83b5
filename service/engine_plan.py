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

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import structlog

from model_store import ModelEntry
from service.errors import ConfigurationError
from service.hardware import Cpu, Hardware
from service.settings import EngineSettings, Settings

log = structlog.get_logger(__name__)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Device = Literal["cpu", "cuda"]
Executor = Literal["uni", "mp", "ray"]

MIB, GIB = 1 << 20, 1 << 30
DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
SET = "set in configuration"

# The executor of a CPU engine with one worker. `uni` runs it inside vLLM's engine process, `mp` beside it.
CPU_EXECUTOR: Executor = "mp"
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
class Choice(Generic[T_co]):
    """One value the engine gets, and why."""

    value: T_co
    reason: str


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What memory and parallelism depend on. `weight_bytes` are the safetensors files', when they are here."""

    name: str
    architecture: str
    parameters: int
    num_layers: int
    hidden_size: int
    num_attention_heads: int
    num_kv_heads: int
    head_dim: int
    vocab_size: int
    context_length: int
    tied_embeddings: bool
    quantization: str | None = None
    weight_bytes: int | None = None

    @classmethod
    def from_entry(cls, entry: ModelEntry) -> ModelShape:
        """Take the shape of a known model from the catalog."""
        return cls(
            name=entry.id,
            architecture=entry.architecture,
            parameters=entry.parameters,
            num_layers=entry.layers,
            hidden_size=entry.hidden_size,
            # True of all Qwen2 models: the heads' outputs, side by side, are as wide as the residual stream.
            num_attention_heads=entry.hidden_size // entry.head_dim,
            num_kv_heads=entry.kv_heads,
            head_dim=entry.head_dim,
            vocab_size=entry.vocab_size,
            context_length=entry.context_length,
            tied_embeddings=entry.tied_embeddings,
        )

    @classmethod
    def from_folder(cls, folder: Path) -> ModelShape:
        """Read the config.json of a model folder. Raises ConfigurationError if there is none to be read."""
        try:
            config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            return cls(
                name=folder.name,
                weight_bytes=sum(file.stat().st_size for file in folder.glob("*.safetensors")) or None,
                quantization=(config.get("quantization_config") or {}).get("quant_method"),
                **_shape(config),
            )
        except OSError as error:
            raise ConfigurationError(
                f"{folder} is no model folder: config.json: {error.strerror}."
            ) from error
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise ConfigurationError(
                f"{folder / 'config.json'} is no model configuration: {error!r}."
            ) from error

    def weights(self, dtype: str) -> int:
        """Bytes of all weights. Quantised ones are counted as they lie on disk."""
        if self.quantization and self.weight_bytes:
            return self.weight_bytes
        return self.parameters * DTYPE_BYTES[dtype]

    def weights_per_device(self, dtype: str, tp: int, pp: int) -> int:
        """Bytes of the fullest device: its share of the layers, and an embedding matrix if it has one.

        With pp > 1 the first stage holds the input embedding and the last the output head, never both.
        """
        total = self.weights(dtype)
        matrix = total * self.vocab_size * self.hidden_size // self.parameters
        matrices = 1 if self.tied_embeddings else 2
        own_matrices = matrices if pp == 1 else 1
        return (total - matrices * matrix) // (tp * pp) + own_matrices * matrix // tp

    def kv_bytes_per_token(self, dtype: str, tp: int = 1, pp: int = 1) -> int:
        """Bytes one token takes in the KV cache of one device. Fewer KV heads than devices are copied."""
        heads = max(1, self.num_kv_heads // tp)
        return 2 * math.ceil(self.num_layers / pp) * heads * self.head_dim * DTYPE_BYTES[dtype]


def _shape(config: dict[str, Any]) -> dict[str, Any]:
    """Give the fields of ModelShape that a Qwen2 or Qwen configuration determines."""
    hidden, layers, vocab = config["hidden_size"], config["num_hidden_layers"], config["vocab_size"]
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads", heads)
    head_dim = config.get("head_dim") or hidden // heads
    tied = bool(config.get("tie_word_embeddings", False))
    attention = hidden * head_dim * 2 * (heads + kv_heads) + head_dim * (heads + 2 * kv_heads)
    layer = attention + 3 * hidden * config["intermediate_size"] + 2 * hidden
    return {
        "architecture": config["architectures"][0],
        "parameters": layers * layer + vocab * hidden * (1 if tied else 2) + hidden,
        "num_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_kv_heads": kv_heads,
        "head_dim": head_dim,
        "vocab_size": vocab,
        "context_length": _context_length(config),
        "tied_embeddings": tied,
    }


def _context_length(config: dict[str, Any]) -> int:
    rope = config.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type")) == "yarn":
        original = rope.get("original_max_position_embeddings", config["max_position_embeddings"])
        return int(original * rope.get("factor", 1))
    return int(config.get("max_position_embeddings") or config["seq_length"])


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


def plan(settings: Settings, model: ModelShape, hardware: Hardware) -> EnginePlan:
    """Decide everything the engine runs with. Never fails: `service.check` judges what comes out."""
    engine = settings.engine
    device = _device(engine, hardware)
    on_cpu = device.value == "cpu"
    dtype = _dtype(engine, device.value, hardware)
    tp, pp = engine.tensor_parallel_size, engine.pipeline_parallel_size
    executor = _executor(engine, on_cpu=on_cpu)
    threads = _threads(engine, hardware.cpu) if on_cpu else Choice(None, "the GPU computes")
    binding = (
        _binding(hardware.cpu, threads.value or 1, executor.value, tp * pp)
        if on_cpu
        else Choice(None, "the GPU computes")
    )
    block_size = _pick(engine.block_size, 32 if on_cpu else None, _BLOCK_REASON[device.value])
    space = _KvSpace(settings, model, hardware, device.value, dtype.value)
    kv_cache = space.choose()
    max_model_len = _max_model_len(engine, model, space, kv_cache.value, on_cpu=on_cpu)
    max_num_seqs = _pick(engine.max_num_seqs, 16 if on_cpu else 256, _SEQS_REASON[device.value])
    return EnginePlan(
        settings=settings,
        model=model,
        hardware=hardware,
        memory=space.estimate(kv_cache.value, max_model_len.value),
        environment=_environment(settings, device.value, executor.value, threads.value, binding.value),
        device=device,
        dtype=dtype,
        tensor_parallel_size=_parallel(tp, "each layer on one device"),
        pipeline_parallel_size=_parallel(pp, "all layers on one device"),
        executor=executor,
        threads=threads,
        thread_binding=binding,
        kv_cache_bytes=kv_cache,
        block_size=block_size,
        max_model_len=max_model_len,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=_batched_tokens(engine, hardware, max_num_seqs.value, on_cpu=on_cpu),
        enforce_eager=_pick(engine.enforce_eager, on_cpu, _EAGER_REASON[device.value]),
        prefix_caching=_prefix_caching(engine),
        speculation=_speculation(engine),
        quantization=_quantization(engine, model),
        load_format=Choice("safetensors", "weights as pickles could run code"),
        max_logprobs=Choice(settings.limits.max_logprobs, "limits.max_logprobs"),
    )


def log_plan(plan: EnginePlan) -> None:
    """Write each choice with its reason, and the memory it takes, to the log."""
    for name, choice in plan.choices():
        log.info("engine_choice", choice=name, value=choice.value, reason=choice.reason)
    log.info("engine_memory", needed=plan.memory.needed, **asdict(plan.memory))


_BLOCK_REASON = {"cpu": "vLLM's CPU kernels want a multiple of 32", "cuda": "left to the attention backend"}
_SEQS_REASON = {
    "cpu": "measured: 10 times the tokens/s of one sequence, each at 0.6 of its pace",
    "cuda": "vLLM's own default",
}
_EAGER_REASON = {
    "cpu": "compiling took over 75 s at start, and no gain was measured",
    "cuda": "CUDA graphs save the launch of each kernel",
}


def _pick(setting: T | None, default: T, reason: str) -> Choice[T]:
    return Choice(default, reason) if setting is None else Choice(setting, SET)


def _device(engine: EngineSettings, hardware: Hardware) -> Choice[Device]:
    if engine.device != "auto":
        return Choice(engine.device, SET)
    if hardware.gpus:
        return Choice("cuda", f"{len(hardware.gpus)} x {hardware.gpus[0].name}")
    return Choice("cpu", f"no GPU: {hardware.no_gpu_reason}")


def _dtype(engine: EngineSettings, device: Device, hardware: Hardware) -> Choice[str]:
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


def _parallel(size: int, reason: str) -> Choice[int]:
    return Choice(size, SET if size > 1 else reason)


def _executor(engine: EngineSettings, *, on_cpu: bool) -> Choice[Executor]:
    if engine.executor != "auto":
        return Choice(engine.executor, SET)
    if engine.tensor_parallel_size * engine.pipeline_parallel_size > 1:
        return Choice("mp", "one process for each device of this machine; several machines need ray")
    if on_cpu:
        return Choice(
            CPU_EXECUTOR, "binds the compute threads, which uni cannot: measured faster and steadier"
        )
    return Choice("uni", "one GPU needs no worker process")


def _threads(engine: EngineSettings, cpu: Cpu) -> Choice[int | None]:
    if engine.threads is not None:
        return Choice(engine.threads, SET)
    if cpu.is_throttled:
        return Choice(cpu.num_threads, f"the cgroup grants {cpu.quota:g} CPUs of {len(cpu.cores)} cores")
    return Choice(
        cpu.num_threads,
        "all cores; where another program keeps one busy, this halves the speed: set one less",
    )


def _binding(cpu: Cpu, threads: int, executor: Executor, workers: int) -> Choice[str | None]:
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


@dataclass(frozen=True, slots=True)
class _KvSpace:
    """How much memory there is for the KV cache, and how many tokens that holds."""

    settings: Settings
    model: ModelShape
    hardware: Hardware
    device: Device
    dtype: str

    @property
    def parallel(self) -> tuple[int, int]:
        return self.settings.engine.tensor_parallel_size, self.settings.engine.pipeline_parallel_size

    @property
    def block(self) -> int:
        return self.settings.engine.block_size or (32 if self.device == "cpu" else 16)

    @property
    def per_token(self) -> int:
        return self.model.kv_bytes_per_token(self.dtype, *self.parallel)

    @property
    def weights(self) -> int:
        return self.model.weights_per_device(self.dtype, *self.parallel)

    @property
    def overhead(self) -> int:
        return CPU_OVERHEAD_BYTES if self.device == "cpu" else GPU_OVERHEAD_BYTES

    @property
    def workers(self) -> int:
        """Workers that share one memory: all of them on a CPU, one on each GPU."""
        return math.prod(self.parallel) if self.device == "cpu" else 1

    @property
    def available(self) -> int:
        if self.device == "cpu":
            return self.hardware.memory.available
        smallest = min((gpu.memory for gpu in self.hardware.gpus), default=0)
        return int(smallest * self.settings.engine.gpu_memory_utilization)

    def left(self) -> int:
        return (self.available - self.overhead) // self.workers - self.weights

    def choose(self) -> Choice[int]:
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

    def tokens(self, kv_cache: int) -> int:
        blocks = kv_cache // (self.block * self.per_token)
        return max(0, blocks - 1) * self.block

    def estimate(self, kv_cache: int, max_model_len: int) -> MemoryEstimate:
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


def _max_model_len(
    engine: EngineSettings, model: ModelShape, space: _KvSpace, kv_cache: int, *, on_cpu: bool
) -> Choice[int]:
    if engine.max_model_len is not None:
        return Choice(engine.max_model_len, SET)
    wanted = min(CPU_MAX_MODEL_LEN, model.context_length) if on_cpu else model.context_length
    tokens = space.tokens(kv_cache)
    # Shortened further, the context would only hide that the memory is too small.
    if MIN_MODEL_LEN <= tokens < wanted:
        return Choice(tokens, f"all the KV cache holds, of {wanted}")
    return Choice(
        wanted, "a CPU prefills slowly" if on_cpu and wanted < model.context_length else "the model's"
    )


def _batched_tokens(
    engine: EngineSettings, hardware: Hardware, max_num_seqs: int, *, on_cpu: bool
) -> Choice[int]:
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


def _prefix_caching(engine: EngineSettings) -> Choice[bool]:
    if engine.prefix_caching:
        return Choice(value=True, reason="equal beginnings are computed once; salted by tenant")
    return Choice(value=False, reason=SET)


def _speculation(engine: EngineSettings) -> Choice[dict[str, Any] | None]:
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


def _quantization(engine: EngineSettings, model: ModelShape) -> Choice[str | None]:
    if engine.quantization is not None:
        return Choice(engine.quantization, SET)
    if model.quantization is not None:
        return Choice(None, f"vLLM reads {model.quantization} from the model's config.json")
    return Choice(None, "weights as they are")


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
    if binding == "nobind":
        workers = settings.engine.tensor_parallel_size * settings.engine.pipeline_parallel_size
        environment["OMP_NUM_THREADS"] = str(max(1, (threads or 1) // workers))
    if settings.engine.enforce_eager is not False:
        # vLLM compiles a few sampling kernels even so: measured, the first request with log-probabilities stalled
        # the whole engine for 18 to 24 s. Uncompiled they cost nothing that could be measured.
        environment["TORCH_COMPILE_DISABLE"] = "1"
    if executor == "uni":
        # Else vLLM turns uni into mp on CPUs without a word. AsyncLLM still gets its engine process.
        environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    return environment
