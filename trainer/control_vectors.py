"""The stage `control-vectors`: from nothing to a calibrated file per style.

Resumable: each part is kept in the work folder.

service without vectors ─► pairs.jsonl ─► hidden states ─► differences.npy
service with the drafts ─► answers.jsonl at each strength ─► ends ─► curve ─► OUT/STYLE.safetensors
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters import Calibration, ControlVector, CurvePoint, Header, PromptPoint
from model_store import find_model
from trainer.answers import AnswerFile
from trainer.calibration import KNOBS, Arm, Bench, Outcome, furthest, rank_correlation
from trainer.contrast_pairs import ask_for_pairs, make_pairs, missing_pairs
from trainer.directions import difference_norms, mean_differences
from trainer.errors import TrainerError, WorkError
from trainer.mbpp import Task, calibration_tasks, fingerprint, pair_tasks
from trainer.served import served
from trainer.styles import STYLES, Style

Array = npt.NDArray[np.float32]
# Strengths tried on either side, as parts of the greatest. The curve's knobs meet them when the greatest will do.
_PARTS = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Options:
    """What decides the result; kept beside it.

    first_layer, last_layer  the band that is steered, both included
    max_strength             the furthest that either end may go, in mean differences
    """

    model: str
    styles: tuple[str, ...]
    num_pairs: int
    num_problems: int
    first_layer: int
    last_layer: int
    max_strength: float


def make_control_vectors(
    options: Options, data: Path, work: Path, out: Path, settings: Mapping[str, object] | None = None
) -> list[Path]:
    """Make a file for each style. Raises TrainerError; what was done is kept, and the same call goes on from there.

    settings  of the service that is started; they change how fast it is, not what comes out
    """
    # Wide batches: nobody waits for a single answer here.
    settings = {"engine.max_num_seqs": 32, **(settings or {})}
    model_dir = find_model(options.model)
    if model_dir is None:
        raise TrainerError(f"the model is not here: python -m model_store fetch {options.model}")
    claim(work, options)
    styles = [STYLES[name] for name in options.styles]
    log, drafts = work / "service.log", work / "drafts"
    tasks, problems = pair_tasks(data, options.num_pairs), calibration_tasks(data, options.num_problems)
    answers = {style.name: AnswerFile(_of(work, style, "pairs.jsonl")) for style in styles}
    if any(missing_pairs(style, tasks, answers[style.name]) for style in styles):
        with served(options.model, log, {**settings, "steering.enabled": False}) as url:
            for style in styles:
                ask_for_pairs(url, style, tasks, answers[style.name])
    made: dict[str, dict[str, Any]] = {}
    for style in styles:
        pairs = make_pairs(style, tasks, answers[style.name])
        differences = mean_differences(model_dir, pairs, _of(work, style, "differences.npy"))
        _draft(style, differences, options).save(drafts / f"{_draft_name(style)}.safetensors")
        made[style.name] = _made(options, tasks, problems, len(pairs), difference_norms(differences))
    with served(options.model, log, {**settings, "steering.folder": drafts}) as url:
        return [
            _calibrate(
                url, style, problems, options, work, made[style.name], out / f"{style.name}.safetensors"
            )
            for style in styles
        ]


def _calibrate(
    url: str,
    style: Style,
    problems: Sequence[Task],
    options: Options,
    work: Path,
    made: Mapping[str, Any],
    path: Path,
) -> Path:
    """Make the style's file out of its draft, which the service has loaded."""
    draft = ControlVector.load(work / "drafts" / f"{_draft_name(style)}.safetensors")
    answers = AnswerFile(_of(work, style, "answers.jsonl"))
    bench = Bench(url, style, problems, answers, _draft_name(style), options.max_strength)
    _calibrated(draft, style, bench, problems).with_header(name=style.name, made=dict(made)).save(path)
    return path


