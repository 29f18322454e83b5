"""What is said before the minutes of loading: each way a configuration cannot work, and that ours can."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model_store import load_catalog
from service.check import Problem, find_problems
from service.engine_plan import EnginePlan, plan
from service.hardware import Cpu, Gpu, Hardware, Memory
from service.model_shape import ModelShape
from service.settings import load_settings
from service.surroundings import Surroundings

GIB = 1 << 30
CATALOG = load_catalog()
CONFIGS = Path(__file__).parents[2] / "configs"

XEON = Cpu("Xeon", "x86_64", (0, 1), (0, 1), None, frozenset({"avx2", "amx_bf16"}))
CPU = Hardware(XEON, Memory(32 * GIB, 24 * GIB), (), "torch is built without CUDA")
H100 = Gpu("NVIDIA H100 80GB HBM3", 79 * GIB, (9, 0))
L4 = Gpu("NVIDIA L4", 22 * GIB, (8, 9))
T4 = Gpu("Tesla T4", 15 * GIB, (7, 5))
ON_CPU = Surroundings(vllm_build="cpu")
ON_GPU = Surroundings(vllm_build="cuda")


def gpus(*found: Gpu) -> Hardware:
    return Hardware(XEON, CPU.memory, found)


def planned(hardware: Hardware = CPU, shape: dict[str, Any] | None = None, /, **settings: Any) -> EnginePlan:
    """Plan with settings written `engine__threads=2`, and a model changed in some fields."""
    resolved = load_settings(overrides={name.replace("__", "."): value for name, value in settings.items()})
    model = ModelShape.from_entry(CATALOG[resolved.model.id])
    return plan(resolved, replace(model, **(shape or {})), hardware)


def found(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.severity, problem.setting) for problem in problems]


def test_the_defaults_have_no_problem_on_a_cpu() -> None:
    assert not find_problems(planned(), ON_CPU)


def test_the_defaults_have_no_problem_on_a_gpu() -> None:
    assert not find_problems(planned(gpus(H100)), ON_GPU)


@pytest.mark.parametrize(
    ("settings", "shape", "expected", "words"),
    [
        ({"server__host": "0.0.0.0"}, {}, ("error", "access.keys_file"), "no API keys"),
        ({}, {"architecture": "LlamaForCausalLM"}, ("error", "model.id"), "Qwen2ForCausalLM"),
        ({}, {"architecture": "QWenLMHeadModel"}, ("error", "model.id"), "convert-qwen"),
        ({"engine__max_model_len": 40000}, {}, ("error", "engine.max_model_len"), "32768"),
        (
            {"engine__kv_cache_bytes": 1 << 24, "engine__max_model_len": 4096},
            {},
            ("error", "engine.kv_cache_bytes"),
            "fewer than one sequence of 4096",
        ),
        (
            {"engine__max_num_batched_tokens": 64, "engine__max_num_seqs": 65},
            {},
            ("error", "engine.max_num_batched_tokens"),
            "65",
        ),
        ({"model__id": "qwen2.5-coder-32b-instruct"}, {}, ("error", "model.id"), "65.5 GB"),
        ({"engine__executor": "ray"}, {}, ("error", "engine.executor"), "ray[cgraph]"),
        ({"engine__executor": "uni"}, {}, ("warning", "engine.executor"), "bind"),
        (
            {"engine__tensor_parallel_size": 3},
            {},
            ("error", "engine.tensor_parallel_size"),
            "14 attention heads",
        ),
        ({"engine__threads": 3}, {}, ("warning", "engine.threads"), "3 threads share 2"),
        ({"engine__dtype": "float16"}, {}, ("warning", "engine.dtype"), "float16"),
        ({"engine__block_size": 16}, {}, ("warning", "engine.block_size"), "32"),
        (
            {"engine__gpu_memory_utilization": 0.5},
            {},
            ("warning", "engine.gpu_memory_utilization"),
            "no effect",
        ),
        (
            {"engine__speculative_ngram_tokens": 4},
            {},
            ("warning", "engine.speculative_ngram_tokens"),
            "logit_bias",
        ),
    ],
)
def test_problems_on_a_cpu(
    settings: dict[str, Any], shape: dict[str, Any], expected: tuple[str, str], words: str
) -> None:
    problems = find_problems(planned(CPU, shape, **settings), ON_CPU)
    assert found(problems) == [expected]
    assert words in problems[0].message


@pytest.mark.parametrize(
    ("hardware", "settings", "expected", "words"),
    [
        (gpus(H100), {"engine__tensor_parallel_size": 2}, "engine.tensor_parallel_size", "1 are here"),
        (
            gpus(*[H100] * 3),
            {"engine__tensor_parallel_size": 2, "engine__pipeline_parallel_size": 2},
            "engine.tensor_parallel_size",
            "2 x 2 GPUs",
        ),
        (
            gpus(*[H100] * 5),
            {"engine__tensor_parallel_size": 5, "model__id": "qwen2.5-72b-instruct"},
            "engine.tensor_parallel_size",
            "64 attention heads",
        ),
        (
            gpus(*[H100] * 2),
            {"engine__tensor_parallel_size": 2, "engine__executor": "uni"},
            "engine.executor",
            "one worker",
        ),
        (gpus(L4), {"model__id": "qwen2.5-coder-32b-instruct"}, "engine.tensor_parallel_size", "65.5 GB"),
        (gpus(T4), {"engine__dtype": "bfloat16"}, "engine.dtype", "8.0"),
        (
            gpus(H100),
            {"engine__kv_cache_bytes": 1 << 27, "engine__max_model_len": 32768},
            "engine.kv_cache_bytes",
            "fewer than",
        ),
    ],
)
def test_errors_on_gpus(hardware: Hardware, settings: dict[str, Any], expected: str, words: str) -> None:
    problems = find_problems(planned(hardware, **settings), ON_GPU)
    assert found(problems) == [("error", expected)]
    assert words in problems[0].message


def test_a_gpu_asked_for_and_absent_is_explained() -> None:
    (problem,) = find_problems(planned(engine__device="cuda"), ON_GPU)
    assert (problem.severity, problem.setting) == ("error", "engine.device")
    assert "torch is built without CUDA" in problem.message
    assert 'engine.device = "cpu"' in problem.message


def test_threads_are_not_ignored_in_silence_on_a_gpu() -> None:
    assert found(find_problems(planned(gpus(H100), engine__threads=4), ON_GPU)) == [
        ("warning", "engine.threads")
    ]


def test_layers_shared_over_a_network_are_warned_about() -> None:
    settings: dict[str, Any] = {"engine__tensor_parallel_size": 8, "engine__executor": "ray"}
    resolved = planned(gpus(*[H100] * 4), model__id="qwen2.5-72b-instruct", **settings)
    problems = find_problems(resolved, replace(ON_GPU, has_ray=True))
    assert found(problems) == [("warning", "engine.tensor_parallel_size")]


def test_more_stages_than_layers_are_refused() -> None:
    resolved = planned(gpus(*[H100] * 8), {"num_layers": 4}, engine__pipeline_parallel_size=8)
    assert found(find_problems(resolved, ON_GPU)) == [("error", "engine.pipeline_parallel_size")]


def test_bfloat16_on_a_cpu_without_it_is_slow() -> None:
    old = replace(CPU, cpu=replace(XEON, features=frozenset({"avx2"})))
    assert found(find_problems(planned(old, engine__dtype="bfloat16"), ON_CPU)) == [
        ("warning", "engine.dtype")
    ]


def test_a_cpu_without_avx2_is_refused() -> None:
    old = replace(CPU, cpu=replace(XEON, features=frozenset[str]()))
    problems = find_problems(planned(old), ON_CPU)
    assert found(problems) == [("error", "engine.device")]


@pytest.mark.parametrize(("build", "words"), [(None, "codefusion[cpu]"), ("cuda", "built for cuda")])
def test_the_wrong_vllm_is_refused(build: Any, words: str) -> None:
    (problem,) = find_problems(planned(), Surroundings(vllm_build=build))
    assert problem.severity == "error"
    assert words in problem.message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("VLLM_SERVER_DEV_MODE", "1", ["error"]),
        ("VLLM_SERVER_DEV_MODE", "0", []),
        ("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "true", ["error"]),
        ("VLLM_DEBUG_LOG_API_SERVER_RESPONSE", "True", ["error"]),
        ("VLLM_CPU_KVCACHE_SPACE", "4", ["error"]),
        ("VLLM_USE_V2_MODEL_RUNNER", "1", ["warning"]),
        ("VLLM_USE_V2_MODEL_RUNNER", "0", []),
        ("HF_HUB_OFFLINE", "0", []),
        ("PATH", "/bin", []),
    ],
)
def test_variables_that_go_round_the_settings(name: str, value: str, expected: list[str]) -> None:
    problems = find_problems(planned(), replace(ON_CPU, environ={name: value}))
    assert found(problems) == [(severity, name) for severity in expected]


def test_a_missing_model_is_announced_with_its_size() -> None:
    around = replace(ON_CPU, is_here=False, free_bytes=10 * GIB, cache_dir=Path("cache"))
    (problem,) = find_problems(planned(), around)
    assert (problem.severity, problem.setting) == ("warning", "model.id")
    assert "988 MB from the hub or 491 MB from the package-index" in problem.message


def test_a_missing_model_needs_room_and_a_writable_cache() -> None:
    around = replace(ON_CPU, is_here=False, is_writable=False, free_bytes=GIB // 2)
    assert found(find_problems(planned(), around)) == [
        ("error", "model.cache_dir"),
        ("error", "model.cache_dir"),
        ("warning", "model.id"),
    ]


def test_a_source_the_model_lacks_is_refused() -> None:
    settings = {"model__id": "qwen2.5-coder-7b-instruct", "model__source": "package-index"}
    problems = find_problems(planned(**settings), replace(ON_CPU, is_here=False))
    assert found(problems) == [("error", "model.source")]


def test_a_fake_engine_needs_only_its_port() -> None:
    resolved = planned(engine__backend="fake", engine__device="cuda")
    assert not find_problems(resolved, Surroundings(is_here=False))
    assert found(find_problems(resolved, Surroundings(port_error="in use"))) == [("error", "server.port")]


# The configurations we ship


@pytest.mark.parametrize(
    ("name", "hardware", "around", "arguments"),
    [
        ("cpu", CPU, ON_CPU, {"dtype": "bfloat16", "max_model_len": 4096}),
        ("gpu-7b", gpus(L4), ON_GPU, {"dtype": "bfloat16"}),
        ("gpu-7b", gpus(H100), ON_GPU, {"max_model_len": 32768}),
        ("gpu-72b-tp8", gpus(*[H100] * 8), ON_GPU, {"distributed_executor_backend": "mp"}),
        (
            "gpu-72b-tp4-pp2-ray",
            gpus(*[H100] * 4),
            replace(ON_GPU, has_ray=True),
            {"distributed_executor_backend": "ray", "max_model_len": 32768},
        ),
    ],
)
def test_a_shipped_configuration_works(
    name: str, hardware: Hardware, around: Surroundings, arguments: dict[str, Any]
) -> None:
    settings = load_settings(CONFIGS / f"{name}.toml")
    resolved = plan(settings, ModelShape.from_entry(CATALOG[settings.model.id]), hardware)
    assert not find_problems(resolved, around)
    assert arguments.items() <= resolved.engine_args(Path("model")).items()
    assert resolved.memory.full_sequences >= 1


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_configuration_says_only_what_differs(path: Path) -> None:
    defaults = load_settings().model_dump()
    for group, values in tomllib.loads(path.read_text()).items():
        for name, value in values.items():
            assert defaults[group][name] != value, f"{group}.{name} is the default"
