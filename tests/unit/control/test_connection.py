"""Who opens connections to the REST API and says nothing, or says it slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Response

from gateway.control.connection import BoundedConnection
from gateway.control.server import ControlServer
from tests.support.waiting import until


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ControlServer]:
    monkeypatch.setattr(BoundedConnection, "head_time_s", 0.3)
    monkeypatch.setattr(BoundedConnection, "unread_time_s", 0.3)
    monkeypatch.setattr(BoundedConnection, "max_connections", 3)
    app = FastAPI()

    @app.get("/long")
    async def long() -> Response:
        return Response(b"x" * 20_000_000)

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


async def test_who_asks_and_does_not_read_is_not_waited_for(server: ControlServer) -> None:
    for _ in range(2):
        idle = [await opened(server, b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(3)]
        await until(lambda: open_connections(server) == 0, 5)
        for _, writer in idle:
            writer.close()


async def test_who_reads_slowly_gets_it_all(server: ControlServer) -> None:
    reader, writer = await opened(server, b"GET /long HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    length = 0
    async with asyncio.timeout(10):
        while data := await reader.read(400_000):
            length += len(data)
            await asyncio.sleep(0.005)
    assert length > 20_000_000
    writer.close()


def open_connections(server: ControlServer) -> int:
    assert server._server is not None
    return len(server._server.server_state.connections)
