"""The styles of the loaded model: found on disk at start, asked for by requests, listed to clients.

settings + model ──► load_styles() ──► LoadedStyles ──► engine plan: which vectors the workers load
a request's verbosity and style ──► StylePlanner.plan() ──► SteeringSpec | None
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import adapters
from adapters import AdapterError, KnobError, StyleLibrary, UnknownStyleError
from service.errors import BadRequestError, ConfigurationError
from service.model_shape import ModelShape
from service.schemas.common import CodeFusionOptions, verbosity_value
from service.schemas.generate import GenerateRequest
from service.settings import SteeringSettings
from service.steering_spec import SteeringSpec
from service.validation import quoted
from service.vllm_plugin.process import STEERED

# The style that a request's field `verbosity` moves; `style` moves all others.
VERBOSITY = "verbosity"
_OURS = Path(adapters.__file__).parent / "vectors"


@dataclass(frozen=True, slots=True)
class LoadedStyles:
    """The vectors of one model. `folder` None: there are none."""

    folder: Path | None = None
    collection: StyleLibrary = field(default_factory=StyleLibrary)


def load_styles(settings: SteeringSettings, model: ModelShape) -> LoadedStyles:
    """Load a model's vectors: of `steering.folder`, else the project's own for it, if there are any.

    Raises ConfigurationError if a file is damaged or for another model, or the model cannot be steered.
    """
    folder = settings.folder or _OURS / model.name
    if not settings.enabled or (settings.folder is None and not folder.is_dir()):
        return LoadedStyles()
    if not folder.is_dir():
        raise ConfigurationError(
            f"steering.folder: expected a folder with control vectors; {folder} is none."
        )
    try:
        library = StyleLibrary.load(folder)
        library.check_fits(hidden_size=model.hidden_size, num_layers=model.num_layers)
    except AdapterError as error:
        raise ConfigurationError(f"steering.folder: {error}.") from error
    if library and model.architecture not in STEERED:
        raise ConfigurationError(
            f"steering.folder: expected a model of {', '.join(STEERED)}; {model.architecture} cannot be steered."
        )
    return LoadedStyles(folder.resolve(), library) if library else LoadedStyles()


class StylePlanner:
    """From a request's knobs to a spec for the engine. One per service; holds no state."""

    def __init__(self, library: StyleLibrary) -> None:
        self.collection = library

    def plan(
        self, options: GenerateRequest | CodeFusionOptions | None, prefix: str = ""
    ) -> SteeringSpec | None:
        """Give what steers a request; None: nothing. `prefix` stands before the fields' names in errors.

        Raises BadRequestError: no vector for a style, or knobs out of bounds together.
        """
        if options is None:
            return None
        knobs = self._knobs(options, prefix)
        try:
            mix = self.collection.mix(knobs)
        except UnknownStyleError as error:
            raise self._unknown(error.name, prefix) from error
        except KnobError as error:
            raise BadRequestError(f"{prefix}style: {error}.", param=f"{prefix}style") from error
        return SteeringSpec(mix, self.collection.digest) if mix else None

    def _knobs(self, options: GenerateRequest | CodeFusionOptions, prefix: str) -> Mapping[str, float]:
        if VERBOSITY in options.style:
            raise BadRequestError(
                f"{prefix}style.{VERBOSITY}: expected this knob as the field {prefix}{VERBOSITY}.",
                param=f"{prefix}style.{VERBOSITY}",
            )
        knobs = {**options.style, VERBOSITY: verbosity_value(options.verbosity)}
        return {name: knob for name, knob in knobs.items() if knob}

    def _unknown(self, name: str, prefix: str) -> BadRequestError:
        param = prefix + (VERBOSITY if name == VERBOSITY else "style")
        others = [known for known in self.collection.names if known != VERBOSITY]
        known = f"it has {', '.join(self.collection.names)}" if self.collection else "it has none"
        got = (
            ""
            if name == VERBOSITY
            else f" expected one of {', '.join(others)}; got {quoted(name)}."
            if others
            else ""
        )
        return BadRequestError(
            f"{param}: the loaded model has no control vector for it; {known}.{got}",
            param=param,
            code="unknown_style",
        )


def report(spec: SteeringSpec | None) -> dict[str, float]:
    """Say what steered a request: the knobs that were not 0, as they were rounded."""
    return dict(spec.mix.knobs) if spec else {}
