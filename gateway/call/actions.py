"""What the agent may do to the call through tools. In this version: hang up, after its goodbye was heard."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from typing import Any

HANG_UP = "hang_up"

TOOL_DECLARATIONS: Mapping[str, Mapping[str, Any]] = {
    HANG_UP: {
        "type": "function",
        "name": HANG_UP,
        "description": (
            "Ends the telephone call. Call it when the conversation is over or the caller asks to hang up. "
            "After calling it, say one short goodbye; the line closes when the caller has heard it."
        ),
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    },
}
"""Function tools as the provider wants them declared (flat, reference: session ``tools``)."""

FAREWELL_LIMIT_S = 15.0
"""A goodbye that takes longer than this is not waited for: the agent did ask to hang up."""


def tool_success(**fields: Any) -> str:
    """The output of a tool that did what it was asked, as the JSON string the provider expects."""
    return json.dumps({"ok": True, **fields})


def tool_failure(error: str) -> str:
    """The output of a tool that did not; every call_id is answered, also the impossible ones."""
    return json.dumps({"ok": False, "error": error})


class _Phase(enum.Enum):
    IDLE = enum.auto()
    AWAITING_GOODBYE = enum.auto()
    RECEIVING_GOODBYE = enum.auto()
    PLAYING_GOODBYE = enum.auto()
    DONE = enum.auto()


class Farewell:
    """Hangs up only after the agent's goodbye has left in RTP packets, and never waits for ever.

    When the response that called ``hang_up`` already carried speech, that speech is the goodbye; otherwise one more
    response is asked for. The caller speaking up in between calls it off.
    """

    def __init__(self) -> None:
        self._phase = _Phase.IDLE
        self._limit: float | None = None

    @property
    def is_pending(self) -> bool:
        """True from the tool call until the hang-up or its cancellation."""
        return self._phase not in (_Phase.IDLE, _Phase.DONE)

    def next_deadline(self) -> float | None:
        """When the goodbye is no longer waited for."""
        return self._limit

    def begin(self, now: float, *, goodbye_was_spoken: bool) -> bool:
        """The agent called ``hang_up``. True when a goodbye has still to be requested from it."""
        if self.is_pending:
            return False
        self._limit = now + FAREWELL_LIMIT_S
        self._phase = _Phase.PLAYING_GOODBYE if goodbye_was_spoken else _Phase.AWAITING_GOODBYE
        return not goodbye_was_spoken

    def response_started(self) -> None:
        """A response began; after ``begin`` asked for one, it is the goodbye."""
        if self._phase is _Phase.AWAITING_GOODBYE:
            self._phase = _Phase.RECEIVING_GOODBYE

    def response_finished(self) -> None:
        """A response ended: the goodbye is now in the playout, whole. Ends of earlier responses mean nothing."""
        if self._phase is _Phase.RECEIVING_GOODBYE:
            self._phase = _Phase.PLAYING_GOODBYE

    def call_off(self) -> bool:
        """The caller spoke before the end. True when a hang-up was indeed pending."""
        was_pending = self.is_pending
        if was_pending:
            self._phase, self._limit = _Phase.IDLE, None
        return was_pending

    def is_due(self, now: float, *, everything_was_played: bool) -> bool:
        """True once, when the line should be closed."""
        if not self.is_pending or self._limit is None:
            return False
        heard = self._phase is _Phase.PLAYING_GOODBYE and everything_was_played
        if not heard and now < self._limit:
            return False
        self._phase, self._limit = _Phase.DONE, None
        return True
