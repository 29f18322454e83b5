"""What the mask alone does: a greedy run asked again without it, only where it had a hand in the answer.

A greedy answer in which the model's likeliest token was allowed at every step is the answer that the same request
gives unmasked, so it is taken over. Held back by nothing but rounding: a batch of another size may round another way,
with the mask or without it.
"""

from __future__ import annotations

from typing import Final

from evaluation.arms import Arm, Route
from evaluation.errors import ConfigError
from evaluation.records import Record
from evaluation.run_folder import RunConfig

UNMASKED: Final = "unmasked"


def unmasked_arm(config: RunConfig) -> Arm:
    """Give the arm of a greedy, masked run as it is without the mask. Raises ConfigError for another run."""
    if config.route != Route.GENERATE or config.temperature != 0 or config.overrides.get("syntax") == "off":
        raise ConfigError(
            "unmask: expected a greedy run of /generate under the mask, in which no answer depends on chance; got arm "
            f"{config.arm} (route {config.route}) at temperature {config.temperature:g}"
        )
    name = UNMASKED if config.arm == Route.GENERATE else f"{config.arm}@{UNMASKED}"
    return Arm(name, Route.GENERATE, {**config.overrides, "syntax": "off"})


def is_untouched(sample: Record) -> bool:
    """Whether the mask left an answer as the model wrote it. Raises ConfigError where the service did not count."""
    if sample.get("refused"):
        return True
    syntax = sample.get("report", {}).get("syntax") or {}
    if not syntax.get("enforced"):
        return True
    if syntax["changed_tokens"] is None:
        raise ConfigError(
            f"{sample['task_id']}: the service counted no changed tokens (as on GPUs), so nobody knows where the mask "
            "had a hand; run the arm `unmasked` over all problems"
        )
    return not syntax["changed_tokens"] and not syntax["closing_forced"]


def unreported(sample: Record) -> Record:
    """Give an answer that is taken over, without what was said of the mask."""
    report = {name: value for name, value in sample.get("report", {}).items() if name != "syntax"}
    return {**sample, "report": report}
