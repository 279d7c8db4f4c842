"""What happened in a call: past facts with a sequence number, wall time and the seconds since the call began."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.base.clock import utc_now


class EventName(enum.Enum):
    """The closed set of event names; the value is what logs and streams show."""

    CALL_OFFERED = "call.offered"
    CALL_QUEUED = "call.queued"
    CALL_DIALING = "call.dialing"
    CALL_RINGING = "call.ringing"
    CALL_ANSWERED = "call.answered"
    CALL_HELD = "call.held"
    CALL_RESUMED = "call.resumed"
    CALL_MOVED = "call.moved"
    CALL_REOFFER_REFUSED = "call.reoffer_refused"
    CALL_ENDED = "call.ended"
    TRANSFER_PROGRESS = "transfer.progress"
    USER_STARTED = "turn.user_started"
    USER_STOPPED = "turn.user_stopped"
    AGENT_STARTED = "turn.agent_started"
    AGENT_STOPPED = "turn.agent_stopped"
    INTERRUPTED = "turn.interrupted"
    TRANSCRIPT_USER = "transcript.user"
    TRANSCRIPT_AGENT = "transcript.agent"
    TOOL_CALLED = "tool.called"
    TOOL_RETURNED = "tool.returned"
    DIGIT_RECEIVED = "digit.received"
    PROVIDER_CONNECTED = "provider.connected"
    PROVIDER_LOST = "provider.lost"
    PROVIDER_ERROR = "provider.error"


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One fact. ``offset_s`` is monotonic seconds since the call began; ``at`` is for people's eyes."""

    name: EventName
    call_id: str
    sequence: int
    at: datetime.datetime
    offset_s: float
    details: dict[str, Any] = field(default_factory=dict)


EventSink = Callable[[CallEvent], None]


class Journal:
    """Numbers the events of one call and hands each to every sink, in order."""

    def __init__(self, call_id: str, began: float, sinks: Sequence[EventSink]) -> None:
        self.call_id = call_id
        self._began = began
        self._sinks = tuple(sinks)
        self._sequence = 0
        self._is_closed = False
        self.failed_sinks = 0

    def record(self, name: EventName, now: float, **details: Any) -> None:
        """Something happened at ``now`` (monotonic seconds). Nothing happens to a call after its end."""
        if self._is_closed:
            return
        self._is_closed = name is EventName.CALL_ENDED
        self._sequence += 1
        event = CallEvent(name, self.call_id, self._sequence, utc_now(), round(now - self._began, 4), details)
        for sink in self._sinks:
            try:
                sink(event)
            except Exception:  # noqa: BLE001 - a full disk or a closed pipe must not end or keep a call
                self.failed_sinks += 1
