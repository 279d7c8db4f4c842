"""Where a node listens and whom it asks, read from its settings: SIP, RTP, name servers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from gateway.base.errors import GatewayError
from gateway.settings.schema import Settings
from gateway.sip.flow import SocketAddress, default_port
from gateway.sip.grammar import format_host_port
from gateway.sip.transport.listen_url import ListenUrl
from gateway.sip.transport.local_address import LocalAddresses


@contextlib.contextmanager
def naming(key: str, address: str) -> Iterator[None]:
    """Says which setting named the address that cannot be had."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise GatewayError(f"{key}: cannot listen on {address}: {reason}; stop what uses it or change {key}") from error


def listen_urls(settings: Settings) -> Iterator[str]:
    """For the SIP endpoint: WebSocket listeners with their path."""
    for address in settings.sip.listen:
        yield f"{address}{settings.sip.websocket.path}" if address.scheme in ("ws", "wss") else str(address)


def media_bind_addresses(settings: Settings) -> list[str]:
    """One of each IP version that SIP listens on, that of the first listener first.

    RTP leaves from where SIP is spoken when that is one address; else from whatever routes to the caller.
    """
    hosts = list(dict.fromkeys(address.host for address in settings.sip.listen))
    versions = {":" in host: [other for other in hosts if (":" in other) == (":" in host)] for host in hosts}
    return [alike[0] if len(alike) == 1 else ("::" if is_ipv6 else "0.0.0.0") for is_ipv6, alike in versions.items()]


def address_to_dial(listening: Sequence[ListenUrl]) -> str:
    """What somebody can call to try it: our address toward the rest of the world, where SIP is on every one."""
    url = listening[0]
    host = (LocalAddresses().toward("192.0.2.1") or "127.0.0.1") if url.is_wildcard and not url.is_ipv6 else url.host
    return format_host_port(host, None if url.port == default_port(url.transport) else url.port)


def name_servers(settings: Settings) -> tuple[list[SocketAddress] | None, float]:
    """Whom to ask, None for those of the system, and how long to wait."""
    dns = settings.sip.dns
    return [(server.host, server.port) for server in dns.servers] or None, dns.timeout_s


def ip_versions(settings: Settings) -> list[int]:
    """Those that SIP listens on, IPv4 first."""
    return sorted({6 if ":" in address.host else 4 for address in settings.sip.listen})
