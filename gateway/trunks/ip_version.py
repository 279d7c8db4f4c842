"""Media and signalling of a call we place share an IP version: the RTP port is bound before any name is looked up."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.sip.flow import Flow
from gateway.sip.invite.invitation import Target


def written_version(hosts: Iterable[str]) -> bool | None:
    """Whether the first of these that is an address is an IPv6 one; None when all of them are names."""
    for host in hosts:
        try:
            return ipaddress.ip_address(host.strip("[]")).version == 6
        except ValueError:
            continue
    return None


def is_ipv6(flow: Flow) -> bool:
    """Whether a flow leads to an IPv6 address."""
    return ":" in flow.remote[0]


def of_version(targets: Sequence[Target], *, wants_ipv6: bool) -> list[Target]:
    """The targets with only their hops of this version; without those that have none."""
    fitting = ((target, hops_of_version(target.hops, wants_ipv6=wants_ipv6)) for target in targets)
    return [replace(target, hops=hops) for target, hops in fitting if hops]


def hops_of_version(hops: Iterable[Flow], *, wants_ipv6: bool) -> tuple[Flow, ...]:
    """The hops of this version, in their order."""
    return tuple(hop for hop in hops if is_ipv6(hop) is wants_ipv6)
