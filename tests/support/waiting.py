"""Waiting for what real sockets bring."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE_S = 10.0
"""For what takes milliseconds, on a machine that may be busy."""


async def until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Returns once ``condition`` holds; TimeoutError when it never does."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - conditions of other people's objects have no event to wait for
            await asyncio.sleep(0.001)
