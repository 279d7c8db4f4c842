"""Which address of ours a peer is told, for signalling and for media."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from gateway.settings.match import NetworkTable, trunk_table
from gateway.settings.schema import Settings
from gateway.sip.flow import Flow, SocketAddress
from gateway.sip.transport.local_address import LocalAddresses


class AdvertisedAddresses:
    """Peers in ``sip.local_networks`` are told the address they reach us at, others the advertised one, if any.

    What a trunk has of its own comes before both: its peers may stand anywhere. An advertised address of one IP version
    is not told to peers that speak the other.
    """

    def __init__(self, settings: Settings, *, local_toward: Callable[[str], str | None] | None = None) -> None:
        """``local_toward`` answers with the address of ours that a host sees, by the routing table."""
        self._local_toward = local_toward or LocalAddresses().toward
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """These settings from now on."""
        self._sip = settings.sip.advertise
        self._media = settings.media.advertise
        self._own = {name: trunk.advertise for name, trunk in settings.trunks.items() if trunk.advertise}
        self._trunks = trunk_table(settings.trunks)
        self._local = NetworkTable((network, True) for network in settings.sip.local_networks)
        self._versions = {":" in address.host for address in settings.sip.listen}

    def signalling(self, flow: Flow) -> SocketAddress:
        """Host and port for Via and Contact on a flow."""
        advertised = self._sip.find(flow.transport) if self._sip else None
        port = advertised[1] if advertised and advertised[1] else flow.local[1]
        own = self._own_of(flow)
        if own and _suits(own, flow.local[0]):
            return own, port
        if advertised and self._is_outside(flow) and _suits(advertised[0], flow.local[0]):
            return advertised[0], port
        return flow.local

    def media(self, flow: Flow, offered: str | None = None) -> str:
        """The address for ``c=`` in a call that came over a flow; ``offered`` is where its peer wants audio.

        The IP version is that of ``offered`` where SIP listens on it too, else that of the flow.
        """
        local = flow.local[0]
        if offered and (":" in offered) != (":" in local) and (":" in offered) in self._versions:
            local = self._local_toward(offered) or local
        own = self._own_of(flow)
        if own and _suits(own, local):
            return own
        if self._is_outside(flow):
            signalling = self._sip.hosts if self._sip else ()
            told = (self._media,) if self._media else signalling
            return next((host for host in told if _suits(host, local)), local)
        return local

    def _own_of(self, flow: Flow) -> str | None:
        """What the trunk advertises that a flow leads to or comes from."""
        if not self._own:
            return None
        return self._own.get(flow.profile or self._trunks.find(flow.remote[0]) or "")

    def _is_outside(self, flow: Flow) -> bool:
        return self._local.find(flow.remote[0]) is None


def _suits(advertised: str, local: str) -> bool:
    """A name suits everybody, an address those of its IP version."""
    try:
        return (ipaddress.ip_address(advertised).version == 6) == (":" in local)
    except ValueError:
        return True
