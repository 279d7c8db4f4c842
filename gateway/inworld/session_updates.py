"""session.update after session.update: one unacknowledged at a time, because nothing but order ties an answer to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.inworld.client_events import SessionUpdate
from gateway.inworld.session import merge


class SessionUpdates:
    """Keeps what is asked for, what is acknowledged, and what waits.

    Later changes are merged into one waiting update. Of a nested setting the whole top-level object is sent again,
    since the service does not say how deep it merges. A refused update applies nothing, and is taken back here too.
    """

    def __init__(self, session: dict[str, Any]) -> None:
        self.acknowledged: dict[str, Any] = session
        """The settings in force as far as we asked for them; the first ones until session.updated refuses them."""
        self._in_flight: tuple[str, dict[str, Any]] | None = None
        self._waiting: dict[str, Any] = {}
        self._sent = 0

    @property
    def is_in_flight(self) -> bool:
        """Whether an update is still unanswered."""
        return self._in_flight is not None

    def first(self) -> SessionUpdate:
        """The complete session, with every change asked for before it was sent."""
        changes, self._waiting = self._waiting, {}
        self.acknowledged = self._with_locked_formats(merge(self.acknowledged, changes))
        return self._put_in_flight(self.acknowledged, self.acknowledged)

    def change(self, changes: Mapping[str, Any]) -> SessionUpdate | None:
        """Asks for ``changes``: the update to send now, or None while the first is unsent or one is unanswered."""
        self._waiting = merge(self._waiting, changes)
        return self._next()

    def acknowledge(self) -> SessionUpdate | None:
        """session.updated arrived: the update in flight holds. Returns the next one to send."""
        if self._in_flight is not None:
            self.acknowledged = self._in_flight[1]
        self._in_flight = None
        return self._next()

    def reject(self) -> SessionUpdate | None:
        """The update in flight was refused or is given up. Returns the next one to send."""
        self._in_flight = None
        return self._next()

    def owns(self, event_id: str | None, param: str | None) -> bool:
        """Whether an error is about the update in flight: by its event id, else by a parameter of the session."""
        if self._in_flight is None:
            return False
        if event_id:
            return event_id == self._in_flight[0]
        return bool(param) and str(param).startswith("session")

    def _next(self) -> SessionUpdate | None:
        if self._in_flight is not None or not self._waiting or not self._sent:
            return None
        changes, self._waiting = self._waiting, {}
        wanted = self._with_locked_formats(merge(self.acknowledged, changes))
        return self._put_in_flight(wanted, {key: wanted[key] for key in changes})

    def _put_in_flight(self, wanted: dict[str, Any], sent: dict[str, Any]) -> SessionUpdate:
        self._sent += 1
        event_id = f"cfg-{self._sent}"
        self._in_flight = (event_id, wanted)
        return SessionUpdate(event_id=event_id, session=sent)

    def _with_locked_formats(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Audio formats stay as they are once audio flows; the call's codec decided them."""
        for direction in ("input", "output"):
            locked = self.acknowledged.get("audio", {}).get(direction, {}).get("format")
            part = wanted.get("audio", {})
            if locked is not None and isinstance(part, dict) and isinstance(part.get(direction), dict):
                part[direction]["format"] = locked
        return wanted
