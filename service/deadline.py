"""A bound on how long a stream may take in all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from service.errors import DeadlineError

T = TypeVar("T")


async def within(seconds: float, items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Pass items on until `seconds` after the first one was asked for; then close their source.

    Raises  DeadlineError. Time the consumer takes between two items counts too: a slow reader holds the seat.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    async with aclosing(items):
        while True:
            # Around each step, not around the loop: a timeout may not span a yield.
            timeout = asyncio.timeout_at(deadline)
            try:
                async with timeout:
                    item = await anext(items)
            except StopAsyncIteration:
                if timeout.expired():
                    raise _too_late(seconds) from None
                return
            except Exception as error:
                # vLLM swallows the cancellation and answers that the client has left.
                if timeout.expired():
                    raise _too_late(seconds) from error
                raise
            if timeout.expired():
                raise _too_late(seconds)
            yield item


def _too_late(seconds: float) -> DeadlineError:
    return DeadlineError(f"The request took longer than its deadline of {seconds:g} s.")
