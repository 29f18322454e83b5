"""The real engine: everything the service knows of vLLM is in this package, and nowhere else."""

from service.vllm_engine.engine import VllmEngine

__all__ = ["VllmEngine"]
