"""Where to listen, as settings write it: ``udp://0.0.0.0:5060``, ``tcp://[::]:5060``."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.base.errors import LocalProtocolError
from gateway.sip.flow import DEFAULT_PORT, Transport
from gateway.sip.grammar import format_host_port


@dataclass(frozen=True, slots=True)
class ListenUrl:
    """A local address to bind. Port 0 takes any free one."""

    transport: Transport
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> ListenUrl:
        """Raises LocalProtocolError with what is wrong and what to write instead."""
        try:
            parts = urlsplit(text)
            port = DEFAULT_PORT if parts.port is None else parts.port
            host = str(ipaddress.ip_address(parts.hostname or ""))
        except ValueError as error:
            raise LocalProtocolError(f"cannot listen on {text!r}: {error}; write udp://ADDRESS:PORT") from None
        if parts.scheme == "udp":
            return cls("udp", host, port)
        if parts.scheme == "tcp":
            return cls("tcp", host, port)
        raise LocalProtocolError(f"cannot listen on {text!r}: write udp:// or tcp://")

    @property
    def is_ipv6(self) -> bool:
        """Whether this is an IPv6 address."""
        return ":" in self.host

    @property
    def is_wildcard(self) -> bool:
        """Whether this means every address of the host."""
        return ipaddress.ip_address(self.host).is_unspecified

    def __str__(self) -> str:
        return f"{self.transport}://{format_host_port(self.host, self.port)}"
