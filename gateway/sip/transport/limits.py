"""The bounds of the sockets, and what they count."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Everything a peer could otherwise make grow. Defaults suit a node with some thousand calls."""

    datagrams_per_wake_up: int = 64
    """Then other sockets and timers get their turn: SIP must not starve media of the loop."""
    udp_receive_buffer_bytes: int = 4 * 1024 * 1024
    """Asked of the kernel, which may give less: room for a burst of INVITEs while the loop is busy."""
    messages_per_wake_up: int = 64
    """The same for one TCP connection."""
    connections: int = 2000
    stranger_connections: int = 1500
    """Of those, accepted from sources that nobody knows: they must leave trunks and phones room to connect."""
    connections_per_host: int = 200
    """A host is an IPv4 address or the /64 of an IPv6 address, here and below."""
    handshakes: int = 256
    """Connections accepted from sources that nobody knows whose TLS or WebSocket handshake is not done."""
    handshakes_per_host: int = 32
    handshake_timeout_s: float = 5.0
    connect_timeout_s: float = 5.0
    """TLS handshake included."""
    unacknowledged_timeout_s: float = 30.0
    """What we send may go so long without the acknowledgement of the peer's kernel."""
    idle_timeout_s: float = 120.0
    """A connection that no call lives on is closed after this much silence."""
    first_message_timeout_s: float = 16.0
    """For a connection that never carried a message, and for a message that does not get complete."""
    write_backlog_bytes: int = 256 * 1024
    """A peer that reads so slowly is cut off: its signalling is late beyond use."""
    waiting_messages: int = 64
    """Held for one connection that is being opened; more of them means that its peer is not there."""


@dataclass(slots=True)
class TransportStats:
    """Counters since the start."""

    datagrams_received: int = 0
    datagrams_sent: int = 0
    keep_alives: int = 0
    """Empty datagrams and CRLF pings."""
    datagrams_dropped: int = 0
    """Not sent because the socket was full; their repetition will be."""
    connections_accepted: int = 0
    connections_opened: int = 0
    connections_refused: int = 0
    """Turned away because there were too many."""
    connections_timed_out: int = 0
    slow_readers: int = 0
    streams_broken: int = 0
    """Connections closed because their bytes could not be framed, or their handshake was none."""
    send_failures: int = 0
    handler_faults: int = 0
    """Exceptions of the event handler: faults of ours, in the log."""
