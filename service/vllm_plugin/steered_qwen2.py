"""Qwen2 with control vectors. Registered with vLLM by process.py under ARCHITECTURE, asked for by engine_plan.py."""

from __future__ import annotations

from vllm.config import VllmConfig
from vllm.model_executor.models.qwen2 import Qwen2DecoderLayer, Qwen2ForCausalLM

from service.vllm_plugin.steered_layer import SteeredLayer, steer_layers


class SteeredQwen2DecoderLayer(SteeredLayer, Qwen2DecoderLayer):
    """A layer with its deltas."""


class SteeredQwen2ForCausalLM(Qwen2ForCausalLM):
    """vLLM's model, some of whose layers are steered."""

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        self.steering_table = steer_layers(
            self.model.layers, Qwen2DecoderLayer, SteeredQwen2DecoderLayer, vllm_config
        )
