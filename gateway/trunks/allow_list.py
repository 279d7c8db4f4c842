"""Who may be called over a trunk: its ``allow_destinations``, and what they mean for URIs at other hosts."""

from __future__ import annotations

import re

from gateway.settings.match import matches_pattern
from gateway.settings.schema import TrunkSettings
from gateway.sip.resolution import is_address
from gateway.sip.uri import SipUri
from gateway.trunks.destination import SEPARATORS, Destination, OutboundRefused

_PART_OF_ADDRESS = re.compile(r"[0-9a-f:.]*[0-9:][0-9a-f:.]*\*[0-9a-f:.*]*")


def allows(settings: TrunkSettings, destination: Destination) -> bool:
    """By the number or user; a URI at a host that is none of the trunk's only by a pattern that begins with ``sip:``.

    So neither ``+1*`` nor ``*`` allows a call to a stranger's server, and ``sip:*@partner.example`` allows it to his.
    """
    return all(_allows(settings, user, destination.uri) for user in _called(destination.user))


def allows_proxy(settings: TrunkSettings, proxy: SipUri) -> bool:
    """Whether calls may go by this proxy, which a 305 names: at a host of the trunk, or of a ``sip:`` pattern."""
    if "maddr" in proxy.params:
        return False
    if is_own_proxy(settings, proxy):
        return True
    return any(
        matches_pattern(pattern.rpartition("@")[2] if "@" in pattern else "*", proxy.host.lower())
        for pattern in settings.allow_destinations
        if pattern.startswith("sip:")
        and ("@" in pattern or pattern.endswith("*"))
        and _is_for_host(pattern, proxy.host)
    )


def is_own_proxy(settings: TrunkSettings, proxy: SipUri) -> bool:
    """At one of the trunk's hosts, or where its ``outbound_proxy`` is."""
    outbound = settings.outbound_proxy
    return _is_at(settings, proxy) or (outbound is not None and proxy.host.lower() == outbound.host.lower())


def _allows(settings: TrunkSettings, user: str, uri: SipUri | None) -> bool:
    if uri is None or _is_at(settings, uri):
        return any(matches_pattern(pattern, user) for pattern in settings.allow_destinations)
    text = f"sip:{user}@{uri.host.lower()}"
    return any(
        matches_pattern(pattern, text)
        for pattern in settings.allow_destinations
        if pattern.startswith("sip:") and _is_for_host(pattern, uri.host)
    )


def _called(user: str) -> list[str]:
    """Every number that a carrier may take the call to: before the number's parameters, and in ``rn`` (RFC 4694 §3.1),
    by which it routes instead. ``+1*`` shall not let ``+15550100;rn=+44900123`` out."""
    number, *params = user.split(";")
    routing = (value for name, _, value in (param.partition("=") for param in params) if name.lower() == "rn")
    return [user, number, *(value.translate(SEPARATORS) for value in routing)]


def is_elsewhere(settings: TrunkSettings, destination: Destination) -> bool:
    """A URI that itself says where to go. Whoever listens there is shown no answer made with the trunk's password."""
    return destination.uri is not None and not _is_at(settings, destination.uri)


def not_allowed(who: str, destination: Destination) -> OutboundRefused:
    """The refusal; ``who`` is ``no trunk``, or ``trunk`` and its name."""
    text = f"{who} may call {destination.user!r}: see allow_destinations"
    if who.startswith("trunk "):
        text = f"{who} may not call {destination.user!r}: see its allow_destinations"
    return OutboundRefused("trunks.allow_destinations", text)


def _is_for_host(pattern: str, host: str) -> bool:
    """``sip:*@10.*`` means addresses: no name such as 10.evil.example passes for one."""
    return is_address(host) or not _PART_OF_ADDRESS.fullmatch(pattern.rpartition("@")[2])


def _is_at(settings: TrunkSettings, uri: SipUri) -> bool:
    hosts = {target.host.lower() for target in settings.targets}
    return uri.host.lower() in hosts or uri.host.lower() == (settings.from_domain or "").lower()
