"""Who opens connections to the REST API and says nothing, or says it slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from gateway.control.connection import BoundedConnection
from gateway.control.server import ControlServer


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ControlServer]:
    monkeypatch.setattr(BoundedConnection, "head_time_s", 0.3)
    monkeypatch.setattr(BoundedConnection, "max_connections", 3)
    app = FastAPI()

    @app.get("/")
    async def slow() -> str:
        await asyncio.sleep(0.6)
        return "here"

    server = ControlServer(app, host="127.0.0.1", port=0)
    await server.start()
    yield server
    await server.stop()


async def opened(server: ControlServer, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    return reader, writer


async def read_all(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_request_whose_head_never_ends_is_not_waited_for(server: ControlServer, data: bytes) -> None:
    reader, writer = await opened(server, data)
    async with asyncio.timeout(3):
        assert await reader.read() == b""
    writer.close()


async def test_dripping_header_lines_win_no_time(server: ControlServer) -> None:
    reader, writer = await opened(server, b"GET / HTTP/1.1\r\nHost: x\r\n")

    async def drip() -> None:
        while True:
            await asyncio.sleep(0.05)
            writer.write(b"X: y\r\n")

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(3):
        assert await reader.read() == b""
    dripping.cancel()
    writer.close()


async def test_an_answer_may_take_longer_than_a_head(server: ControlServer) -> None:
    reader, writer = await opened(server, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(3):
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_one_connection_too_many_is_cut_off_and_the_others_are_served(server: ControlServer) -> None:
    idle = [await opened(server) for _ in range(2)]
    served, writing = await opened(server, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await asyncio.sleep(0.05)
    surplus, surplus_writer = await opened(server)
    async with asyncio.timeout(3):
        assert not await read_all(surplus)
        assert (await served.read()).startswith(b"HTTP/1.1 200 ")
    for writer in (writing, surplus_writer, *(writer for _, writer in idle)):
        writer.close()
