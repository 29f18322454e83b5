"""Errors of the adapters.

AdapterError
├── VectorFileError       a file is no control vector, or not one for this model
└── SteeringError         what a request asks of the styles
    ├── UnknownStyleError     `known` names those that are loaded
    └── KnobError             a knob, or all of them together, out of bounds
"""

from __future__ import annotations

from collections.abc import Iterable


class AdapterError(Exception):
    """Base of all. Its text is for the user."""


class VectorFileError(AdapterError):
    """A file is no control vector, or not one for this model."""


class SteeringError(AdapterError):
    """What a request asks of the styles cannot be done."""


class UnknownStyleError(SteeringError):
    """There is no vector of that name; `known` names those that are loaded."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(known)
        super().__init__(f"expected one of {', '.join(self.known) or '(none is loaded)'}; got {name[:64]!r}")


class KnobError(SteeringError):
    """A knob, or all of them together, out of bounds."""
