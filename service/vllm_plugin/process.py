"""The engine's processes as the service needs them. Knows nothing of vLLM; costs no import worth mentioning."""

from __future__ import annotations

import multiprocessing
import os
from contextlib import suppress


def register() -> None:
    """Leave the terminal's process group, in a child process of the service.

    Ctrl-C goes to every process of the terminal's group: vLLM's engine core and workers would end at once, and the
    requests that the service is draining with them. Only the service decides when the engine ends.
    """
    if multiprocessing.parent_process() is not None:
        # Already a leader (of a session, say): then the terminal's signals do not come here anyway.
        with suppress(PermissionError):
            os.setpgid(0, 0)
