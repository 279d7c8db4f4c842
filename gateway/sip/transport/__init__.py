"""The edge of SIP: UDP, TCP, TLS and WebSocket, DNS, and the endpoint that drives the user agent with them."""

from gateway.sip.transport.endpoint import Endpoint
from gateway.sip.transport.limits import TransportLimits, TransportStats
from gateway.sip.transport.listen_url import ListenUrl

__all__ = ["Endpoint", "ListenUrl", "TransportLimits", "TransportStats"]
