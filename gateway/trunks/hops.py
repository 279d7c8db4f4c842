"""From a URI to flows: what DNS says of it, as far as this node can send there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.base.errors import LocalProtocolError
from gateway.settings.schema import TrunkSettings
from gateway.sip.flow import Flow, SocketAddress, Transport
from gateway.sip.resolution import Hop, ResolutionError, is_address
from gateway.sip.source import reach
from gateway.sip.uri import SipUri

FindHops = Callable[[str, TrunkSettings, SipUri], Awaitable[Sequence[Flow]]]
"""``Hops.find``: flows to where a URI leads, for a trunk. Raises ResolutionError."""


class Resolving(Protocol):
    """``transport.resolver.Resolver``: where a URI leads."""

    async def resolve(self, uri: SipUri, *, transports: Collection[Transport]) -> tuple[Hop, ...]:
        """Hops, best first. Raises ResolutionError when there is none."""

    def penalise(self, transport: str, remote: SocketAddress, for_s: float | None = None) -> None:
        """This hop has just failed: others come before it for a while."""


class Reaching(Protocol):
    """``Endpoint.flow_to``."""

    def __call__(
        self, remote: SocketAddress, transport: Transport = "udp", *, server_name: str = "", profile: str = ""
    ) -> Flow:
        """Raises LocalProtocolError when we have no listener of that kind."""


@dataclass(frozen=True, slots=True)
class Hops:
    """``transports`` are those that the endpoint can send by."""

    resolver: Resolving
    flow_to: Reaching
    transports: Callable[[], Collection[Transport]]

    async def find(self, trunk: str, settings: TrunkSettings, uri: SipUri) -> tuple[Flow, ...]:
        """Flows to where ``uri`` leads, best first. Raises ResolutionError."""
        flows = []
        faults = []
        for hop in await self.resolver.resolve(uri, transports=self.transports()):
            name = settings.tls.server_name or hop.server_name
            is_secure = hop.transport in ("tls", "wss")
            try:
                # The profile over UDP and TCP too: by it the trunk is told the address that is advertised to it.
                flow = self.flow_to(hop.remote, hop.transport, server_name=name if is_secure else "", profile=trunk)
            except LocalProtocolError as error:
                faults.append(str(error))
                continue
            if _is_rebound(uri, hop, flow):
                faults.append(f"{hop.address} is this machine or its link: write the address where that is meant")
            else:
                flows.append(flow)
        if not flows:
            raise ResolutionError(f"{uri} cannot be reached from here: {'; '.join(faults)}")
        return tuple(flows)

    def penalise(self, flow: Flow, for_s: float | None = None) -> None:
        """This hop has just failed; ``for_s``: what its Retry-After asked for."""
        self.resolver.penalise(flow.transport, flow.remote, for_s)


def _is_rebound(uri: SipUri, hop: Hop, flow: Flow) -> bool:
    """Whether whoever answers for a public name sends us to ourselves: to what trusts this machine, or its link.

    Names of one label are of the house, and a gateway that listens there alone is being tried.
    """
    host = (uri.params.get("maddr") or uri.host).rstrip(".").lower()
    if is_address(host) or "." not in host or host.endswith(".localhost"):
        return False
    is_near = reach(hop.address) < _PRIVATE
    return is_near and (flow.local[0] in _ANY or reach(flow.local[0]) >= _PRIVATE)


_PRIVATE = 2
_ANY = ("0.0.0.0", "::")
