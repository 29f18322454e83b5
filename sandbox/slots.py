"""Numbers for runs that happen at the same time: each gets the lowest free one, and with it users of its own."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_taken: set[int] = set()


@contextmanager
def take_slot() -> Generator[int]:
    """Take the lowest free number until the end of the block."""
    with _lock:
        slot = next(number for number in range(len(_taken) + 1) if number not in _taken)
        _taken.add(slot)
    try:
        yield slot
    finally:
        with _lock:
            _taken.discard(slot)
