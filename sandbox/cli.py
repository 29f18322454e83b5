"""The command line: what can run here, and one run."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.bench import describe, measure
from sandbox.errors import SandboxError
from sandbox.languages import LANGUAGES, available_languages
from sandbox.launch import Method
from sandbox.limits import MIB, Limits
from sandbox.runner import run, run_stdin
from sandbox.selftest import Isolation, check_method
from sandbox.verdict import Verdict

_REFUSED = 2


def main(argv: Sequence[str]) -> int:
    """Run a command. Exit code: 0 passed or able, 1 not passed, 2 refused or bad input."""
    arguments = _parser().parse_args(argv)
    try:
        return _COMMANDS[arguments.command](arguments)
    except (SandboxError, OSError, UnicodeDecodeError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return _REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Run untrusted code in isolation.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("doctor", help="say which isolation methods and languages work here, or why not")
    cost = commands.add_parser("bench", help="measure what isolation costs a Python run")
    cost.add_argument("--repeats", type=int, default=50)
    single = commands.add_parser("run", help="judge one program")
    single.add_argument("file", type=Path, help="the program")
    single.add_argument("--language", required=True, choices=list(LANGUAGES))
    single.add_argument("--tests", type=Path, help="tests in the same language; otherwise give --expected")
    single.add_argument("--entry-point", default="", help="the function under test (Python)")
    single.add_argument("--stdin", type=Path, help="what the program reads")
    single.add_argument("--expected", type=Path, help="what it has to write")
    limits = Limits()
    single.add_argument("--cpu-seconds", type=float, default=limits.cpu_seconds)
    single.add_argument("--wall-seconds", type=float, default=limits.wall_seconds)
    single.add_argument("--memory-mib", type=int, default=limits.memory_bytes // MIB)
    return parser


def _bench(arguments: argparse.Namespace) -> int:
    for method in Method:
        isolation = check_method(method)
        print(f"{method}")
        if isinstance(isolation, Isolation):
            print("\n".join(describe(measure(isolation, max(1, arguments.repeats)))))
        else:
            print(isolation)
    return 0


def _doctor(_: argparse.Namespace) -> int:
    print(f"Linux {platform.release()} on {platform.machine()}")
    print("\nIsolation")
    results = {method: check_method(method) for method in Method}
    for method, result in results.items():
        is_usable = isinstance(result, Isolation)
        what = f"{len(result.attempts)} escapes tried, none worked" if is_usable else result
        _row(method, is_usable=is_usable, text=str(what))
    print("\nLanguages")
    for name, found in available_languages().items():
        if isinstance(found, str):
            _row(name, is_usable=False, text=found)
        else:
            _row(name, is_usable=True, text=found.version + (f" ({found.note})" if found.note else ""))
    usable = next((method for method, result in results.items() if isinstance(result, Isolation)), None)
    print(f"\nRuns use {usable}." if usable else "\nNothing holds untrusted code here: every run is refused.")
    return 0 if usable else _REFUSED


def _row(name: str, *, is_usable: bool, text: str) -> None:
    print(f"  {'yes' if is_usable else 'no ':3}  {name:12} {text}")


def _run(arguments: argparse.Namespace) -> int:
    limits = Limits(
        cpu_seconds=arguments.cpu_seconds,
        wall_seconds=arguments.wall_seconds,
        memory_bytes=arguments.memory_mib * MIB,
    )
    program, language = arguments.file.read_text(), arguments.language
    if arguments.tests is not None:
        verdict = run(
            program, arguments.tests.read_text(), language, limits, entry_point=arguments.entry_point
        )
    elif arguments.expected is not None:
        stdin = arguments.stdin.read_text() if arguments.stdin is not None else ""
        verdict = run_stdin(program, language, [(stdin, arguments.expected.read_text())], limits)
    else:
        print("sandbox: expected --tests or --expected", file=sys.stderr)
        return _REFUSED
    _show(verdict)
    return 0 if verdict.is_passed else 1


def _show(verdict: Verdict) -> None:
    print(f"{verdict.status}: {verdict.detail}")
    print(
        f"{verdict.seconds:.3f} s, {verdict.cpu_seconds:.3f} s CPU, {verdict.design} in {verdict.isolation}"
    )
    for name, text in (("stdout", verdict.stdout), ("stderr", verdict.stderr)):
        if text.strip():
            print(f"--- {name}\n{_printable(text).rstrip()}")


def _printable(text: str) -> str:
    """Escape what could drive a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


_COMMANDS = {"doctor": _doctor, "bench": _bench, "run": _run}
