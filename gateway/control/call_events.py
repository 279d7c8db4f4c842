"""``/v1/calls/{id}/events``: what happens in a call, as server-sent events, while it happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from fastapi.responses import StreamingResponse

from gateway.call.desk import CallDesk
from gateway.call.journal import CallEvent, EventName
from gateway.call.records import CallRecord
from gateway.control.auth import KeyRing, Role, require
from gateway.control.calls import run_command
from gateway.control.problems import Problem, describe

MAX_STREAMS = 200
HEARTBEAT_S = 15.0
"""A comment line so often keeps proxies from closing a stream in which nothing happens."""


class CallEventRoutes:
    """One stream for each reader; nobody who reads slowly keeps anything but its place."""

    def __init__(self, desk: CallDesk, keys: KeyRing, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._desk = desk
        self._heartbeat_s = heartbeat_s
        self._stopping = asyncio.Event()
        self.open_streams = 0
        self.router = APIRouter(prefix="/v1/calls", tags=["calls"], responses=describe(401, 403))

        @self.router.get(
            "/{call_id}/events",
            summary="What happens in a call, as server-sent events",
            dependencies=[Depends(require(keys, Role.VIEWER))],
            responses={200: {"content": {"text/event-stream": {}}}, **describe(404, 422, 503)},
            response_class=StreamingResponse,
        )
        async def stream(
            call_id: str,
            last_event_id: Annotated[str, Header(description="Go on after this event.")] = "0",
        ) -> StreamingResponse:
            """From the call's first event, or the one after Last-Event-ID, to its end; then the stream closes."""
            record: CallRecord = run_command(lambda: desk.record(call_id))
            if not last_event_id.isdecimal() or len(last_event_id) > 12:
                raise Problem(422, "last_event_id_invalid", "Last-Event-ID is the number of an event")
            if self.open_streams >= MAX_STREAMS:
                raise Problem(503, "streams.max", "too many event streams are open", headers={"Retry-After": "5"})
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            return StreamingResponse(
                self._follow(record, int(last_event_id)), media_type="text/event-stream", headers=headers
            )

    def close(self) -> None:
        """Ends every stream: the server is stopping."""
        self._stopping.set()

    async def _follow(self, record: CallRecord, after: int) -> AsyncIterator[bytes]:
        news = asyncio.Event()
        record.listeners.add(news.set)
        self.open_streams += 1
        try:
            while not self._stopping.is_set():
                news.clear()
                for event in record.events_after(after):
                    after = event.sequence
                    yield write_event(event)
                    if event.name is EventName.CALL_ENDED:
                        return
                if record.is_ended:
                    return
                if not await self._wait(news):
                    yield b": still here\n\n"
        finally:
            self.open_streams -= 1
            record.listeners.discard(news.set)

    async def _wait(self, news: asyncio.Event) -> bool:
        """False when nothing came for a heartbeat's time."""
        waits = [asyncio.create_task(news.wait()), asyncio.create_task(self._stopping.wait())]
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
