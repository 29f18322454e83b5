"""What runs inside vLLM's own processes. Loaded by each of them through the entry point `vllm.general_plugins`."""

from service.vllm_plugin.process import register

__all__ = ["register"]
