"""Arms: named ways of asking the same service for the same problem.

An arm is a route and fields laid over its request. Nothing here decides whether the service can do it: the service
answers 400 and names the field, and the arm is refused with that message.

    raw          /v1/completions   the published prompt, as text (`prompts.py`)
    chat         /v1/chat/completions   the same question as a chat, no beginning of the answer given
    generate     /generate         the service's own prompt, one candidate
    unmasked     /generate         the same without the syntax mask
    retrieval    /generate         generate with code of the index `exemplars` in the prompt (docs/retrieval.md)
    parts        /generate         generate with description, signature and examples in fields of their own
    staged       /generate         the same, asked one after another (docs/retrieval.md)
    n5-logprob   /generate         five candidates at T 0.2, the likeliest taken
    n5-examples  /generate         five candidates at T 0.2, those that pass the prompt's own examples preferred

The last two ask for every candidate's code, so that one sampling serves each way to choose (`reselect.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from evaluation.errors import ConfigError


class Route(StrEnum):
    """Which API an arm uses. Infilling problems take /v1/completions with `suffix` where it is not /generate."""

    RAW = "raw"
    CHAT = "chat"
    GENERATE = "generate"
    PARTS = "parts"


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of asking.

    overrides   fields of the request's JSON body, laid over what the route sends; a nested object replaces its
                namesake whole. On the OpenAI routes the service's options belong under `codefusion`.
    """

    name: str
    route: Route = Route.RAW
    overrides: dict[str, Any] = field(default_factory=dict[str, Any])

    def temperature_or(self, default: float) -> float:
        """Give the temperature that the arm names, else the default."""
        return float(self.overrides.get("temperature", default))


_FIVE: Final = {"candidates": 5, "temperature": 0.2, "return_candidates": True}
ARMS: Final[dict[str, Arm]] = {
    arm.name: arm
    for arm in (
        Arm("raw", Route.RAW),
        Arm("chat", Route.CHAT),
        Arm("generate", Route.GENERATE),
        Arm("unmasked", Route.GENERATE, {"syntax": "off"}),
        Arm("retrieval", Route.GENERATE, {"retrieval": {"index": "exemplars", "k": 4}}),
        Arm("parts", Route.PARTS),
        Arm("staged", Route.PARTS, {"prompting": "staged"}),
        Arm("n5-logprob", Route.GENERATE, {**_FIVE, "select": "logprob"}),
        Arm("n5-examples", Route.GENERATE, {**_FIVE, "select": "examples"}),
    )
}


def find_arm(name: str) -> Arm:
    """Give a built-in arm. Raises ConfigError."""
    if name not in ARMS:
        raise ConfigError(f"--arm: expected one of {', '.join(ARMS)}; got {name!r}")
    return ARMS[name]


def arm_from(name: str, table: dict[str, Any]) -> Arm:
    """Read an arm of an ablation: `base` (a built-in arm), `route`, and fields. Raises ConfigError."""
    base = find_arm(table.get("base", "raw"))
    unknown = set(table) - {"base", "route", "request"}
    if unknown:
        raise ConfigError(
            f"arm {name!r}: expected base, route, request; got {', '.join(sorted(unknown))}. "
            "Fields of the request go below [arms.NAME.request]"
        )
    try:
        route = Route(table.get("route", base.route))
    except ValueError as error:
        routes = ", ".join(Route)
        raise ConfigError(f"arm {name!r}: route: expected {routes}; got {table['route']!r}") from error
    request = table.get("request", {})
    if not isinstance(request, dict):
        raise ConfigError(f"arm {name!r}: request: expected a table; got {type(request).__name__}")
    return Arm(name, route, {**base.overrides, **request})
