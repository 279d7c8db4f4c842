"""Where to listen, as settings write it: ``udp://0.0.0.0:5060``, ``tls://[::]:5061``, ``wss://192.0.2.1:443/sip``."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.base.errors import LocalProtocolError
from gateway.sip.flow import TRANSPORTS, Transport, default_port
from gateway.sip.grammar import format_host_port


@dataclass(frozen=True, slots=True)
class ListenUrl:
    """A local address to bind. Port 0 takes any free one. ``path`` is where WebSocket requests are taken, else ""."""

    transport: Transport
    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> ListenUrl:
        """Raises LocalProtocolError with what is wrong and what to write instead."""
        try:
            parts = urlsplit(text)
            port = default_port(parts.scheme) if parts.port is None else parts.port
            host = str(ipaddress.ip_address(parts.hostname or ""))
        except ValueError as error:
            raise LocalProtocolError(f"cannot listen on {text!r}: {error}; write udp://ADDRESS:PORT") from None
        transport = next((name for name in TRANSPORTS if name == parts.scheme), None)
        if transport is None:
            raise LocalProtocolError(f"cannot listen on {text!r}: write udp://, tcp://, tls://, ws:// or wss://")
        if transport in ("ws", "wss"):
            return cls(transport, host, port, parts.path or "/")
        if parts.path not in ("", "/"):
            raise LocalProtocolError(f"cannot listen on {text!r}: a path is for ws and wss; write udp://ADDRESS:PORT")
        return cls(transport, host, port)

    @property
    def is_ipv6(self) -> bool:
        """Whether this is an IPv6 address."""
        return ":" in self.host

    @property
    def is_wildcard(self) -> bool:
        """Whether this means every address of the host."""
        return ipaddress.ip_address(self.host).is_unspecified

    def __str__(self) -> str:
        path = "" if self.path == "/" else self.path
        return f"{self.transport}://{format_host_port(self.host, self.port)}{path}"
