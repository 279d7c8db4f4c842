"""Hanging up politely: the line closes when the caller has heard the agent's goodbye, and not before."""

from __future__ import annotations

import enum

GOODBYE_LIMIT_S = 15.0
"""How long the goodbye may take to arrive from the provider; once it is in the playout it is played to its end."""
GRACE_S = 0.25
"""After the last packet: a telephone's jitter buffer still holds the last word for up to 100 ms."""


class _Phase(enum.Enum):
    IDLE = enum.auto()
    AWAITING_GOODBYE = enum.auto()
    RECEIVING_GOODBYE = enum.auto()
    PLAYING_GOODBYE = enum.auto()
    DONE = enum.auto()


class Farewell:
    """From the agent's ``hang_up`` call to the moment at which the line should close.

    When the response that called the tool already carried speech, that speech is the goodbye; otherwise one more
    response is asked for. The caller speaking up in between calls it off.
    """

    def __init__(self) -> None:
        self._phase = _Phase.IDLE
        self._deadline: float | None = None

    @property
    def is_pending(self) -> bool:
        """True from the tool call until the hang-up or its cancellation."""
        return self._phase not in (_Phase.IDLE, _Phase.DONE)

    def next_deadline(self) -> float | None:
        """When the goodbye is no longer waited for, or its last word has been heard."""
        return self._deadline

    def begin(self, now: float, *, goodbye_was_spoken: bool) -> bool:
        """The agent called ``hang_up``. True when a goodbye has still to be requested from it."""
        if self.is_pending:
            return False
        if goodbye_was_spoken:
            self._phase, self._deadline = _Phase.PLAYING_GOODBYE, None
        else:
            self._phase, self._deadline = _Phase.AWAITING_GOODBYE, now + GOODBYE_LIMIT_S
        return not goodbye_was_spoken

    def response_started(self) -> None:
        """A response began; after ``begin`` asked for one, it is the goodbye."""
        if self._phase is _Phase.AWAITING_GOODBYE:
            self._phase = _Phase.RECEIVING_GOODBYE

    def response_finished(self) -> None:
        """A response ended: the goodbye is now in the playout, whole. Ends of earlier responses mean nothing."""
        if self._phase is _Phase.RECEIVING_GOODBYE:
            self._phase, self._deadline = _Phase.PLAYING_GOODBYE, None

    def call_off(self) -> bool:
        """The caller wants something else. True when a hang-up was indeed pending."""
        was_pending = self.is_pending
        if was_pending:
            self._phase, self._deadline = _Phase.IDLE, None
        return was_pending

    def is_due(self, now: float, *, everything_was_played: bool) -> bool:
        """True once, when the line should be closed."""
        if not self.is_pending:
            return False
        if self._phase is _Phase.PLAYING_GOODBYE:
            if not everything_was_played:
                self._deadline = None
            elif self._deadline is None:
                self._deadline = now + GRACE_S
        if self._deadline is None or now < self._deadline:
            return False
        self._phase, self._deadline = _Phase.DONE, None
        return True