def claim(work: Path, options: Options) -> None:
    """Mark the work folder as this run's. Raises WorkError if it is another's."""
    path = work / "config.json"
    text = json.dumps(asdict(options), indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise WorkError(
            f"{path}: expected the options of this run; take another --work folder, or remove this one"
        )
    work.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _of(work: Path, style: Style, name: str) -> Path:
    return work / style.name / name


def _draft_name(style: Style) -> str:
    # Not the style's own: the API takes `verbosity` as a field of its own.
    return f"draft_{style.name}"


def _draft(style: Style, differences: Array, options: Options) -> ControlVector:
    layers = tuple(range(options.first_layer, options.last_layer + 1))
    if not 0 <= layers[0] <= layers[-1] < len(differences):
        raise TrainerError(
            f"--layers: expected a band of 0 to {len(differences) - 1}; got {layers[0]}-{layers[-1]}"
        )
    header = Header(
        name=_draft_name(style),
        model=options.model,
        hidden_size=differences.shape[1],
        num_layers=len(differences),
        layers=layers,
        scale_low=options.max_strength,
        scale_high=options.max_strength,
    )
    return ControlVector(header, differences[list(layers)])


def _calibrated(draft: ControlVector, style: Style, bench: Bench, problems: Sequence[Task]) -> ControlVector:
    """Find the ends, measure the curve, and ask in words for comparison."""
    most = draft.header.scale_high
    (baseline,) = bench.outcomes([Arm()], f"{style.name} 0")
    ends = {sign: _end(sign, most, style, bench, baseline) for sign in (-1, 1)}
    strengths = [knob * ends[1 if knob > 0 else -1] for knob in KNOBS]
    curve = bench.outcomes([Arm(strength) for strength in strengths], f"{style.name} curve")
    words = {"low": Arm(words=style.low), "high": Arm(words=style.high)}
    asked = bench.outcomes(list(words.values()), f"{style.name} in words")
    return draft.with_header(
        scale_low=ends[-1],
        scale_high=ends[1],
        calibration=Calibration(
            unit=style.unit,
            problems=f"MBPP, hand-verified rows above id 510, the first {len(problems)}; greedy",
            num_problems=len(problems),
            spearman=round(rank_correlation(KNOBS, [outcome.measure for outcome in curve]), 4),
            curve=tuple(
                CurvePoint(knob=knob, measure=_short(outcome.measure), pass_rate=_short(outcome.pass_rate))
                for knob, outcome in zip(KNOBS, curve, strict=True)
            ),
            prompting=tuple(
                PromptPoint(asked=end, measure=_short(outcome.measure), pass_rate=_short(outcome.pass_rate))
                for end, outcome in zip(words, asked, strict=True)
            ),
        ).model_dump(),
    )


def _end(sign: int, most: float, style: Style, bench: Bench, baseline: Outcome) -> float:
    """Give the end's strength; the smallest that was tried where even that solves too few, as the curve then shows."""
    strengths = [part * most for part in _PARTS]
    arms = [Arm(sign * strength) for strength in strengths]
    outcomes = bench.outcomes(arms, f"{style.name} {'+' if sign > 0 else '-'}")
    return furthest(strengths, outcomes, baseline) or strengths[0]


def _made(
    options: Options, tasks: Sequence[Task], problems: Sequence[Task], num_pairs: int, norms: Sequence[float]
) -> dict[str, Any]:
    return {
        "command": f"python -m trainer control-vectors --model {options.model} --pairs {options.num_pairs} "
        f"--problems {options.num_problems} --layers {options.first_layer}-{options.last_layer} "
        f"--max-strength {options.max_strength:g}",
        "method": "mean difference of hidden states over answer tokens, contrast pairs from the model itself",
        "pairs_used": num_pairs,
        "pair_tasks_sha256": fingerprint(tasks),
        "problems_sha256": fingerprint(problems),
        "difference_norms": json.dumps(norms),
    }


def _short(value: float) -> float:
    return round(value, 4)
