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
            try:
                # Around each step, not around the loop: a timeout may not span a yield.
                async with asyncio.timeout_at(deadline):
                    item = await anext(items)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise DeadlineError(f"The request took longer than its deadline of {seconds:g} s.") from error
            yield item
