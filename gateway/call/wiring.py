"""The edges of one call joined to its core: what they bring becomes a step of the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.call.call import Call
from gateway.call.conversation.uplink import Uplink
from gateway.inworld.errors import ProviderUnavailable
from gateway.inworld.protocol_events import RealtimeEvent


class CallTable(Protocol):
    """Where live calls are kept and run."""

    def run(self, call: Call, step: Callable[[Call], None]) -> None: ...

    def ended(self, call: Call) -> None: ...


class Wiring:
    """Breaks the circle of who must exist before whom: the edges get these callbacks, the call comes last."""

    def __init__(self, clock: Callable[[], float], calls: CallTable) -> None:
        self.call: Call | None = None
        self.uplink: Uplink | None = None
        self._clock = clock
        self._calls = calls

    def ended(self, call: Call) -> None:
        """Cuts the circle again: an ended call must not wait for a collector that is told to come rarely."""
        self.call = self.uplink = None
        self._calls.ended(call)

    def audio(self, payload: bytes) -> None:
        """The hot path: no deadline changes here."""
        if self.uplink is not None:
            self.uplink.receive_audio(payload)

    def digit(self, digit: str) -> None:
        """A key pressed, as the media port heard it."""
        if self.call is not None:
            self._calls.run(self.call, lambda call: call.receive_digit(digit, self._clock()))

    def provider_event(self, event: RealtimeEvent) -> None:
        """An event of the provider's session."""
        if self.call is not None:
            self._calls.run(self.call, lambda call: call.handle_provider_event(event, self._clock()))

    def provider_unavailable(self, error: ProviderUnavailable) -> None:
        """The session could not be had."""
        if self.call is not None:
            why, retry_after_s = str(error), error.retry_after_s
            self._calls.run(
                self.call, lambda call: call.provider_refused(why, self._clock(), retry_after_s=retry_after_s)
            )
