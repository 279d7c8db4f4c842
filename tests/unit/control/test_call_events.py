from __future__ import annotations

import asyncio
import datetime
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.call.identity import CallIdentity
from gateway.call.journal import CallEvent, EventName
from gateway.call.records import CallRecords
from gateway.control.auth import Caller, KeyRing, Role
from gateway.control.call_events import MAX_STREAMS_OF_KEY, CallEventRoutes, EventStream, write_event
from gateway.control.problems import Problem
from gateway.settings.schema.node import KeySettings
from tests.support.waiting import until

NOW = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)


def event(name: EventName, sequence: int, **details: object) -> CallEvent:
    return CallEvent(name, "c-1", sequence, NOW, 0.5, details)


VIEWER = Caller("ops", Role.VIEWER)


def routes(records: CallRecords, heartbeat_s: float = 5.0, keys: KeyRing | None = None) -> CallEventRoutes:
    desk = cast(Any, SimpleNamespace(record=records.get, records=records))
    return CallEventRoutes(desk, keys or KeyRing([]), heartbeat_s=heartbeat_s)


def key(name: str, token: str) -> KeySettings:
    return KeySettings.model_validate({"name": name, "token": token, "role": "viewer"})


async def read(stream: EventStream, into: list[bytes]) -> None:
    """As a server has it: until the stream ends."""

    async def send(message: Any) -> None:
        if message.get("body"):
            into.append(message["body"])

    async def receive() -> Any:
        await asyncio.Event().wait()

    await stream({"type": "http"}, receive, send)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


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
    stream = face._open(VIEWER, record, 0)
    got: list[bytes] = []

    reading = asyncio.create_task(read(stream, got))
    await settled()
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
    got: list[bytes] = []
    reading = asyncio.create_task(read(face._open(VIEWER, record, 0), got))
    await until(lambda: bool(got), 2)
    face.close()
    await asyncio.wait_for(reading, 2)
    assert [block for block in got if not block.startswith(b": ")] == []
    assert face.open_streams == 0
    await asyncio.wait_for(read(face._open(VIEWER, record, 0), got), 2)


async def test_a_reader_whose_key_is_taken_back_reads_no_further_and_others_do() -> None:
    records = CallRecords()
    record = records.open(CallIdentity("c-1", "a", "b", "t", "d", "r"), NOW)
    keys = KeyRing([key("gone", "1" * 16), key("stays", "2" * 16)])
    face = routes(records, keys=keys)
    got: dict[str, list[bytes]] = {"1": [], "2": []}
    reading = {}
    for token, blocks in got.items():
        caller = keys.identify(token * 16)
        assert caller is not None
        reading[token] = asyncio.create_task(read(face._open(caller, record, 0), blocks))
    await settled()
    keys.apply([key("gone", "3" * 16), key("stays", "2" * 16)])
    face.keys_changed()
    await asyncio.wait_for(reading["1"], 2)
    records(event(EventName.CALL_QUEUED, 1))
    records(event(EventName.CALL_ENDED, 2, reason="busy", duration_s=0.0, media={}))
    await asyncio.wait_for(reading["2"], 2)
    assert [len(blocks) for blocks in got.values()] == [0, 2]


async def test_what_a_slow_reader_has_not_taken_is_not_for_a_key_that_was_taken_back() -> None:
    records = CallRecords()
    record = records.open(CallIdentity("c-1", "a", "b", "t", "d", "r"), NOW)
    for number in range(1, 10):
        records(event(EventName.CALL_RINGING, number))
    ending = asyncio.Event()
    blocks = routes(records)._follow(record, 0, ending)
    await anext(blocks)
    ending.set()
    assert [block async for block in blocks] == []


async def test_one_key_takes_half_of_the_streams_at_most_and_gives_them_back() -> None:
    records = CallRecords()
    record = records.open(CallIdentity("c-1", "a", "b", "t", "d", "r"), NOW)
    face = routes(records)
    streams = [face._open(VIEWER, record, 0) for _ in range(MAX_STREAMS_OF_KEY)]
    with pytest.raises(Problem, match="too many streams") as refused:
        face._check_room(VIEWER)
    assert (refused.value.status, refused.value.rule) == (503, "streams.max_of_key")
    face._check_room(Caller("another", Role.VIEWER))
    face.close()
    for stream in streams:
        await asyncio.wait_for(read(stream, []), 2)
    face._check_room(VIEWER)
    assert face.open_streams == 0
