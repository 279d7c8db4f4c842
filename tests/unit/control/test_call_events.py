from __future__ import annotations

import asyncio
import datetime
import json
from types import SimpleNamespace
from typing import Any, cast

from gateway.call.identity import CallIdentity
from gateway.call.journal import CallEvent, EventName
from gateway.call.records import CallRecords
from gateway.control.auth import KeyRing
from gateway.control.call_events import CallEventRoutes, write_event

NOW = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)


def event(name: EventName, sequence: int, **details: object) -> CallEvent:
    return CallEvent(name, "c-1", sequence, NOW, 0.5, details)


def routes(records: CallRecords, heartbeat_s: float = 5.0) -> CallEventRoutes:
    desk = cast(Any, SimpleNamespace(record=records.get, records=records))
    return CallEventRoutes(desk, KeyRing([]), heartbeat_s=heartbeat_s)


def test_an_event_is_one_block_with_its_number_name_and_json_on_one_line() -> None:
    block = write_event(event(EventName.TRANSCRIPT_USER, 7, text="two\nlines")).decode()
    head, name, data, *rest = block.split("\n")
    assert (head, name, rest) == ("id: 7", "event: transcript.user", ["", ""])
    assert json.loads(data.removeprefix("data: "))["details"] == {"text": "two\nlines"}


async def test_a_reader_gets_what_was_and_what_comes_until_the_call_ends() -> None:
    records = CallRecords()
    record = records.open(CallIdentity("c-1", "a", "b", "t", "d", "r"), NOW)
    records(event(EventName.CALL_QUEUED, 1))
    face = routes(records)
    got: list[bytes] = []

    async def read() -> None:
        async for block in face._follow(record, 0):
            got.append(block)

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (len(got), face.open_streams) == (1, 1)
    records(event(EventName.CALL_DIALING, 2))
    records(event(EventName.CALL_ENDED, 3, reason="busy", duration_s=0.0, media={}))
    await asyncio.wait_for(reading, 2)
    assert [block.split(b"\n")[0] for block in got] == [b"id: 1", b"id: 2", b"id: 3"]
    assert (face.open_streams, record.listeners) == (0, set())


async def test_a_quiet_stream_beats_and_ends_when_the_server_stops() -> None:
    records = CallRecords()
    record = records.open(CallIdentity("c-1", "a", "b", "t", "d", "r"), NOW)
    face = routes(records, heartbeat_s=0.01)
    stream = face._follow(record, 0)
    assert (await anext(stream)).startswith(b": ")
    face.close()
    assert [block async for block in stream if not block.startswith(b": ")] == []
    assert face.open_streams == 0
