"""A flow: the pair of transport addresses a SIP message travelled between (RFC 5626 §2)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

Transport = Literal["udp", "tcp"]
SocketAddress = tuple[str, int]

DEFAULT_PORT = 5060
"""RFC 3261 §18.1.1: where SIP listens over UDP and TCP when nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Where a message came from and where its answer goes. In-dialog requests go out on the flow their dialog lives on.

    ``local`` is our address as the peer reaches it on this host, ``remote`` the peer's, both as (IP literal, port).
    ``connection`` is the endpoint's number of a TCP connection; 0 means "whichever leads to ``remote``".
    ``fallback`` is where to open a new connection when that one is gone (RFC 3261 §18.2.2); it is advice for the
    endpoint and no part of the flow's identity.
    """

    transport: Transport
    local: SocketAddress
    remote: SocketAddress
    connection: int = 0
    fallback: SocketAddress | None = field(default=None, compare=False)

    @property
    def is_reliable(self) -> bool:
        """True when the transport repeats lost bytes itself, which stills timers A, D, E, G, I, J and K."""
        return self.transport != "udp"

    def with_fallback(self, address: SocketAddress) -> Flow:
        """The same flow, reachable at ``address`` should its connection be gone."""
        return replace(self, fallback=address)
