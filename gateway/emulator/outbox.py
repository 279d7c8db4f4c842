"""Where the parts of a conversation put the events they send."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.base.ids import IdSource
from gateway.emulator.inspection import SessionRecord
from gateway.inworld.events import SERVER_EVENTS, encode
from gateway.inworld.server_events import ErrorReported, ServerEvent

_NAMES = {struct: name for name, struct in SERVER_EVENTS.items()}


class Outbox:
    """Encodes events in order, each with a UUID of its own, and counts them by type."""

    def __init__(self, ids: IdSource, record: SessionRecord, now: float) -> None:
        self.ids = ids
        self.record = record
        self._messages: list[bytes] = []
        self.counts: Counter[str] = Counter()
        self.now = now
        """Set by the conversation before it feeds anything."""

    def send(self, event_type: Callable[..., ServerEvent], **fields: Any) -> None:
        """One event. Objects inside it may be plain dicts of the wire's shape."""
        event = event_type(event_id=self.new_uuid(), **fields)
        name = _NAMES[type(event)]
        self.counts[name] += 1
        self._messages.append(encode(event))
        self.record.note_sent(self.now, name, event)

    def send_error(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
        error_type: str = "invalid_request_error",
    ) -> None:
        """An error event; ``event_id`` is that of the client event which caused it."""
        error = {"type": error_type, "code": code, "message": message, "param": param, "event_id": event_id}
        self.send(ErrorReported, error=error)

    def send_untyped(self, fields: dict[str, Any]) -> None:
        """A frame of the platform below, without a type."""
        self._messages.append(msgspec.json.encode(fields))

    def __len__(self) -> int:
        return len(self._messages)

    def take(self) -> list[bytes]:
        """Everything not taken yet."""
        taken, self._messages = self._messages, []
        return taken

    def new_uuid(self) -> str:
        """An event id."""
        return str(uuid.UUID(int=self.ids.bits(128), version=4))

    def new_id(self, kind: str) -> str:
        """An id of an item, a response or a call."""
        return f"{kind}_{self.ids.token(20)}"
