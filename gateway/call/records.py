"""What is known of live calls and of those that ended lately: bounded, in memory, for whoever asks.

A record is opened with the call's identity and then follows the call's own events; nothing in a call waits for it.
"""

from __future__ import annotations

import datetime
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.call.identity import CallIdentity
from gateway.call.journal import CallEvent, EventName

MAX_CALLS = 1000
"""Live and ended together; the ended one that was placed first goes first. Live calls are never forgotten."""
MAX_EVENTS = 500
"""Events kept of a live call, the oldest forgotten first."""
_MAX_WITH_EVENTS = 100
"""Ended calls whose events are kept: the stream of a call can be read for a while after its end."""
_MAX_REPLIES = 20

_MILESTONES = {
    EventName.CALL_OFFERED: "offered",
    EventName.CALL_QUEUED: "queued",
    EventName.CALL_DIALING: "dialing",
    EventName.CALL_RINGING: "ringing",
    EventName.CALL_ANSWERED: "answered",
    EventName.CALL_ENDED: "ended",
}


@dataclass(slots=True)
class CallRecord:
    """One call. Times are wall clock, UTC."""

    identity: CallIdentity
    created_at: datetime.datetime
    times: dict[str, datetime.datetime] = field(default_factory=dict)
    """When each milestone was first reached: offered or queued, dialing, ringing, answered, ended."""
    replies: list[dict[str, Any]] = field(default_factory=list)
    """What the far end's SIP said, in order: status and reason, Q.850 cause and text."""
    sip_call_id: str = ""
    codec: str = ""
    setup_s: float | None = None
    end_reason: str | None = None
    duration_s: float = 0.0
    media: Mapping[str, float] = field(default_factory=dict)
    transfer: dict[str, Any] | None = None
    """The last word about a transfer."""
    events: deque[CallEvent] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))
    listeners: set[Callable[[], None]] = field(default_factory=set)
    """Told after each event; they read ``events``."""

    @property
    def is_ended(self) -> bool:
        """Nothing will be added any more."""
        return self.end_reason is not None

    def take(self, event: CallEvent) -> None:
        """One event of this call, in order."""
        details = event.details
        self.events.append(event)
        milestone = _MILESTONES.get(event.name)
        if milestone is not None:
            self.times.setdefault(milestone, event.at)
        self.sip_call_id = details.get("sip_call_id", self.sip_call_id)
        self._note_reply(details)
        if event.name is EventName.CALL_ANSWERED:
            self.codec, self.setup_s = details["codec"], details["setup_s"]
        elif event.name is EventName.CALL_MOVED:
            to = details["to"]
            self.identity = replace(self.identity, caller=to["caller"], callee=to["callee"])
            self.sip_call_id = to["sip_call_id"]
        elif event.name is EventName.TRANSFER_PROGRESS:
            self.transfer = dict(details)
        elif event.name is EventName.CALL_ENDED:
            self.end_reason, self.duration_s, self.media = details["reason"], details["duration_s"], details["media"]
        for listener in tuple(self.listeners):
            listener()

    def _note_reply(self, details: Mapping[str, Any]) -> None:
        named = {"status": "sip_status", "reason": "sip_reason", "q850_cause": "q850_cause", "q850_text": "q850_text"}
        reply = {name: details[key] for name, key in named.items() if key in details}
        if cause := details.get("sip_cause"):
            reply["cause"] = cause
        if reply and len(self.replies) < _MAX_REPLIES:
            self.replies.append(reply)

    def events_after(self, sequence: int) -> list[CallEvent]:
        """Those with a higher number that are still kept."""
        return [event for event in self.events if event.sequence > sequence]


class CallRecords:
    """All records, oldest first. As an event sink it hands each event to the record of its call."""

    def __init__(self, *, max_calls: int = MAX_CALLS) -> None:
        self._max_calls = max_calls
        self._records: OrderedDict[str, CallRecord] = OrderedDict()
        self._with_events: deque[str] = deque()

    def open(self, identity: CallIdentity, now: datetime.datetime) -> CallRecord:
        """The record of a call that begins."""
        record = CallRecord(identity, now, sip_call_id=identity.sip_call_id)
        self._records[identity.call_id] = record
        if len(self._records) > self._max_calls:
            self._forget_one()
        return record

    def _forget_one(self) -> None:
        oldest = next((call_id for call_id, record in self._records.items() if record.is_ended), None)
        if oldest is not None:
            del self._records[oldest]

    def __call__(self, event: CallEvent) -> None:
        """One event of any call."""
        record = self._records.get(event.call_id)
        if record is None:
            return
        record.take(event)
        if event.name is EventName.CALL_ENDED:
            self._with_events.append(event.call_id)
            if len(self._with_events) > _MAX_WITH_EVENTS:
                old = self._records.get(self._with_events.popleft())
                if old is not None:
                    old.events.clear()

    def get(self, call_id: str) -> CallRecord | None:
        """The record of a call, if it is still kept."""
        return self._records.get(call_id)

    def newest_first(self) -> Iterator[CallRecord]:
        """Every record, the latest call first."""
        return reversed(self._records.values())

    def __len__(self) -> int:
        return len(self._records)
