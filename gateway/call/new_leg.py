"""Another telephone side for a live call: a port and an offer/answer of its own, unheard until the call moves to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from gateway.call.conversation.uplink import Uplink
from gateway.call.legs import MediaLeg
from gateway.call.negotiation import Agreement, Negotiator

if TYPE_CHECKING:
    from gateway.call.call import Call


class Running(Protocol):
    """Where live calls are run."""

    def run(self, call: Call, step: Callable[[Call], None]) -> None: ...


class NewLeg:
    """Whoever speaks here before ``join`` is not heard by the agent. What cannot be agreed on raises SdpError.

    ``attach`` gives it its port, whose callbacks are ``audio`` and ``digit``.
    """

    def __init__(self, negotiator: Negotiator, clock: Callable[[], float], calls: Running) -> None:
        self.negotiator = negotiator
        self._clock = clock
        self._calls = calls
        self._media: MediaLeg | None = None
        self._call: Call | None = None
        self._uplink: Uplink | None = None

    def attach(self, media: MediaLeg) -> None:
        """Its port."""
        self._media = media
        self.negotiator.bind(media.local_port)

    def offer(self, call: Call, address: str, signalling_host: str) -> bytes:
        """Our offer to a peer that signals from ``signalling_host`` and is told ``address``.

        Raises CapacityError or LocalProtocolError when there can be no port of that IP version.
        """
        assert self._media is not None
        if self._media.speak_ip_of(address):
            self.negotiator.bind(self._media.local_port)
        self.negotiator.place(address, signalling_host)
        return self.negotiator.offer(call.line.wanted).description

    def accept(self, call: Call, answer: bytes) -> Agreement:
        """The peer's answer to it."""
        return self.negotiator.accept(answer, call.line.wanted)

    def respond(self, call: Call, offer: bytes | None) -> tuple[bytes, Agreement | None]:
        """What the peer's INVITE is answered with: an answer, or our offer where it brought none."""
        if offer is None:
            return self.negotiator.offer(call.line.wanted).description, None
        agreement = self.negotiator.answer(offer, call.line.wanted)
        return agreement.description, agreement

    def join(self, call: Call, uplink: Uplink) -> MediaLeg:
        """From here on the agent hears what comes; the port is the call's to close."""
        assert self._media is not None
        media, self._media = self._media, None
        self._call, self._uplink = call, uplink
        return media

    def close(self) -> None:
        """Nobody is heard here any more. A port that no call has taken is closed."""
        self._call = self._uplink = None
        if self._media is not None:
            self._media.close()
            self._media = None

    def audio(self, payload: bytes) -> None:
        """The hot path: no deadline changes here."""
        if self._uplink is not None:
            self._uplink.receive_audio(payload)

    def digit(self, digit: str) -> None:
        """A key pressed, as the media port heard it."""
        if self._call is not None:
            self._calls.run(self._call, lambda call: call.receive_digit(digit, self._clock()))
