"""What happens to a node outside calls: past facts with wall time, handed to every sink.

Calls have their own journal (``call/journal.py``); the shape of the events is the same, without a call.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.base.clock import utc_now
from gateway.observability.logs import get_logger


class NodeEventName(enum.Enum):
    """The closed set of event names; the value is what logs and streams show."""

    TRUNK_REGISTERED = "trunk.registered"
    TRUNK_UNREGISTERED = "trunk.unregistered"
    TRUNK_REGISTRATION_FAILED = "trunk.registration_failed"
    TRUNK_UP = "trunk.up"
    TRUNK_DOWN = "trunk.down"
    ACCOUNT_REGISTERED = "account.registered"
    ACCOUNT_UNREGISTERED = "account.unregistered"
    ACCOUNT_EXPIRED = "account.expired"
    SOURCE_BANNED = "source.banned"
    SOURCE_RELEASED = "source.released"


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """One fact. ``sequence`` counts the events of this node; ``details`` are plain values."""

    name: NodeEventName
    sequence: int
    at: datetime.datetime
    details: dict[str, Any] = field(default_factory=dict)


NodeEventSink = Callable[[NodeEvent], None]


class NodeEvents:
    """Numbers the events of one node and hands each to every sink, in order."""

    def __init__(self, sinks: Sequence[NodeEventSink] = ()) -> None:
        self._sinks = tuple(sinks)
        self._sequence = 0
        self.failed_sinks = 0

    def record(self, name: NodeEventName, **details: Any) -> None:
        """Something has happened."""
        self._sequence += 1
        event = NodeEvent(name, self._sequence, utc_now(), details)
        for sink in self._sinks:
            try:
                sink(event)
            except Exception:  # noqa: BLE001 - a full disk or a closed pipe must not keep a trunk from registering
                self.failed_sinks += 1


def log_node_event(event: NodeEvent) -> None:
    """Writes one event; the line's name is the event's. Refreshes, which are many, at debug level."""
    logger = get_logger()
    if _is_trouble(event):
        logger.warning(event.name.value, **event.details)
    elif event.details.get("refresh"):
        logger.debug(event.name.value, **event.details)
    else:
        logger.info(event.name.value, **event.details)


def _is_trouble(event: NodeEvent) -> bool:
    """Calls do not find us, though nobody said that they should not; or somebody is kept out."""
    if event.name is NodeEventName.SOURCE_BANNED:
        return True
    if event.name is NodeEventName.TRUNK_UNREGISTERED:
        return bool(event.details.get("cause") != "removed")
    return event.name in (NodeEventName.TRUNK_REGISTRATION_FAILED, NodeEventName.TRUNK_DOWN)
