"""What the parts of the protocol core hand out: frames for the service, events for the call, deadlines, counts."""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

from gateway.base.clock import Deadlines
from gateway.inworld.events import encode
from gateway.inworld.items import Event
from gateway.inworld.protocol_events import RealtimeEvent


class Timer(enum.Enum):
    """Why the protocol wants to be woken."""

    SESSION_CREATED = enum.auto()
    """The server should have spoken first: send session.update all the same."""
    SESSION_UPDATED = enum.auto()
    """An update is unanswered: the first one ends the session, a later one is given up."""
    RESPONSE_CREATED = enum.auto()
    """A response.create is unanswered, or a response we do not know blocks it: try again."""
    RESPONSE_CANCELLED = enum.auto()
    """An interrupted response was never reported as over: take it as over."""
    HELD_REQUEST = enum.auto()
    """The caller said something and the service began no answer by itself: ask for one."""


@dataclass(slots=True)
class ProtocolStats:
    """Plain counts of one session, for metrics and leak checks."""

    frames_received: int = 0
    frames_not_json: int = 0
    frames_unknown: int = 0
    frames_untyped: int = 0
    frames_ignored: int = 0
    deltas_undecodable: int = 0
    deltas_fenced: int = 0
    appends: int = 0
    appended_bytes: int = 0
    preroll_dropped_chunks: int = 0
    preroll_dropped_bytes: int = 0
    appends_after_end: int = 0
    errors_benign: int = 0
    calls_unanswerable: int = 0


class Outlet:
    """Shared by the parts of one protocol; frames wait in here until the session is agreed."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.events: deque[RealtimeEvent] = deque()
        self.deadlines: Deadlines[Timer] = Deadlines()
        self.stats = ProtocolStats()
        self.is_open = False
        self._held: list[bytes] = []
        self._number = 0

    def send(self, event: Event) -> None:
        """Puts a frame out, or back until the session is agreed."""
        (self.frames if self.is_open else self._held).append(encode(event))

    def send_now(self, event: Event) -> None:
        """Puts a frame out whatever the state: session.update only."""
        self.frames.append(encode(event))

    def emit(self, event: RealtimeEvent) -> None:
        """Tells the call."""
        self.events.append(event)

    def event_id(self, prefix: str) -> str:
        """A client event id; an error that names it tells what failed."""
        self._number += 1
        return f"{prefix}-{self._number}"

    def open(self) -> None:
        """The session is agreed: what was held goes out in its order."""
        self.is_open = True
        self.frames.extend(self._held)
        self._held.clear()

    def shut(self) -> None:
        """Nothing goes out any more and nothing wakes us."""
        self.is_open = False
        self.frames.clear()
        self._held.clear()
        for timer in Timer:
            self.deadlines.clear(timer)
