"""One TCP connection that carries SIP (RFC 3261 §18.3, RFC 5626 §4.4.1), whoever opened it."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Protocol, cast

from gateway.sip.flow import Flow, SocketAddress
from gateway.sip.framing import StreamFramer
from gateway.sip.grammar import SipParseError
from gateway.sip.transport.limits import TransportLimits, TransportStats

_PONG = b"\r\n"


class ConnectionOwner(Protocol):
    """What a connection reports to."""

    def connection_opened(self, connection: TcpConnection) -> bool:
        """False: one too many, or nobody we listen to; cut it off."""

    def connection_closed(self, connection: TcpConnection) -> None:
        """It is gone, for whatever reason."""

    def message_received(self, data: bytes, flow: Flow) -> None:
        """One whole message."""

    def stream_broken(self, error: SipParseError, flow: Flow) -> None:
        """The bytes cannot be framed any further; an answer may still be sent before the connection closes."""


class TcpConnection(asyncio.Protocol):
    """Frames what comes in, a bounded number of messages per wake-up; bounds what waits to go out."""

    def __init__(
        self,
        number: int,
        owner: ConnectionOwner,
        limits: TransportLimits,
        stats: TransportStats,
        *,
        is_accepted: bool = False,
    ) -> None:
        self.number = number
        self.is_accepted = is_accepted
        """The peer opened it, not we."""
        self.remote: SocketAddress = ("", 0)
        self.local: SocketAddress = ("", 0)
        self.has_carried_message = False
        self.opened_at = self.heard_at = time.monotonic()
        self.waiting_since: float | None = None
        """Since when a message is incomplete."""
        self.closing_since: float | None = None
        self._owner = owner
        self._limits = limits
        self._stats = stats
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._is_paused = False

    @property
    def flow(self) -> Flow:
        """The flow of what comes in here."""
        return Flow("tcp", self.local, self.remote, self.number)

    @property
    def is_usable(self) -> bool:
        """Open, and not about to be closed."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        self._transport = cast(asyncio.Transport, transport)
        self.remote = tuple(transport.get_extra_info("peername") or ("", 0))[:2]
        self.local = tuple(transport.get_extra_info("sockname") or ("", 0))[:2]
        sock = transport.get_extra_info("socket")
        if sock is not None:
            # A call may be silent for an hour; the kernel notices a peer that has vanished meanwhile.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if not self._owner.connection_opened(self):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._transport = None
        self._owner.connection_closed(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer, split and joined in any way."""
        self.heard_at = time.monotonic()
        self._framer.receive_data(data)
        if not self._is_paused:
            self._handle_messages()

    def _handle_messages(self) -> None:
        for _ in range(self._limits.messages_per_wake_up):
            if not self.is_usable:
                return
            try:
                message = self._framer.next_message()
            except SipParseError as error:
                self._stats.streams_broken += 1
                self._owner.stream_broken(error, self.flow)
                self.close()
                return
            self._answer_pings()
            if message is None:
                self._wait_for_more()
                return
            self.has_carried_message = True
            self.waiting_since = None
            self._owner.message_received(message, self.flow)
        self._continue_later()

    def _answer_pings(self) -> None:
        pongs, self._framer.pongs_due = self._framer.pongs_due, 0
        if pongs:
            self._stats.keep_alives += pongs
            self.write(_PONG * pongs)

    def _wait_for_more(self) -> None:
        if not self._framer.buffered_bytes:
            self.waiting_since = None
        elif self.waiting_since is None:
            self.waiting_since = self.heard_at
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def _continue_later(self) -> None:
        """A peer that sends faster than we work is read no further until the others had their turn."""
        if self._transport is None:
            return
        if not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        asyncio.get_running_loop().call_soon(self._handle_messages)

    def write(self, data: bytes) -> bool:
        """False when the connection is gone, or its peer reads so slowly that it is gone now."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._limits.write_backlog_bytes:
            self._stats.slow_readers += 1
            self.abort()
            return False
        return True

    def close(self) -> None:
        """Send what waits, then close."""
        if self._transport is not None:
            self.closing_since = self.closing_since or time.monotonic()
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    def is_overdue(self, now: float, is_in_use: bool) -> bool:
        """Whether this connection has had its time: never used, stuck in a message, or idle without a call."""
        if not self.has_carried_message and now - self.opened_at > self._limits.first_message_timeout_s:
            return not is_in_use
        if self.waiting_since is not None and now - self.waiting_since > self._limits.first_message_timeout_s:
            return True
        return not is_in_use and now - self.heard_at > self._limits.idle_timeout_s
