"""What counts as one source: whoever has one of its addresses can have them all."""

from __future__ import annotations

import ipaddress


def source_key(host: str) -> str:
    """What counts as one source: an IPv4 address, or the /64 of an IPv6 address, all of which its owner has."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
