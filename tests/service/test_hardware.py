"""What the process may use: features, cores, quotas and memory, as real machines and containers state them."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from service.cgroup import CgroupFolders
from service.hardware import Cpu, Memory, detect, read_cpu, read_gpus, read_memory

GIB = 1 << 30

# The flag lists are shortened to those near the ones we look for; the layout is that of the kernels.
XEON_AMX = """\
processor\t: {cpu}
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
physical id\t: 0
siblings\t: 4
core id\t\t: {core}
cpu cores\t: 2
flags\t\t: fpu sse4_2 fma avx f16c avx2 bmi2 avx512f avx512dq avx512bw avx512vl avx_vnni avx512_bf16 \
avx512vbmi avx512_vbmi2 avx512_vnni avx512_bitalg amx_bf16 avx512_fp16 amx_tile amx_int8 arch_capabilities
"""
CORE_AVX2 = """\
processor\t: {cpu}
vendor_id\t: GenuineIntel
model name\t: Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz
physical id\t: 0
core id\t\t: {core}
flags\t\t: fpu sse4_1 sse4_2 fma movbe popcnt aes xsave avx f16c rdrand bmi1 avx2 smep bmi2 erms invpcid
"""
EPYC_GENOA = """\
processor\t: {cpu}
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC
physical id\t: 0
core id\t\t: {core}
flags\t\t: fpu sse4_2 fma avx f16c avx2 avx512f avx512dq avx512vl avx512_bf16 avx512vbmi avx512_vnni rdpid fsrm
"""
# ARM names neither the model nor the cores.
GRAVITON3 = """\
processor\t: {cpu}
BogoMIPS\t: 2100.00
Features\t: fp asimd evtstrm aes pmull sha1 crc32 atomics fphp asimdhp asimddp sve asimdfhm bf16 i8mm svebf16 rng
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd40
"""
GRAVITON2 = """\
processor\t: {cpu}
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs
CPU part\t: 0xd0c
"""


def _cpu(
    tmp_path: Path, sample: str, affinity: set[int], cores: list[int], quota: float | None = None
) -> Cpu:
    path = tmp_path / "cpuinfo"
    path.write_text("\n".join(sample.format(cpu=cpu, core=core) for cpu, core in enumerate(cores)) + "\n")
    return read_cpu(path, affinity, quota)


@pytest.mark.parametrize(
    ("sample", "model", "features", "bfloat16"),
    [
        (
            XEON_AMX,
            "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
            {"avx2", "avx512", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8"},
            "amx_bf16",
        ),
        (CORE_AVX2, "Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz", {"avx2"}, None),
        (EPYC_GENOA, "AMD EPYC", {"avx2", "avx512", "avx512_bf16", "avx512_vnni"}, "avx512_bf16"),
        (GRAVITON3, "ARM Neoverse-V1", {"neon", "arm_bf16", "arm_i8mm"}, "arm_bf16"),
        (GRAVITON2, "ARM Neoverse-N1", {"neon"}, None),
    ],
)
def test_features_are_read_from_cpuinfo(
    tmp_path: Path, sample: str, model: str, features: set[str], bfloat16: str | None
) -> None:
    cpu = _cpu(tmp_path, sample, {0, 1}, [0, 1])
    assert (cpu.model, cpu.features, cpu.bfloat16_feature) == (model, features, bfloat16)
    assert cpu.cores == (0, 1)


def test_hyper_threads_are_one_core(tmp_path: Path) -> None:
    cpu = _cpu(tmp_path, XEON_AMX, {0, 1, 2, 3}, cores=[0, 1, 0, 1])
    assert cpu.logical == (0, 1, 2, 3)
    assert cpu.cores == (0, 1)
    assert cpu.num_threads == 2


def test_only_cpus_of_the_affinity_mask_count(tmp_path: Path) -> None:
    cpu = _cpu(tmp_path, EPYC_GENOA, {1, 3}, cores=[0, 1, 2, 3])
    assert cpu.logical == cpu.cores == (1, 3)


@pytest.mark.parametrize(
    ("quota", "threads", "is_throttled"), [(None, 4, False), (8.0, 4, False), (2.5, 2, True), (0.5, 1, True)]
)
def test_a_quota_lowers_the_threads(
    tmp_path: Path, quota: float | None, threads: int, is_throttled: bool
) -> None:
    cpu = _cpu(tmp_path, EPYC_GENOA, {0, 1, 2, 3}, cores=[0, 1, 2, 3], quota=quota)
    assert (cpu.num_threads, cpu.is_throttled) == (threads, is_throttled)


def test_a_missing_cpuinfo_leaves_cores_and_no_features(tmp_path: Path) -> None:
    cpu = read_cpu(tmp_path / "absent", {0, 1}, None)
    assert cpu.cores == (0, 1)
    assert not cpu.features
    assert cpu.model


def _groups(tmp_path: Path, membership: str, files: dict[str, str]) -> CgroupFolders:
    (tmp_path / "cgroup").write_text(membership)
    for name, text in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return CgroupFolders.of_process(tmp_path / "cgroup", tmp_path / "fs")


V1 = "11:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n"


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000"}, None),
        ("0::/\n", {}, None),
        # The tightest level counts, here the parent's.
        ("0::/pod/box\n", {"pod/box/cpu.max": "400000 100000", "pod/cpu.max": "200000 100000"}, 2.0),
        # Outside the container's view the path does not exist: the root of the view is its own folder.
        ("0::/../elsewhere\n", {"cpu.max": "100000 100000"}, 1.0),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "50000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 0.5),
        (V1, {"cpu/docker/abc/cpu.cfs_quota_us": "-1", "cpu/docker/abc/cpu.cfs_period_us": "100000"}, None),
        (
            V1,
            {"cpu/docker/abc/cpu.cfs_quota_us": "300000", "cpu/docker/abc/cpu.cfs_period_us": "100000"},
            3.0,
        ),
    ],
)
def test_cpu_quota_of_both_cgroup_versions(
    tmp_path: Path, membership: str, files: dict[str, str], quota: float | None
) -> None:
    assert _groups(tmp_path, membership, files).cpu_quota() == quota


def _memory(tmp_path: Path, membership: str, files: dict[str, str]) -> Memory:
    (tmp_path / "meminfo").write_text(
        f"MemTotal:       {16 << 20} kB\nMemFree:         {1 << 20} kB\nMemAvailable:    {8 << 20} kB\n"
    )
    return read_memory(tmp_path / "meminfo", _groups(tmp_path, membership, files))


def test_memory_without_a_limit_is_the_machines(tmp_path: Path) -> None:
    assert _memory(tmp_path, "0::/\n", {"memory.max": "max"}) == Memory(16 * GIB, 8 * GIB)


def test_memory_of_a_cgroup_counts_its_file_cache_as_free(tmp_path: Path) -> None:
    files = {
        "memory.max": str(4 * GIB),
        "memory.current": str(3 * GIB),
        "memory.stat": f"anon {GIB}\ninactive_file {2 * GIB}",
    }
    assert _memory(tmp_path, "0::/\n", files) == Memory(4 * GIB, 3 * GIB, is_limited=True)


def test_a_limit_above_the_machine_is_none(tmp_path: Path) -> None:
    assert not _memory(tmp_path, "0::/\n", {"memory.max": str(64 * GIB)}).is_limited


def test_free_memory_is_never_more_than_the_machine_has(tmp_path: Path) -> None:
    files = {"memory.max": str(12 * GIB), "memory.current": "0"}
    assert _memory(tmp_path, "0::/\n", files) == Memory(12 * GIB, 8 * GIB, is_limited=True)


def test_memory_limit_of_cgroup_v1(tmp_path: Path) -> None:
    files = {
        "memory/docker/abc/memory.limit_in_bytes": str(2 * GIB),
        "memory/docker/abc/memory.usage_in_bytes": str(GIB),
        # v1's way to say "no limit".
        "memory/memory.limit_in_bytes": "9223372036854771712",
    }
    assert _memory(tmp_path, V1, files) == Memory(2 * GIB, GIB, is_limited=True)


def test_this_machine_is_detected() -> None:
    hardware = detect()
    assert hardware.cpu.num_threads >= 1
    assert set(hardware.cpu.cores) <= set(hardware.cpu.logical)
    assert 0 < hardware.memory.available <= hardware.memory.total
    assert bool(hardware.gpus) != bool(hardware.no_gpu_reason)


def test_a_machine_without_proc_is_detected_too(tmp_path: Path) -> None:
    hardware = detect(proc=tmp_path, cgroup_root=tmp_path)
    assert hardware.cpu.num_threads >= 1
    assert hardware.memory.total > 0


def _torch(cuda: str | None, count: int = 0, *, fails: bool = False, warns: bool = False) -> SimpleNamespace:
    def device_count() -> int:
        if fails:
            raise RuntimeError("Unexpected error from cudaGetDeviceCount()\nlong advice")
        if warns:
            warnings.warn(
                "CUDA initialization: The NVIDIA driver on your system is too old\nUpdate", stacklevel=1
            )
        return count

    def get_device_properties(number: int) -> SimpleNamespace:
        return SimpleNamespace(name=f"H100 {number}", total_memory=80 * GIB, major=9, minor=0)

    devices = SimpleNamespace(device_count=device_count, get_device_properties=get_device_properties)
    return SimpleNamespace(__version__="2.13.0", version=SimpleNamespace(cuda=cuda), cuda=devices)


@pytest.mark.parametrize(
    ("torch", "reason"),
    [
        (None, "torch cannot be imported"),
        (_torch(None), "torch 2.13.0 is built without CUDA"),
        (_torch("13.0"), "CUDA 13.0 finds no device (driver, CUDA_VISIBLE_DEVICES?)"),
        (_torch("13.0", fails=True), "CUDA does not start: Unexpected error from cudaGetDeviceCount()"),
        (_torch("13.0", warns=True), "CUDA initialization: The NVIDIA driver on your system is too old"),
    ],
)
def test_no_gpu_comes_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, torch: SimpleNamespace | None, reason: str
) -> None:
    monkeypatch.setitem(sys.modules, "torch", torch)
    gpus, found = read_gpus()
    assert not gpus
    assert (found or "").startswith(reason)


def test_gpus_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", _torch("13.0", count=2))
    gpus, reason = read_gpus()
    assert [gpu.name for gpu in gpus] == ["H100 0", "H100 1"]
    assert (gpus[0].memory, gpus[0].capability, reason) == (80 * GIB, (9, 0), None)
