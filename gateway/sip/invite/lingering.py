"""Dialogs that are over but for a subscription: RFC 5057 §4 keeps them until the last NOTIFY."""

from __future__ import annotations

from gateway.sip.dialog import DialogId

_MOST = 2_000
"""Dialogs remembered at a time; the oldest give way."""


class Lingering:
    """Dialog ids and until when a NOTIFY in them is still answered with 200 instead of 481."""

    def __init__(self) -> None:
        self._until: dict[DialogId, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def add(self, dialog: DialogId, until: float) -> None:
        """Remember ``dialog`` until then."""
        self._until.pop(dialog, None)
        self._until[dialog] = until
        while len(self._until) > _MOST:
            del self._until[next(iter(self._until))]

    def knows(self, dialog: DialogId, now: float) -> bool:
        """The dialog ended with its subscription still open, and not too long ago."""
        until = self._until.get(dialog)
        if until is not None and until <= now:
            del self._until[dialog]
            return False
        return until is not None
