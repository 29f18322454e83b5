"""The engine's processes as the service needs them. Costs no import worth mentioning."""

from __future__ import annotations

import multiprocessing
import os
from contextlib import suppress

# The architectures that can be steered, by vLLM's name: the name they are registered under, and where the class is.
STEERED = {
    "Qwen2ForCausalLM": (
        "CodeFusionQwen2ForCausalLM",
        "service.vllm_plugin.steered_qwen2:SteeredQwen2ForCausalLM",
    ),
}


def register() -> None:
    """Make the steered models known to vLLM, and leave the terminal's process group. Called in every process."""
    from vllm import ModelRegistry

    for name, where in STEERED.values():
        ModelRegistry.register_model(name, where)
    _leave_process_group()


def _leave_process_group() -> None:
    """Leave the terminal's process group, in a child process of the service.

    Ctrl-C goes to every process of the terminal's group: vLLM's engine core and workers would end at once, and the
    requests that the service is draining with them. Only the service decides when the engine ends.
    """
    if multiprocessing.parent_process() is not None:
        # Already a leader (of a session, say): then the terminal's signals do not come here anyway.
        with suppress(PermissionError):
            os.setpgid(0, 0)
