"""What the engine is given: from the hardware when nothing is set, from the setting when one is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from model_store import load_catalog
from service.engine_choices import SET
from service.engine_memory import CPU_OVERHEAD_BYTES
from service.engine_plan import EnginePlan, log_plan, plan
from service.hardware import Cpu, Gpu, Hardware, Memory
from service.model_shape import ModelShape
from service.settings import load_settings

GIB = 1 << 30
CATALOG = load_catalog()
SMALL = ModelShape.from_entry(CATALOG["qwen2.5-coder-0.5b-instruct"])
SEVEN = ModelShape.from_entry(CATALOG["qwen2.5-coder-7b-instruct"])
LARGE = ModelShape.from_entry(CATALOG["qwen2.5-72b-instruct"])

XEON = Cpu("Xeon", "x86_64", (0, 1, 2, 3, 4, 5, 6, 7), (0, 1, 2, 3), None, frozenset({"avx2", "amx_bf16"}))
LAPTOP = replace(XEON, model="Core", features=frozenset({"avx2"}))
MEMORY = Memory(32 * GIB, 24 * GIB)
H100 = Gpu("NVIDIA H100 80GB HBM3", 79 * GIB, (9, 0))
T4 = Gpu("Tesla T4", 15 * GIB, (7, 5))
A100 = Gpu("NVIDIA A100-SXM4-80GB", 79 * GIB, (8, 0))


def cpu_machine(cpu: Cpu = XEON, memory: Memory = MEMORY) -> Hardware:
    return Hardware(cpu, memory, (), "torch is built without CUDA")


def gpu_machine(*gpus: Gpu) -> Hardware:
    return Hardware(XEON, MEMORY, gpus)


def plan_with(hardware: Hardware, model: ModelShape = SMALL, /, **engine: Any) -> EnginePlan:
    return plan(load_settings(overrides={f"engine.{name}": v for name, v in engine.items()}), model, hardware)


# Memory


def test_kv_bytes_per_token_is_what_vllm_allocates() -> None:
    # Measured: 12 KiB a token in bfloat16; 2 GiB held 174,752 tokens, of which vLLM keeps one block.
    assert SMALL.kv_bytes_per_token("bfloat16") == 12 * 1024
    assert SMALL.kv_bytes_per_token("float32") == 24 * 1024
    assert plan_with(cpu_machine(), kv_cache_bytes=2 * GIB).memory.kv_tokens == 174_752 - 32


def test_the_kv_cache_shrinks_with_the_free_memory() -> None:
    free = CPU_OVERHEAD_BYTES + SMALL.weights("bfloat16") + GIB
    resolved = plan_with(cpu_machine(memory=Memory(8 * GIB, free)))
    assert resolved.kv_cache_bytes.value == GIB // 2
    assert resolved.memory.needed <= free
    assert "free memory" in resolved.kv_cache_bytes.reason


def test_the_kv_cache_holds_the_longest_sequence() -> None:
    resolved = plan_with(cpu_machine(), SEVEN, max_model_len=32768)
    assert resolved.kv_cache_bytes.value > GIB
    assert resolved.memory.full_sequences >= 1


def test_on_gpus_the_cache_takes_what_the_weights_leave() -> None:
    resolved = plan_with(gpu_machine(*[H100] * 8), LARGE, tensor_parallel_size=8)
    assert resolved.memory.weights == pytest.approx(145.4e9 / 8, rel=0.01)
    assert resolved.memory.needed == resolved.memory.available == int(0.9 * H100.memory)
    assert "kv_cache_memory_bytes" not in resolved.engine_args(Path("model"))


def test_a_short_cache_shortens_the_context() -> None:
    small_gpu = Gpu("L4", 22 * GIB, (8, 9))
    resolved = plan_with(gpu_machine(small_gpu), SEVEN, gpu_memory_utilization=0.84)
    assert resolved.max_model_len.value == resolved.memory.kv_tokens < SEVEN.context_length
    assert "KV cache holds" in resolved.max_model_len.reason


# Choices


@pytest.mark.parametrize(
    ("hardware", "device", "dtype"),
    [
        (cpu_machine(), "cpu", "bfloat16"),
        (cpu_machine(LAPTOP), "cpu", "float32"),
        (cpu_machine(replace(LAPTOP, features=frozenset({"arm_bf16"}))), "cpu", "bfloat16"),
        (gpu_machine(H100), "cuda", "bfloat16"),
        (gpu_machine(T4), "cuda", "float16"),
        (gpu_machine(H100, T4), "cuda", "float16"),
    ],
)
def test_device_and_dtype_follow_the_hardware(hardware: Hardware, device: str, dtype: str) -> None:
    resolved = plan_with(hardware)
    assert (resolved.device.value, resolved.dtype.value) == (device, dtype)


def test_defaults_on_a_cpu() -> None:
    arguments = plan_with(cpu_machine()).engine_args(Path("model"))
    assert arguments["kv_cache_memory_bytes"] == GIB
    expected = {
        "block_size": 32,
        "max_model_len": 4096,
        "max_num_seqs": 32,
        "max_num_batched_tokens": 512,
        "enforce_eager": True,
        "enable_prefix_caching": True,
        "distributed_executor_backend": "mp",
        "worker_cls": "service.vllm_plugin.masked_cpu_worker.MaskedCPUWorker",
        "load_format": "safetensors",
        "trust_remote_code": False,
        "enable_log_requests": False,
        "max_logprobs": 5,
    }
    assert expected.items() <= arguments.items()


def test_more_sequences_are_decoded_together_where_the_cpu_has_matrix_units() -> None:
    without = replace(LAPTOP, features=LAPTOP.features | {"avx512_bf16"})
    with_amx = replace(LAPTOP, features=LAPTOP.features | {"amx_bf16"})
    assert plan_with(cpu_machine(without)).max_num_seqs.value == 16
    assert plan_with(cpu_machine(with_amx)).max_num_seqs.value == 32


@pytest.mark.parametrize(
    ("gpus", "batched_tokens"), [((H100,), 8192), ((A100,), 2048), ((T4,), 2048), ((H100, T4), 2048)]
)
def test_defaults_on_gpus(gpus: tuple[Gpu, ...], batched_tokens: int) -> None:
    arguments = plan_with(gpu_machine(*gpus)).engine_args(Path("model"))
    assert "worker_cls" not in arguments
    expected = {
        "max_model_len": 32768,
        "max_num_seqs": 256,
        "max_num_batched_tokens": batched_tokens,
        "enforce_eager": False,
        "distributed_executor_backend": "uni",
    }
    assert expected.items() <= arguments.items()
    assert "block_size" not in arguments


@pytest.mark.parametrize("hardware", [cpu_machine(), gpu_machine(H100, H100)], ids=["cpu", "gpu"])
@pytest.mark.parametrize(
    ("setting", "value", "choice"),
    [
        ("device", "cpu", "device"),
        ("device", "cuda", "device"),
        ("dtype", "float16", "dtype"),
        ("max_model_len", 1000, "max_model_len"),
        ("max_num_seqs", 3, "max_num_seqs"),
        ("max_num_batched_tokens", 777, "max_num_batched_tokens"),
        ("kv_cache_bytes", 123_456_789, "kv_cache_bytes"),
        ("block_size", 64, "block_size"),
        ("enforce_eager", True, "enforce_eager"),
        ("enforce_eager", False, "enforce_eager"),
        ("tensor_parallel_size", 2, "tensor_parallel_size"),
        ("pipeline_parallel_size", 2, "pipeline_parallel_size"),
        ("executor", "ray", "executor"),
        ("quantization", "fp8", "quantization"),
        ("prefix_caching", False, "prefix_caching"),
    ],
)
def test_a_setting_always_wins(hardware: Hardware, setting: str, value: object, choice: str) -> None:
    found = dict(plan_with(hardware, **{setting: value}).choices())[choice]
    assert (found.value, found.reason) == (value, SET)


def test_every_choice_has_a_reason() -> None:
    for resolved in (plan_with(cpu_machine()), plan_with(gpu_machine(H100))):
        assert all(choice.reason for _, choice in resolved.choices())


def test_two_gpus_run_one_process_each() -> None:
    assert plan_with(gpu_machine(H100, H100), tensor_parallel_size=2).executor.value == "mp"


def test_speculation_guesses_from_the_prompt() -> None:
    assert "speculative_config" not in plan_with(cpu_machine()).engine_args(Path("model"))
    config = plan_with(cpu_machine(), speculative_ngram_tokens=4).engine_args(Path("model"))[
        "speculative_config"
    ]
    assert (config["method"], config["num_speculative_tokens"]) == ("ngram", 4)


# Threads and environment


@pytest.mark.parametrize(
    ("cpu", "engine", "threads", "binding"),
    [
        (XEON, {}, 4, "0,1,2,3"),
        (XEON, {"threads": 3}, 3, "0,1,2"),
        # Beyond the cores come the hyper-threads, beyond those there is nothing to bind to.
        (XEON, {"threads": 6}, 6, "0,1,2,3,4,5"),
        (XEON, {"threads": 9}, 9, "nobind"),
        (XEON, {"tensor_parallel_size": 2}, 4, "0,1|2,3"),
        (XEON, {"executor": "uni"}, 4, "nobind"),
        (replace(XEON, quota=2.0), {}, 2, "nobind"),
    ],
)
def test_threads_and_their_binding(cpu: Cpu, engine: dict[str, Any], threads: int, binding: str) -> None:
    resolved = plan_with(cpu_machine(cpu), **engine)
    assert (resolved.threads.value, resolved.thread_binding.value) == (threads, binding)
    assert resolved.environment["VLLM_CPU_OMP_THREADS_BIND"] == binding
    assert ("OMP_NUM_THREADS" in resolved.environment) == (binding == "nobind")


def test_environment_of_every_engine() -> None:
    for hardware in (cpu_machine(), gpu_machine(H100)):
        settings = load_settings(overrides={"limits.max_n": 3})
        environment = plan(settings, SMALL, hardware).environment
        assert environment["VLLM_MAX_N_SEQUENCES"] == "3"
        assert environment["VLLM_NO_USAGE_STATS"] == environment["HF_HUB_OFFLINE"] == "1"
        assert environment["VLLM_ALLOW_INSECURE_SERIALIZATION"] == "0"
        assert environment.get("VLLM_USE_V2_MODEL_RUNNER") == (None if hardware.gpus else "0")


_GUESS = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import torch
torch.set_num_threads(2)
assert torch.get_num_threads() == 2  # the first call sets them once more: later, it would hide what this is about
import numpy
from vllm.v1.spec_decode.ngram_proposer import batch_propose_numba
tokens = numpy.array([[1, 2, 3, 1, 2, 3, 1, 2]], dtype=numpy.int32)
guesses, counts = numpy.zeros((1, 2), dtype=numpy.int32), numpy.zeros(1, dtype=numpy.int32)
batch_propose_numba([0], numpy.array([8], dtype=numpy.int32), tokens, 1, 3, 8, 2, guesses, counts)
print(torch.get_num_threads())
"""


