"""How messages lie in a connection's bytes: one behind the other (RFC 3261 §18.3), or each in a WebSocket message."""

from __future__ import annotations

from typing import Protocol

from gateway.sip.framing import StreamFramer

CRLF = b"\r\n"
PING = CRLF + CRLF
"""RFC 5626 §3.5.1; its answer, the pong, is one CRLF."""


class StreamFault(Exception):
    """The peer does not speak what is spoken here. ``rule`` is for the log, the event and the metric."""

    def __init__(self, text: str, rule: str) -> None:
        super().__init__(text)
        self.rule = rule


class MessageStream(Protocol):
    """One connection's way of framing. After each ``next_message`` send ``take_replies``."""

    is_ready: bool
    """Messages may be sent."""
    is_over: bool
    """The peer has said goodbye."""
    has_ponged: bool
    """The peer has answered a ping of ours at some time."""
    keep_alives: int
    """Pings of the peer that were answered; whoever counts them sets it back to 0."""

    def receive_data(self, data: bytes) -> None:
        """Take what came."""

    def next_message(self) -> bytes | None:
        """The next whole message, or None until more has come. Raises SipParseError or StreamFault."""

    @property
    def buffered_bytes(self) -> int:
        """Octets that belong to no complete message yet."""

    def take_replies(self) -> bytes:
        """What the framing itself has to say: pongs, the answer to a handshake, a goodbye."""

    def encode(self, message: bytes) -> bytes:
        """A message as it goes on the wire."""

    def ping(self) -> bytes:
        """What asks the peer whether it is there."""

    def goodbye(self) -> bytes:
        """What is said before the connection is closed."""


class PlainStream:
    """Messages by Content-Length, keep-alives of empty lines between them: TCP and TLS."""

    def __init__(self) -> None:
        self.is_ready = True
        self.is_over = False
        self.has_ponged = False
        self.keep_alives = 0
        self._framer = StreamFramer()
        self._has_pinged = False

    def receive_data(self, data: bytes) -> None:
        """Take what came."""
        if self._has_pinged and not self._framer.buffered_bytes and data.startswith(CRLF):
            self.has_ponged = True
        self._framer.receive_data(data)

    def next_message(self) -> bytes | None:
        """The next whole message. Raises SipParseError when there is no telling where it ends."""
        return self._framer.next_message()

    @property
    def buffered_bytes(self) -> int:
        """Octets that belong to no complete message yet."""
        return self._framer.buffered_bytes

    def take_replies(self) -> bytes:
        """Pongs."""
        pongs, self._framer.pongs_due = self._framer.pongs_due, 0
        self.keep_alives += pongs
        return CRLF * pongs

    def encode(self, message: bytes) -> bytes:
        """As it is."""
        return message

    def ping(self) -> bytes:
        """Two empty lines."""
        self._has_pinged = True
        return PING

    def goodbye(self) -> bytes:
        """Nothing."""
        return b""
