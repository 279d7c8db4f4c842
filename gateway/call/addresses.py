"""Which address of ours a peer is told, for signalling and for media."""

from __future__ import annotations

from gateway.settings.match import NetworkTable
from gateway.settings.schema import Settings
from gateway.sip.flow import Flow, SocketAddress


class AdvertisedAddresses:
    """Peers in ``sip.local_networks`` are told the address they reach us at, others the advertised one, if any."""

    def __init__(self, settings: Settings) -> None:
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """These settings from now on."""
        self._sip = settings.sip.advertise
        advertised = self._sip.hosts if self._sip else ()
        self._media = settings.media.advertise or next(iter(advertised), None)
        self._local = NetworkTable((network, True) for network in settings.sip.local_networks)

    def signalling(self, flow: Flow) -> SocketAddress:
        """Host and port for Via and Contact on a flow."""
        advertised = self._sip.find(flow.transport) if self._sip and self._is_outside(flow) else None
        if advertised is None:
            return flow.local
        host, port = advertised
        return host, flow.local[1] if port is None else port

    def media(self, flow: Flow) -> str:
        """The address for ``c=`` in a call that came over a flow."""
        return (self._media or flow.local[0]) if self._is_outside(flow) else flow.local[0]

    def _is_outside(self, flow: Flow) -> bool:
        return self._local.find(flow.remote[0]) is None
