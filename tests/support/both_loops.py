"""Runs an edge's test on asyncio's loop and on uvloop's, and fails it when anything is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
_PATIENCE_S = 3.0


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """No task, no socket and no exception that nobody took may survive the test."""

    @functools.wraps(test)
    def run(loop_name: str, **arguments: Any) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop_name]) as runner:
            runner.run(_leave_nothing(test(**arguments)))

    signature = inspect.signature(test)
    added = inspect.Parameter("loop_name", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = signature.replace(parameters=[added, *signature.parameters.values()])  # type: ignore[attr-defined]
    del run.__dict__["__wrapped__"]  # else the runner of async tests would find the coroutine function
    return pytest.mark.parametrize("loop_name", list(LOOPS))(run)


async def _leave_nothing(body: Coroutine[Any, Any, None]) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    await asyncio.to_thread(gc.collect)  # also starts the executor
    before = _open_sockets()
    await body
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    deadline = asyncio.get_running_loop().time() + _PATIENCE_S
    while (tasks or _open_sockets() > before) and asyncio.get_running_loop().time() < deadline:
        gc.collect()
        await asyncio.sleep(0.02)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
    assert not tasks
    assert _open_sockets() <= before
    assert complaints == []


def _open_sockets() -> int:
    links = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return sum(link.startswith("socket:") for link in links)
