"""``/v1/calls/{id}/events``: what happens in a call, as server-sent events, while it happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.call.desk import CallDesk
from gateway.call.journal import CallEvent, EventName
from gateway.call.records import CallRecord
from gateway.control.auth import Caller, KeyRing, Role, require
from gateway.control.calls import run_command
from gateway.control.problems import Problem, describe

MAX_STREAMS = 200
"""Streams open at a time, of all readers; each keeps a connection."""
MAX_STREAMS_OF_KEY = 100
"""One key, however many readers it has, leaves room for the others."""
HEARTBEAT_S = 15.0
"""A comment line so often keeps proxies from closing a stream in which nothing happens."""


class EventStream(StreamingResponse):
    """One reader's stream; ``caller`` is who opened it, ``ending`` tells it to end where it is."""

    def __init__(self, caller: Caller, ending: asyncio.Event, on_end: Callable[[EventStream], None]) -> None:
        """``on_end`` is called once, however it ends."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__((), media_type="text/event-stream", headers=headers)
        self.caller = caller
        self.ending = ending
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Until the call ends, the reader goes, or it is told to end."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end(self)


class CallEventRoutes:
    """One stream for each reader; nobody who reads slowly keeps anything but its place."""

    def __init__(self, desk: CallDesk, keys: KeyRing, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._desk = desk
        self._heartbeat_s = heartbeat_s
        self._is_stopping = False
        self._keys = keys
        self._streams: set[EventStream] = set()
        self.router = APIRouter(prefix="/v1/calls", tags=["calls"], responses=describe(401, 403))

        as_viewer: Any = Depends(require(keys, Role.VIEWER))

        @self.router.get(
            "/{call_id}/events",
            summary="What happens in a call, as server-sent events",
            responses={200: {"content": {"text/event-stream": {}}}, **describe(404, 422, 503)},
            response_class=StreamingResponse,
        )
        async def stream(
            call_id: str,
            last_event_id: Annotated[str, Header(description="Go on after this event.")] = "0",
            caller: Caller = as_viewer,
        ) -> StreamingResponse:
            """From the call's first event, or the one after Last-Event-ID, to its end; then the stream closes."""
            record: CallRecord = run_command(lambda: desk.record(call_id))
            if not last_event_id.isdecimal() or len(last_event_id) > 12:
                raise Problem(422, "last_event_id_invalid", "Last-Event-ID is the number of an event")
            self._check_room(caller)
            return self._open(caller, record, int(last_event_id))

    def close(self) -> None:
        """Ends every stream: the server is stopping."""
        self._is_stopping = True
        for stream in self._streams:
            stream.ending.set()

    @property
    def open_streams(self) -> int:
        """Readers at this moment."""
        return len(self._streams)

    def keys_changed(self) -> None:
        """A key that was taken back reads no further."""
        for stream in tuple(self._streams):
            if not self._keys.holds(stream.caller):
                stream.ending.set()

    def _check_room(self, caller: Caller) -> None:
        headers = {"Retry-After": "5"}
        if len(self._streams) >= MAX_STREAMS:
            raise Problem(503, "streams.max", "too many event streams are open", headers=headers)
        if sum(stream.caller.name == caller.name for stream in self._streams) >= MAX_STREAMS_OF_KEY:
            raise Problem(503, "streams.max_of_key", f"key {caller.name} has too many streams open", headers=headers)

    def _open(self, caller: Caller, record: CallRecord, after: int) -> EventStream:
        ending = asyncio.Event()
        if self._is_stopping:
            ending.set()
        stream = EventStream(caller, ending, self._streams.discard)
        stream.body_iterator = self._follow(record, after, ending)
        self._streams.add(stream)
        return stream

    async def _follow(self, record: CallRecord, after: int, ending: asyncio.Event) -> AsyncIterator[bytes]:
        news = asyncio.Event()
        record.listeners.add(news.set)
        try:
            while not ending.is_set():
                news.clear()
                for event in record.events_after(after):
                    if ending.is_set():  # it was, while the reader took nothing
                        return
                    after = event.sequence
                    yield write_event(event)
                    if event.name is EventName.CALL_ENDED:
                        return
                if record.is_ended:
                    return
                if not await self._wait(news, ending):
                    yield b": still here\n\n"
        finally:
            record.listeners.discard(news.set)

    async def _wait(self, news: asyncio.Event, ending: asyncio.Event) -> bool:
        """False when nothing came for a heartbeat's time."""
        waits = [asyncio.create_task(news.wait()), asyncio.create_task(ending.wait())]
        try:
            done, _ = await asyncio.wait(waits, timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
            return bool(done)
        finally:
            for wait in waits:
                wait.cancel()


def write_event(event: CallEvent) -> bytes:
    """One event as it goes over the wire. JSON has no line ends of its own, so one data line is enough."""
    data = {
        "call": event.call_id,
        "sequence": event.sequence,
        "event": event.name.value,
        "at": event.at.isoformat(),
        "offset_s": event.offset_s,
        **({"details": event.details} if event.details else {}),
    }
    return f"id: {event.sequence}\nevent: {event.name.value}\ndata: {json.dumps(data, default=str)}\n\n".encode()
