"""The command line: which benchmark, of which service, with what load."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.commands import Options, run
from benchmarks.errors import BenchmarkError
from benchmarks.load import LoadPlan
from benchmarks.throughput import ThroughputPlan
from benchmarks.workload import Route

_DESCRIPTION = (
    "Measure the service: start-up, throughput against vLLM alone, what the mask costs, latency under load, "
    "event-loop lag."
)
_EPILOG = """\
Everything runs on this machine, one engine at a time; with the 0.5B model on two cores `all` takes about 20 minutes.
Leave the machine alone meanwhile. Results go to results/bench-<timestamp>/ as report.md and report.json.

  python -m benchmarks                                      everything
  python -m benchmarks throughput --batch 1 8 --rounds 5
  python -m benchmarks load --base-url http://127.0.0.1:8000 --rate 0.5 1 2 --seconds 60
  python -m benchmarks --set engine.backend=fake            a rehearsal without a model
"""
_ROUTES: dict[str, tuple[Route, ...]] = {
    "generate": ("/generate",),
    "completions": ("/v1/completions",),
    "both": ("/generate", "/v1/completions"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks asked for; give the exit code: 0, or 1 after saying why there is no result."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = parse(words)
        run(options, Console())
    except BenchmarkError as error:
        print(f"python -m benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("python -m benchmarks: stopped; what was finished is in the report.", file=sys.stderr)
        return 130
    return 0


def parse(words: Sequence[str]) -> Options:
    """Read the command line. Exits with code 2 on a bad one."""
    parser = _parser()
    given = parser.parse_args(words)
    load = LoadPlan(
        rate=1.0,
        seconds=given.seconds,
        seed=given.seed,
        routes=_ROUTES[given.route],
        max_tokens=given.load_tokens,
        timeout_seconds=given.timeout,
        first_token_seconds=given.first_token_ms / 1000,
        inter_token_seconds=given.inter_token_ms / 1000,
    )
    throughput = ThroughputPlan(
        batches=tuple(given.batch),
        rounds=given.rounds,
        requests_each=given.requests_each,
        max_tokens=given.tokens,
    )
    if given.base_url is not None and given.command not in ("load", "lag", "mask"):
        parser.error(f"--base-url: {given.command} starts the service itself; use it with load, lag or mask.")
    return Options(
        command=given.command,
        words=tuple(words),
        config=given.config,
        overrides=_overrides(parser, given),
        base_url=given.base_url,
        port=given.port,
        output=given.output,
        rates=tuple(given.rate),
        load=load,
        throughput=throughput,
        repeats=given.repeats,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["all", "startup", "throughput", "load", "lag", "mask"],
        default="all",
        help="all (default): every benchmark; startup: where its time goes; throughput: service ÷ vLLM alone; "
        "load: latency at given rates; lag: the event loop, idle and under load; mask: with the syntax mask ÷ without",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("results"), help="where reports go (default: results)"
    )
    _add_service(parser)
    _add_load(parser)
    _add_repeated(parser)
    return parser


def _add_service(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the service")
    group.add_argument(
        "--base-url", type=_url, metavar="URL", help="measure this running service (load, lag, mask)"
    )
    group.add_argument(
        "--port", type=_port, help="port for the service that is started (default: a free one)"
    )
    group.add_argument("--config", type=Path, help="the service's configuration file")
    group.add_argument("--model", help="a model of model_store/models.toml, or a folder (model.id)")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="GROUP.NAME=VALUE",
        help="a setting of the service; repeatable",
    )


def _add_load(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("load and lag")
    group.add_argument(
        "--rate",
        type=_positive,
        nargs="+",
        default=[1.0],
        help="requests a second; several: one run each (default: 1)",
    )
    group.add_argument("--seconds", type=_positive, default=60.0, help="length of a run (default: 60)")
    group.add_argument(
        "--route", choices=list(_ROUTES), default="both", help="which API (default: both, mixed)"
    )
    group.add_argument(
        "--load-tokens", type=_count, default=64, help="tokens of an answer at most (default: 64)"
    )
    group.add_argument("--seed", type=int, default=0, help="of arrivals and prompts (default: 0)")
    group.add_argument(
        "--timeout", type=_positive, default=120.0, help="seconds a request may take (default: 120)"
    )
    group.add_argument(
        "--first-token-ms",
        type=_positive,
        default=2000.0,
        help="goodput: first token by then (default: 2000)",
    )
    group.add_argument(
        "--inter-token-ms", type=_positive, default=250.0, help="goodput: mean time of a token (default: 250)"
    )


def _add_repeated(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("throughput, mask and startup")
    group.add_argument(
        "--batch", type=_count, nargs="+", default=[1, 8, 32], help="concurrent requests (default: 1 8 32)"
    )
    group.add_argument("--rounds", type=_count, default=3, help="alternations of the two arms (default: 3)")
    group.add_argument("--requests-each", type=_count, default=2, help="requests of each client (default: 2)")
    group.add_argument("--tokens", type=_count, default=64, help="tokens of each answer (default: 64)")
    group.add_argument("--repeats", type=_count, default=3, help="starts to measure (default: 3)")


def _overrides(parser: argparse.ArgumentParser, given: argparse.Namespace) -> dict[str, str]:
    overrides: dict[str, str] = {} if given.model is None else {"model.id": given.model}
    for assignment in given.set:
        name, equals, value = assignment.partition("=")
        if not equals or "." not in name:
            parser.error(f"--set: expected GROUP.NAME=VALUE; got {assignment!r}")
        overrides[name] = value
    return overrides


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"expected a number above 0; got {text}")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1; got {text}")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port, 1 to 65535; got {text}")
    return value


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"expected http://HOST:PORT; got {text}")
    return text.rstrip("/")
