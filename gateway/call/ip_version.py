"""Media and signalling of a call we place share an IP version: the RTP port is bound before any address is known."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from gateway.settings.schema import TrunkSettings
from gateway.sip.flow import Flow
from gateway.sip.invite.invitation import Invitation
from gateway.trunks.destination import Destination


def likely_ipv6(destination: Destination, trunk: TrunkSettings | None) -> bool | None:
    """Whether the call will go to an IPv6 address, where the URI or the trunk's first target says so; else None."""
    hosts = [destination.uri.host] if destination.uri is not None else []
    if trunk is not None and trunk.targets:
        hosts.append(trunk.targets[0].host)
    for host in hosts:
        try:
            return ipaddress.ip_address(host.strip("[]")).version == 6
        except ValueError:
            continue
    return None


def keep_version(invitation: Invitation, *, is_ipv6: bool) -> Invitation | None:
    """The invitation with only the hops of this version; None when none is left."""
    targets = [(target, _fitting(target.hops, is_ipv6=is_ipv6)) for target in invitation.targets]
    kept = [replace(target, hops=hops) for target, hops in targets if hops]
    if not kept:
        return None
    first, *more = kept
    return replace(
        invitation, request_uri=first.request_uri, hops=first.hops, route=first.route, more_targets=tuple(more)
    )


def _fitting(hops: tuple[Flow, ...], *, is_ipv6: bool) -> tuple[Flow, ...]:
    return tuple(hop for hop in hops if (":" in hop.remote[0]) is is_ipv6)
