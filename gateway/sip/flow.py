"""A flow: the pair of transport addresses a SIP message travelled between (RFC 5626 §2)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

Transport = Literal["udp", "tcp", "tls", "ws", "wss"]
"""As URIs and listen addresses write them; Via writes them in upper case (RFC 3261 §20.42, RFC 7118 §5.2)."""
SocketAddress = tuple[str, int]

TRANSPORTS: tuple[Transport, ...] = ("udp", "tcp", "tls", "ws", "wss")

_DEFAULT_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 80, "wss": 443}


def default_port(transport: str) -> int:
    """Where SIP listens over a transport when nobody says otherwise (RFC 3261 §18.1.1, RFC 7118 §5.2).

    The name may be written in either case; one that we do not know has the port of UDP and TCP.
    """
    return _DEFAULT_PORTS.get(transport.lower(), 5060)


@dataclass(frozen=True, slots=True)
class Flow:
    """Where a message came from and where its answer goes. In-dialog requests go out on the flow their dialog lives on.

    ``local`` is our address as the peer reaches it on this host, ``remote`` the peer's, both as (IP literal, port).
    ``connection`` is the endpoint's number of a connection; 0 means "whichever leads to ``remote``".
    ``server_name`` is what the peer's certificate must be for, and what is sent as SNI; "" means the IP address.
    ``profile`` says which TLS identity of ours a connection is opened with: a trunk's name, "" for the default one.
    ``fallback`` is where to open a new connection when that one is gone (RFC 3261 §18.2.2); it is advice for the
    endpoint and no part of the flow's identity.
    """

    transport: Transport
    local: SocketAddress
    remote: SocketAddress
    connection: int = 0
    server_name: str = ""
    profile: str = ""
    fallback: SocketAddress | None = field(default=None, compare=False)

    @property
    def is_reliable(self) -> bool:
        """True when the transport repeats lost bytes itself, which stills timers A, D, E, G, I, J and K."""
        return self.transport != "udp"

    @property
    def is_secure(self) -> bool:
        """True when nobody on the way can read along (RFC 3261 §26.2.1)."""
        return self.transport in ("tls", "wss")

    @property
    def is_websocket(self) -> bool:
        """True when the peer can only be reached on the connection it opened itself (RFC 7118 §5)."""
        return self.transport in ("ws", "wss")

    def with_fallback(self, address: SocketAddress) -> Flow:
        """The same flow, reachable at ``address`` should its connection be gone."""
        return replace(self, fallback=address)
