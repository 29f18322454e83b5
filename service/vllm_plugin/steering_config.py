"""Which vectors the workers load: a part of vLLM's `additional_config`, which also enters its compile cache's key."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapters import StyleLibrary, VectorFileError

CONFIG_KEY = "codefusion_steering"


@dataclass(frozen=True, slots=True)
class SteeringConfig:
    """A folder of vectors, and the hash of what the service found there."""

    folder: str
    digest: str

    def to_additional_config(self) -> dict[str, Any]:
        """Give the value for vLLM's `additional_config`."""
        return {CONFIG_KEY: asdict(self)}

    @classmethod
    def of(cls, vllm_config: Any) -> SteeringConfig | None:
        """Read it back; None where nothing is steered."""
        values = vllm_config.additional_config.get(CONFIG_KEY)
        return cls(**values) if values else None

    def load(self) -> StyleLibrary:
        """Load the vectors. Raises VectorFileError, also when they are no longer those that the service loaded."""
        library = StyleLibrary.load(Path(self.folder))
        if library.digest != self.digest:
            raise VectorFileError(f"{self.folder}: its vectors have changed since the service started")
        return library
