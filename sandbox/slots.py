"""Numbers for runs that happen at the same time: each gets the lowest free one, and with it users of its own.

Free on the whole machine, not in this process alone: two evaluations started by root must not share users. A number is
held as the name of an abstract socket, which the kernel gives back even when we are killed.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Generator
from contextlib import contextmanager

from sandbox.errors import LaunchError

MOST_SLOTS = 2000


@contextmanager
def take_slot() -> Generator[int]:
    """Take the lowest free number until the end of the block. Raises LaunchError when there is none."""
    with socket.socket(socket.AF_UNIX) as holder:
        for slot in range(MOST_SLOTS):
            try:
                holder.bind(f"\0codefusion-sandbox-slot-{slot}")
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise LaunchError(f"no slot could be taken: {error}") from error
            else:
                break
        else:
            raise LaunchError(f"all {MOST_SLOTS} slots of this machine are taken")
        yield slot