@pytest.mark.slow
def test_guessing_leaves_the_model_its_threads() -> None:
    environment = plan_with(cpu_machine(), speculative_ngram_tokens=2).environment
    found = subprocess.run(
        [sys.executable, "-c", _GUESS],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert found.stdout.split()[-1] == "2"


def test_vllm_never_logs_at_the_level_that_shows_prompts() -> None:
    for level in ("debug", "info", "warning", "error"):
        environment = plan(load_settings(overrides={"log.level": level}), SMALL, cpu_machine()).environment
        assert environment["VLLM_LOGGING_LEVEL"] != "DEBUG"


@pytest.mark.parametrize(("eager", "disabled"), [(None, True), (True, True), (False, False)])
def test_kernels_are_compiled_on_a_cpu_only_when_asked_for(eager: bool | None, disabled: bool) -> None:
    engine = {} if eager is None else {"enforce_eager": eager}
    assert ("TORCH_COMPILE_DISABLE" in plan_with(cpu_machine(), **engine).environment) == disabled


def test_the_plan_is_json() -> None:
    for hardware in (cpu_machine(), gpu_machine(H100)):
        resolved = plan_with(hardware, speculative_ngram_tokens=2)
        assert json.loads(json.dumps(resolved.as_dict())) == resolved.as_dict()


def test_every_choice_is_logged_with_its_reason() -> None:
    resolved = plan_with(cpu_machine())
    with capture_logs() as events:
        log_plan(resolved)
    logged = {event["choice"]: event["reason"] for event in events if event["event"] == "engine_choice"}
    assert logged == {name: choice.reason for name, choice in resolved.choices()}
    assert events[-1]["event"] == "engine_memory"


ASK_VLLM = """
import dataclasses, json
from vllm import envs
from vllm.engine.arg_utils import AsyncEngineArgs
fields = [field.name for field in dataclasses.fields(AsyncEngineArgs)]
print(json.dumps([fields, list(envs.environment_variables)]))
"""


@pytest.mark.slow
def test_vllm_knows_every_argument_and_variable() -> None:
    done = subprocess.run([sys.executable, "-c", ASK_VLLM], capture_output=True, check=True, text=True)
    fields, variables = json.loads(done.stdout.splitlines()[-1])
    for resolved in (
        plan_with(cpu_machine(), executor="uni", speculative_ngram_tokens=2, quantization="fp8"),
        plan_with(gpu_machine(H100), kv_cache_bytes=GIB, block_size=16),
    ):
        assert set(resolved.engine_args(Path("model"))) <= set(fields)
        assert {name for name in resolved.environment if name.startswith("VLLM_")} <= set(variables)
