from __future__ import annotations

import pytest
from fastapi import FastAPI

from gateway.control.server import ControlServer


async def test_a_taken_port_is_an_error_at_start() -> None:
    app = FastAPI()
    first = ControlServer(app, host="127.0.0.1", port=0)
    await first.start()
    try:
        with pytest.raises(OSError, match="in use"):
            await ControlServer(app, host="127.0.0.1", port=first.port).start()
    finally:
        await first.stop()


async def test_stopping_ends_what_would_keep_requests_open_and_may_be_repeated() -> None:
    told: list[str] = []
    server = ControlServer(FastAPI(), host="127.0.0.1", port=0, on_stop=lambda: told.append("stop"))
    await server.start()
    await server.stop()
    await server.stop()
    assert told == ["stop"]
