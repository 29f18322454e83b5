"""The commands of `python -m trainer`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from adapters import AdapterError, ControlVector
from model_store import ModelStoreError
from trainer.control_vectors import Options, make_control_vectors
from trainer.errors import TrainerError
from trainer.styles import STYLES

_VECTORS = Path("adapters/vectors")


def main(argv: list[str]) -> int:
    """Run one command; give its exit code: 0, or 2 for an error."""
    options = _parser().parse_args(argv)
    leave_orderly_on_sigterm()
    try:
        return options.command(options)
    except (TrainerError, AdapterError, ModelStoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\ninterrupted; what was done is kept, and the same command goes on from there", file=sys.stderr
        )
        return 130


def leave_orderly_on_sigterm() -> None:
    """Let SIGTERM end the process as an exception does, so that the service that was started ends with it."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer", description="Makes the adapters.")
    commands = parser.add_subparsers(required=True)
    vectors = commands.add_parser(
        "control-vectors",
        help="make and calibrate a model's control vectors",
        description=_control_vectors.__doc__,
    )
    vectors.set_defaults(command=_control_vectors)
    vectors.add_argument("--model", default="qwen2.5-coder-0.5b-instruct", help="a model of the store")
    vectors.add_argument("--style", action="append", choices=list(STYLES), help="default: all of them")
    vectors.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with mbpp/")
    vectors.add_argument("--pairs", type=int, default=48, help="tasks to make contrast pairs of")
    vectors.add_argument("--problems", type=int, default=40, help="problems to calibrate on")
    vectors.add_argument("--layers", type=_band, default="8-15", help="the band to steer, both ends included")
    vectors.add_argument(
        "--max-strength", type=float, default=0.24, help="furthest an end may go, in mean differences"
    )
    vectors.add_argument("--work", type=Path, help="default: results/control-vectors/MODEL")
    vectors.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the service, e.g. engine.threads=1",
    )
    vectors.add_argument("--out", type=Path, help=f"default: {_VECTORS}/MODEL")
    return parser


def _band(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"expected two rising layers, as 8-15; got {text!r}")
    return int(first), int(last)


def _setting(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise TrainerError(f"--set: expected NAME=VALUE; got {text!r}")
    return name, value


def _control_vectors(options: argparse.Namespace) -> int:
    """Make control vectors. Starts the service by itself, twice; resumes where it was interrupted."""
    chosen = Options(
        model=options.model,
        styles=tuple(options.style or STYLES),
        num_pairs=options.pairs,
        num_problems=options.problems,
        first_layer=options.layers[0],
        last_layer=options.layers[1],
        max_strength=options.max_strength,
    )
    work = options.work or Path("results/control-vectors") / Path(options.model).name
    out = options.out or _VECTORS / Path(options.model).name
    settings = dict(_setting(text) for text in options.set)
    for path in make_control_vectors(chosen, options.data, work, out, settings):
        _show(path)
    return 0


def _show(path: Path) -> None:
    header = ControlVector.load(path).header
    found = header.calibration
    print(f"{path} ({path.stat().st_size:,} bytes), strength {-header.scale_low:g} to {header.scale_high:g}")
    if found is None:
        return
    print(f"  {found.unit}, {found.num_problems} problems; Spearman {found.spearman}")
    for point in found.curve:
        print(f"  {point.knob:+.2f}  {point.measure:10.3f}  {point.pass_rate:6.1%}")
    for asked in found.prompting:
        print(f"  words, {asked.asked}: {asked.measure:.3f}  {asked.pass_rate:6.1%}")
