"""What turns a decoder layer of vLLM's into one that adds its tokens' deltas to the residual stream.

Another architecture needs one small file: see steered_qwen2.py. Its layers return (hidden_states, residual), as all of
vLLM's Llama-like ones do; the two are added up by the next layer's norm, so the delta goes into `residual`.

Tensor parallel: attention's and the MLP's last projections end in an all-reduce, so both tensors are whole and equal on
every rank behind each layer. Every rank gets each request's spec and adds the same delta to its copy. Sequence
parallelism (vLLM's `enable_sp`) would cut the residual stream by tokens; it is off here.
Pipeline parallel: a rank steers the layers it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from vllm.config import VllmConfig

from service.vllm_plugin.steering_config import SteeringConfig
from service.vllm_plugin.steering_table import SteeringTable

if TYPE_CHECKING:
    _Layer = nn.Module
else:
    _Layer = object


class SteeredLayer(_Layer):
    """Comes before the decoder layer among a class's bases. No branch on data: compiled and captured as it stands."""

    steering_deltas: torch.Tensor
    steering_rows: torch.Tensor

    def forward(
        self, positions: torch.Tensor, hidden_states: torch.Tensor, residual: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the layer, then add each token's row."""
        hidden_states, stream = super().forward(positions, hidden_states, residual)
        rows = self.steering_rows[: hidden_states.shape[0]]
        return hidden_states, stream + nn.functional.embedding(rows, self.steering_deltas)


def steer_layers(
    layers: nn.ModuleList, plain: type[nn.Module], steered: type[SteeredLayer], vllm_config: VllmConfig
) -> SteeringTable:
    """Make the steered ones of a model's layers so, and give the table that the worker fills.

    layers  all of the model's; those of other pipeline ranks are stand-ins of another class
    plain   the class that vLLM built them of; `steered` adds the method above to it and nothing else
    Raises  AdapterError if the vectors cannot be loaded, are not those the service has, or are for another model.

    The class is changed in place: vLLM's builders take a layer class in some models only, and a wrapper around the
    layer would change the names of its weights.
    """
    steering = SteeringConfig.of(vllm_config)
    assert steering is not None, "engine_plan.py asks for a steered model and says with which vectors"
    library = steering.load()
    config: Any = vllm_config.model_config.hf_config.get_text_config()
    library.check_fits(hidden_size=config.hidden_size, num_layers=config.num_hidden_layers)
    scheduler = vllm_config.scheduler_config
    device = next(parameter.device for layer in layers for parameter in layer.parameters())
    table = SteeringTable(
        library.delta,
        len(library.layers),
        num_slots=scheduler.max_num_seqs,
        num_tokens=scheduler.max_num_batched_tokens,
        hidden_size=config.hidden_size,
        dtype=vllm_config.model_config.dtype,
        device=device,
    )
    for deltas, number in zip(table.deltas, library.layers, strict=True):
        layer: Any = layers[number]
        if type(layer) is plain:
            layer.__class__ = steered
            layer.register_buffer("steering_deltas", deltas, persistent=False)
            layer.register_buffer("steering_rows", table.rows, persistent=False)
    return table
