"""What changes the model: control vectors, and what a request's knobs make of them. See docs/steering.md."""

from adapters.control_vector import Calibration, ControlVector, CurvePoint, Header, PromptPoint
from adapters.errors import AdapterError, KnobError, SteeringError, UnknownStyleError, VectorFileError
from adapters.steering import Mix, StyleLibrary

__all__ = [
    "AdapterError",
    "Calibration",
    "ControlVector",
    "CurvePoint",
    "Header",
    "KnobError",
    "Mix",
    "PromptPoint",
    "SteeringError",
    "StyleLibrary",
    "UnknownStyleError",
    "VectorFileError",
]
