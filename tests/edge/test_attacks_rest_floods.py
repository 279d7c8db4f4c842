"""Keys that are used to fill the REST API: streams that nobody reads, orders without end, a key that was taken back."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.call.journal import CallEvent, EventName
from gateway.control.call_events import MAX_STREAMS_OF_KEY
from gateway.control.connection import BoundedConnection
from gateway.control.idempotency import MAX_KEY_CHARACTERS
from gateway.settings.schema import Settings
from tests.support.rest import CONTROL, KEYS, TOKENS, Operator, dialling_trunks
from tests.support.stage import Stage
from tests.support.waiting import until

SMALL_MEMORY = 16_000_000
"""Of 100 streams of 300 kB each: what a transport may hold, 64 kB, and a copy on the way."""


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    trunks = dialling_trunks(targets=["sip:127.0.0.9:9"])  # nobody is there: the call rings and rings
    async with Stage(trunks=trunks, control=CONTROL) as stage:
        yield stage


async def opened(stage: Stage, call: str, role: str = "viewer") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream of events that has begun, on a connection of its own. Whoever reads nothing fills little: 1 kB."""
    host, port = stage.gateway.control.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    head = f"GET /v1/calls/{call}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS[role]}\r\n\r\n"
    writer.write(head.encode())
    return reader, writer


async def status_of(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(5):
        return int((await reader.readuntil(b"\r\n\r\n")).split()[1])


async def test_streams_that_nobody_reads_are_bounded_and_leave_room_for_other_keys(stage: Stage) -> None:
    async with Operator(stage) as operator:
        call = (await operator.call("1001"))["id"]
        tracemalloc.start()
        try:
            streams = [await opened(stage, call) for _ in range(MAX_STREAMS_OF_KEY + 20)]
            statuses = [await status_of(reader) for reader, _ in streams]
            assert (statuses.count(200), statuses.count(503)) == (MAX_STREAMS_OF_KEY, 20)
            assert stage.gateway._rest._events.open_streams == MAX_STREAMS_OF_KEY
            record = stage.gateway.desk.record(call)
            before, _ = tracemalloc.get_traced_memory()
            for number in range(100, 130):
                said = {"text": "word " * 2000}
                record.take(CallEvent(EventName.TRANSCRIPT_USER, call, number, record.events[0].at, 1.0, said))
                await asyncio.sleep(0)
            assert tracemalloc.get_traced_memory()[0] - before < SMALL_MEMORY
        finally:
            tracemalloc.stop()
        reader, writer = await opened(stage, call, "operator")
        assert await status_of(reader) == 200, "another key has its own"
        for _, each in (*streams, (reader, writer)):
            each.close()
        await until(lambda: stage.gateway._rest._events.open_streams == 0, 5)
        assert record.listeners == set()


async def test_a_key_that_was_taken_back_hears_nothing_more(stage: Stage) -> None:
    async with Operator(stage) as operator:
        call = (await operator.call("1001"))["id"]
        reader, writer = await opened(stage, call)
        others, other_writer = await opened(stage, call, "operator")
        assert [await status_of(one) for one in (reader, others)] == [200, 200]
        left = [key for key in KEYS if key["name"] != "viewer"]
        text = stage.gateway.settings.model_dump(by_alias=True, mode="json")
        text["inworld"]["api_key"] = "a2V5"
        stage.gateway.reload(Settings.model_validate(text | {"control": CONTROL | {"keys": left}}))
        async with asyncio.timeout(5):
            heard = b"".join([line async for line in _to_end(reader)])
        assert b"call.ended" not in heard
        await operator.http.delete(f"/v1/calls/{call}")
        async with asyncio.timeout(5):
            assert b"call.ended" in b"".join([line async for line in _to_end(others)])
        for each in (writer, other_writer):
            each.close()


async def _to_end(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Up to the empty chunk that ends a response (RFC 9112 §7.1)."""
    while line := await reader.readline():
        yield line
        if line == b"0\r\n":
            return


async def test_a_stream_that_nobody_reads_is_cut_off(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reader's key may have been taken back meanwhile: no connection is kept for who does not listen."""
    monkeypatch.setattr(BoundedConnection, "unread_time_s", 0.3)
    async with Operator(stage) as operator:
        call = (await operator.call("1001"))["id"]
        reader, writer = await opened(stage, call)
        assert await status_of(reader) == 200
        record = stage.gateway.desk.record(call)
        events = stage.gateway._rest._events
        at, long = record.events[0].at, {"text": "x" * 100_000}
        for number in range(100, 300):
            record.take(CallEvent(EventName.TRANSCRIPT_USER, call, number, at, 1.0, long))
            await asyncio.sleep(0)
        await until(lambda: events.open_streams == 0, 8)
        writer.close()


async def test_a_flood_of_idempotency_keys_is_bounded_and_takes_nobodys(stage: Stage) -> None:
    async with Operator(stage) as operator, Operator(stage, "admin") as admin:
        first = await operator.call("1001", key="order-1")

        async def order(number: int) -> httpx.Response:
            key = f"{number:05d}" + "k" * (MAX_KEY_CHARACTERS - 5)
            body = {"to": "+44900123"}
            return await admin.http.post("/v1/calls", json=body, headers={"Idempotency-Key": key})

        refused = [await order(number) for number in range(40)]
        assert {response.status_code for response in refused} == {403}
        assert len(stage.gateway._rest._calls._idempotency) == 1, "an order that was refused is not remembered"
        for bad in ("", "x" * (MAX_KEY_CHARACTERS + 1)):
            headers = {"Idempotency-Key": bad}
            response = await admin.http.post("/v1/calls", json={"to": "1001"}, headers=headers)
            assert response.status_code == 422
        at_once = await asyncio.gather(*(operator.call("1001", key="order-2") for _ in range(20)))
        assert len({call["id"] for call in at_once}) == 1, "sent twenty times at once, it places one call"
        again = await operator.call("1001", key="order-1")
        assert again["id"] == first["id"]
