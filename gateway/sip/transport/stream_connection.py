"""One connection that carries SIP: TCP, TLS over it, WebSocket over either (RFC 3261 §18.3, RFC 5626 §4.4.1)."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from dataclasses import replace
from typing import Protocol, cast

from gateway.sip.flow import Flow, SocketAddress, Transport
from gateway.sip.grammar import SipParseError
from gateway.sip.transport.limits import TransportLimits, TransportStats
from gateway.sip.transport.message_stream import MessageStream, PlainStream, StreamFault
from gateway.sip.transport.tls_names import Certificate
from gateway.sip.transport.tls_session import TlsFault, TlsSession

_MAX_FLOWS = 64
"""Flows remembered as having used a connection: one for each way of naming its peer, which are few."""


class ConnectionOwner(Protocol):
    """What a connection reports to."""

    def connection_opened(self, connection: StreamConnection) -> bool:
        """False: one too many, or nobody we listen to; cut it off."""

    def connection_secured(self, connection: StreamConnection) -> None:
        """Its TLS handshake is done. Raises TlsFault when its peer is not who it should be."""

    def connection_ready(self, connection: StreamConnection) -> None:
        """Every handshake is done: messages may go either way."""

    def connection_refused(self, connection: StreamConnection, rule: str, text: str) -> None:
        """It is being closed because of what its peer did."""

    def connection_closed(self, connection: StreamConnection, error: Exception | None) -> None:
        """It is gone, for whatever reason."""

    def message_received(self, data: bytes, connection: StreamConnection) -> None:
        """One whole message."""

    def stream_broken(self, error: SipParseError, flow: Flow) -> None:
        """The bytes cannot be framed any further; an answer may still be sent before the connection closes."""


class StreamConnection(asyncio.Protocol):
    """Frames what comes in, a bounded number of messages per wake-up; bounds what waits to go out."""

    def __init__(
        self,
        number: int,
        owner: ConnectionOwner,
        limits: TransportLimits,
        stats: TransportStats,
        *,
        transport: Transport = "tcp",
        stream: MessageStream | None = None,
        tls: TlsSession | None = None,
        opened_for: Flow | None = None,
    ) -> None:
        """``opened_for`` is the flow that we open it for; without it the peer opens it."""
        self.number = number
        self.transport_name: Transport = transport
        self.opened_for = opened_for
        self.remote: SocketAddress = ("", 0)
        self.local: SocketAddress = ("", 0)
        self.flows: set[Flow] = set()
        """The flows, beside its own, that were sent on here: they fail with it."""
        self.has_carried_message = False
        self.opened_at = self.heard_at = time.monotonic()
        self.waiting_since: float | None = None
        """Since when a message is incomplete."""
        self.closing_since: float | None = None
        self.failure = ""
        """Why it came to nothing, in words."""
        self._owner = owner
        self._limits = limits
        self._stats = stats
        self._stream = stream or PlainStream()
        self._tls = tls
        self._transport: asyncio.Transport | None = None
        self._is_paused = False
        self._is_ready = False
        self._pinged_at: float | None = None

    @property
    def is_accepted(self) -> bool:
        """The peer opened it, not we."""
        return self.opened_for is None

    @property
    def flow(self) -> Flow:
        """The flow of what comes in here."""
        flow = Flow(self.transport_name, self.local, self.remote, self.number)
        ours = self.opened_for
        return flow if ours is None else replace(flow, server_name=ours.server_name, profile=ours.profile)

    @property
    def is_usable(self) -> bool:
        """Open, and not about to be closed."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_ready(self) -> bool:
        """Every handshake is done."""
        return self._is_ready

    @property
    def certificate(self) -> Certificate:
        """The peer's verified certificate; empty when there is none."""
        return self._tls.certificate if self._tls is not None and self._tls.is_open else {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        self._transport = cast(asyncio.Transport, transport)
        self.remote = tuple(transport.get_extra_info("peername") or ("", 0))[:2]
        self.local = tuple(transport.get_extra_info("sockname") or ("", 0))[:2]
        if self.opened_for is not None and self.opened_for.local[1]:
            # Its own port is nobody's: what we tell the peer is where we listen.
            self.local = (self.local[0], self.opened_for.local[1])
        sock = transport.get_extra_info("socket")
        if sock is not None:
            _watch_peer(sock, self._limits)
        if not self._owner.connection_opened(self):
            self._transport.abort()
            return
        if self._tls is not None and self.opened_for is not None:
            self._tls.start()
            self._flush_tls()
        self._note_ready()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._transport = None
        self._owner.connection_closed(self, exc)

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer, split and joined in any way."""
        self.heard_at = time.monotonic()
        if not self.is_usable:
            return  # what comes behind a fault
        try:
            self._stream.receive_data(data if self._tls is None else self._decrypt(self._tls, data))
        except TlsFault as fault:
            self._flush_tls()  # the alert that tells the peer why
            self._refuse(fault.rule, str(fault))
            return
        if not self._is_paused:
            self._handle_messages()

    def _decrypt(self, tls: TlsSession, data: bytes) -> bytes:
        was_open = tls.is_open
        plain = tls.receive(data)
        self._flush_tls()
        if tls.is_open and not was_open:
            self._owner.connection_secured(self)
        if tls.is_ended and self.is_usable:
            asyncio.get_running_loop().call_soon(self.close)
        return plain

    def _handle_messages(self) -> None:
        for _ in range(self._limits.messages_per_wake_up):
            if not self.is_usable:
                return
            try:
                message = self._stream.next_message()
            except SipParseError as error:
                self._stats.streams_broken += 1
                self._owner.stream_broken(error, self.flow)
                self.close()
                return
            except StreamFault as fault:
                self._send_replies()
                self._refuse(fault.rule, str(fault))
                return
            self._send_replies()
            self._note_ready()
            if message is None:
                self._wait_for_more()
                return
            self.has_carried_message = True
            self.waiting_since = None
            self._owner.message_received(message, self)
        self._continue_later()

    def _note_ready(self) -> None:
        if not self._is_ready and self.is_usable and self._stream.is_ready and (self._tls is None or self._tls.is_open):
            self._is_ready = True
            self._owner.connection_ready(self)

    def _refuse(self, rule: str, text: str) -> None:
        self.failure = text
        self._stats.streams_broken += 1
        self._owner.connection_refused(self, rule, text)
        self.close()

    def _send_replies(self) -> None:
        replies = self._stream.take_replies()
        self._stats.keep_alives += self._stream.keep_alives
        self._stream.keep_alives = 0
        if replies:
            self._write_bytes(replies)
        if self._stream.is_over:
            self.close()

    def _wait_for_more(self) -> None:
        if not self._stream.buffered_bytes:
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

    def write(self, message: bytes, flow: Flow | None = None) -> bool:
        """Send a message. False when the connection is gone, or its peer reads so slowly that it is gone now."""
        if not self.is_usable or not self._is_ready or self._stream.is_over:
            return False
        if flow is not None and not flow.connection and len(self.flows) < _MAX_FLOWS:
            self.flows.add(flow)
        return self._write_bytes(self._stream.encode(message))

    def _write_bytes(self, data: bytes) -> bool:
        if self._transport is None or self._transport.is_closing():
            return False
        if self._tls is not None:
            try:
                self._tls.write(data)
            except TlsFault as fault:
                self.failure = str(fault)
                self.abort()
                return False
            data = self._tls.take_outgoing()
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._limits.write_backlog_bytes:
            self._stats.slow_readers += 1
            self.abort()
            return False
        return True

    def _flush_tls(self) -> None:
        if self._tls is not None and self._transport is not None and (data := self._tls.take_outgoing()):
            self._transport.write(data)

    # Keep-alive

    def ping(self, now: float) -> None:
        """Ask the peer whether it is there (RFC 5626 §4.4.1, RFC 7118 §6)."""
        if self.is_usable and self._is_ready:
            self._pinged_at = now
            self._write_bytes(self._stream.ping())

    def is_ping_unanswered(self) -> bool:
        """Nothing at all has come since the last ping, from a peer that is known to answer pings.

        Equipment without RFC 5626 answers none and is no worse for it: then the kernel's own acknowledgements of what
        we send tell whether it is there.
        """
        return self._pinged_at is not None and self.heard_at < self._pinged_at and self._stream.has_ponged

    # The end

    def close(self) -> None:
        """Send what waits, then close."""
        if self._transport is None or self.closing_since is not None:
            return
        self.closing_since = time.monotonic()
        if self._is_ready and not self._transport.is_closing() and (data := self._stream.goodbye()):
            self._write_bytes(data)
        if self._tls is not None and self._transport is not None:
            self._tls.end()
            self._flush_tls()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    def is_overdue(self, now: float, is_in_use: bool) -> bool:
        """Whether this connection has had its time: for its handshake, for a message, or idle without a call."""
        if not self._is_ready:
            return now - self.opened_at > self._limits.handshake_timeout_s
        if not self.has_carried_message and now - self.opened_at > self._limits.first_message_timeout_s:
            return not is_in_use
        if self.waiting_since is not None and now - self.waiting_since > self._limits.first_message_timeout_s:
            return True
        return not is_in_use and now - self.heard_at > self._limits.idle_timeout_s


def _watch_peer(sock: socket.socket, limits: TransportLimits) -> None:
    """A call may be silent for an hour; the kernel notices a peer that has vanished meanwhile."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform.startswith("linux"):
        # How long what we have sent may go without acknowledgement before the connection counts as broken.
        timeout_ms = int(limits.unacknowledged_timeout_s * 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
