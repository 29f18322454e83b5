"""Other builds of the native core than the one that is installed: for finding errors, and for other processors.

    python -m scripts.native asan [PYTEST ARGUMENT…]     the module with AddressSanitizer and UBSan, under the tests
    python -m scripts.native fuzz [--seconds 60]         hostile input for the matcher, by libFuzzer where clang is
    python -m scripts.native aarch64                     compiles for 64-bit ARM with a cross compiler

Each has its own folder below build/, kept, so that a second run compiles only what changed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CROSS_COMPILER = "aarch64-linux-gnu-g++"
# Loads the module in place of the installed one, then runs pytest in the same process.
START = """
import importlib.util, sys
import pytest
name, path = "grammar._native", sys.argv[1]
spec = importlib.util.spec_from_file_location(name, path)
sys.modules[name] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(f"under test: {path}", flush=True)
sys.exit(pytest.main(sys.argv[2:]))
"""


def main() -> int:
    """Run one command; give its exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.native", description="Builds that find errors.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("asan", help="run the tests under AddressSanitizer and UBSan")
    fuzzing = commands.add_parser("fuzz", help="try hostile input")
    fuzzing.add_argument("--seconds", type=int, default=60, help="for each language")
    fuzzing.add_argument("--language", action="append", help="default: every language")
    commands.add_parser("aarch64", help="compile for 64-bit ARM")
    options, rest = parser.parse_known_args()
    if rest and options.command != "asan":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if options.command == "asan":
        return _asan(rest or ["-q", "tests/grammar", "-m", "not slow and not model and not gpu"])
    if options.command == "fuzz":
        from scripts.native_fuzz import fuzz  # takes the installed module and torch

        compiler = ["-DCMAKE_CXX_COMPILER=clang++"] if shutil.which("clang++") else []
        folder = build("fuzz", "-DCODEFUSION_FUZZ=ON", *compiler)
        return fuzz(folder, options.seconds, options.language, guided=bool(compiler))
    return _aarch64()


def build(name: str, *options: str) -> Path:
    """Configure and compile one variant; give its folder. Warnings are errors."""
    folder = ROOT / "build" / name
    nanobind = subprocess.check_output([sys.executable, "-m", "nanobind", "--cmake_dir"], text=True).strip()
    command = [BIN / "cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-Wno-dev", "--log-level=WARNING"]
    command += [f"-DCMAKE_MAKE_PROGRAM={BIN / 'ninja'}", f"-DPython_EXECUTABLE={sys.executable}"]
    command += [f"-Dnanobind_DIR={nanobind}", "-DCODEFUSION_WERROR=ON", *options]
    subprocess.run(command, check=True)
    subprocess.run([BIN / "cmake", "--build", folder], check=True)
    return folder


def _asan(arguments: list[str]) -> int:
    (module,) = build("asan", "-DCODEFUSION_SANITIZE=ON", "-DCMAKE_CXX_COMPILER=g++").glob("_native*.so")
    environment = os.environ | {
        # Python itself is not instrumented, so the run-time library has to be there before it. The C++ library is
        # named too: otherwise the sanitizer looks for its `throw` before it is loaded, and the first one aborts.
        "LD_PRELOAD": f"{_library('libasan.so')} {_library('libstdc++.so')}",
        # Python keeps memory to its end on purpose; tests/grammar/test_native_leaks.py looks for leaks.
        "ASAN_OPTIONS": "detect_leaks=0:detect_odr_violation=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "CODEFUSION_SANITIZED": "1",
    }
    # Everything is several times slower than the limit of a test allows for.
    command = [sys.executable, "-c", START, module, "-o", "timeout=1200", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


def _library(name: str) -> str:
    return subprocess.check_output(["g++", f"-print-file-name={name}"], text=True).strip()  # noqa: S607


def _aarch64() -> int:
    if shutil.which(CROSS_COMPILER) is None:
        print(f"Expected {CROSS_COMPILER}; on Debian: apt-get install g++-aarch64-linux-gnu")
        return 1
    build(
        "aarch64",
        "-DCODEFUSION_MODULE=OFF",
        "-DCMAKE_SYSTEM_NAME=Linux",
        "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
        f"-DCMAKE_CXX_COMPILER={CROSS_COMPILER}",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
