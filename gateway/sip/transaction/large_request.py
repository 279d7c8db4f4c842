"""Requests too long for a datagram go by TCP, and by UDP after all where TCP is refused (RFC 3261 §18.1.1)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gateway.sip.flow import Flow, SocketAddress
from gateway.sip.message import Request

LARGEST_DATAGRAM = 1300
"""Octets of the longest request that leaves by UDP when the path MTU is unknown (RFC 3261 §18.1.1)."""

MEMORY_S = 600.0
"""How long a peer that took no TCP connection is not asked for one again."""

MAX_PEERS = 1_000


@dataclass(slots=True)
class TcpFirst:
    """Chooses the transport of a request by its size. ``limit`` 0: never TCP."""

    limit: int = LARGEST_DATAGRAM
    _without_tcp: dict[SocketAddress, float] = field(default_factory=dict)
    """Peers that took no TCP connection, and until when that is remembered."""

    def choose(self, request: Request, flow: Flow, now: float, limit: int | None = None) -> Flow:
        """The flow to send ``request`` on; its top Via is made to name that transport.

        The TCP flow leads to the same address: a name that was looked up for UDP is not looked up again.
        """
        limit = self.limit if limit is None else limit
        if flow.transport != "udp" or not limit or len(request.to_bytes()) <= limit:
            return flow
        if self._without_tcp.get(flow.remote, now) > now:
            return flow
        _name_transport(request, "TCP")
        return replace(flow, transport="tcp", connection=0, fallback=None)

    def refused(self, request: Request, flow: Flow, now: float) -> Flow:
        """The peer takes no TCP connection: the UDP flow, with the same branch, for the transaction stays the same."""
        for remote in [remote for remote, until in self._without_tcp.items() if until <= now]:
            del self._without_tcp[remote]
        if len(self._without_tcp) < MAX_PEERS:
            self._without_tcp[flow.remote] = now + MEMORY_S
        _name_transport(request, "UDP")
        return replace(flow, transport="udp")


def _name_transport(request: Request, transport: str) -> None:
    request.headers.replace_first("Via", str(replace(request.via, transport=transport)))
