"""The single owner of response.create: two answers at once are one answer too many."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_REQUESTS_KEPT = 8
"""Requests that may wait; more means that something asks in a loop, and the oldest go."""


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """A wish for a response. Without instructions it means: say something to what the conversation holds."""

    instructions: str | None = None


class ResponseArbiter:
    """Lets one response.create out when no response is active, asked for or being cancelled.

    The caller tells it what happens; ``take_next`` gives the request to send now, if any.
    """

    def __init__(self) -> None:
        self.is_cancelling = False
        """response.cancel is sent and neither the response's end nor an error has come back."""
        self.is_blocked = False
        """The service says that a response is active which we do not know."""
        self.is_held = False
        """The caller is speaking: the service's own answer to that will do, if it comes."""
        self._waiting: deque[ResponseRequest] = deque(maxlen=_REQUESTS_KEPT)
        self._in_flight: ResponseRequest | None = None
        self._last_sent: ResponseRequest | None = None
        self._is_doomed = False

    @property
    def is_create_in_flight(self) -> bool:
        """Whether a response.create waits for its response.created."""
        return self._in_flight is not None

    @property
    def is_expecting(self) -> bool:
        """Whether a response is to come that we asked for: in flight or waiting."""
        return self._in_flight is not None or bool(self._waiting)

    def request(self, request: ResponseRequest) -> None:
        """Asks for a response. Several requests without instructions are one."""
        if request not in self._waiting:
            self._waiting.append(request)

    def take_next(self) -> ResponseRequest | None:
        """The request to send now: it is in flight from here on."""
        if self._in_flight or self.is_cancelling or self.is_blocked or self.is_held or not self._waiting:
            return None
        self._in_flight = self._last_sent = self._waiting.popleft()
        return self._in_flight

    def started(self) -> bool:
        """A response began, ours or the service's own. True when it must be cancelled at once."""
        self._in_flight = None
        if self.is_held:
            self.is_held = False
            self._drop_plain()
        is_doomed, self._is_doomed = self._is_doomed, False
        return is_doomed

    def finished(self) -> None:
        """A response is over."""
        self.is_cancelling = False
        self.is_blocked = False

    def refused_while_active(self, *, is_ours: bool) -> None:
        """The service has a response going: ask again after it.

        ``is_ours``: the refusal names our response.create. One that names nothing while none of ours is in flight is
        the service's own answer to the caller, refused by itself: the caller's turn is answered by a plain request.
        """
        refused = self._last_sent if is_ours else self._in_flight or ResponseRequest()
        if refused is not None and not self._is_doomed:
            self._waiting.appendleft(refused)
        self.give_up()
        self.is_blocked = True

    def give_up(self) -> None:
        """The create in flight failed or was never answered."""
        self._in_flight = self._last_sent = None
        self._is_doomed = False

    def doom(self) -> None:
        """Whatever is in flight is unwanted: it is to be cancelled as soon as it has begun."""
        self._is_doomed = self._in_flight is not None

    def withdraw(self) -> bool:
        """Nothing that waited is wanted any more. True when something did."""
        had_waiting = bool(self._waiting)
        self._waiting.clear()
        self._last_sent = None
        return had_waiting

    def _drop_plain(self) -> None:
        kept = [request for request in self._waiting if request.instructions is not None]
        self._waiting.clear()
        self._waiting.extend(kept)
