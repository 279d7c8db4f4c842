"""What counts as one source: whoever has one of its addresses can have them all."""

from __future__ import annotations

import ipaddress

_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


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


def reach(host: str) -> int:
    """From how far an address can be reached: 0 from its own machine, 1 from its link, 2 privately, 3 from anywhere."""
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback or address.is_unspecified or address.is_multicast or address == _BROADCAST:
        return 0
    return 1 if address.is_link_local else 2 if address.is_private else 3
