"""Who is calling and who answers: networks to trunk names, and the first route whose patterns fit."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from gateway.settings.schema import RouteSettings, TrunkSettings
from gateway.settings.values import Network

Name = TypeVar("Name")


def matches_pattern(pattern: str, text: str) -> bool:
    """True when ``text`` is ``pattern``, where each ``*`` stands for any characters or none. Case matters."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *middle, last = rest
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        # The leftmost place leaves the most room for what follows, so no other needs to be tried.
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


class NetworkTable(Generic[Name]):
    """Finds what a source address belongs to. The most specific network wins, whatever the order in the file."""

    def __init__(self, entries: Iterable[tuple[Network, Name]]) -> None:
        by_version: dict[int, list[tuple[int, int, Name]]] = {4: [], 6: []}
        for network, name in sorted(entries, key=lambda entry: entry[0].prefixlen, reverse=True):
            by_version[network.version].append((int(network.netmask), int(network.network_address), name))
        self._by_version = by_version

    def find(self, address: str) -> Name | None:
        """What ``address`` (as text, as sockets give it) belongs to; None when nothing lists it."""
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return None
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            # An IPv6 socket that takes IPv4 too shows its peers in this form.
            parsed = parsed.ipv4_mapped
        value = int(parsed)
        for mask, base, name in self._by_version[parsed.version]:
            if value & mask == base:
                return name
        return None


def trunk_table(trunks: Mapping[str, TrunkSettings]) -> NetworkTable[str]:
    """Source address to trunk name, from every trunk's ``accept_from``."""
    return NetworkTable((network, name) for name, trunk in trunks.items() for network in trunk.accept_from)


class RouteMatch(NamedTuple):
    """The route that took a call, and the rule's name for logs."""

    route: RouteSettings
    rule: str
    """``routes[2]``: the same words that a fault in that route would have."""


def choose_route(routes: Sequence[RouteSettings], *, trunk: str, to: str, from_: str) -> RouteMatch | None:
    """The first route that fits a call from ``trunk``; ``to`` and ``from_`` are the user parts of its URIs."""
    for index, route in enumerate(routes):
        if (
            matches_pattern(route.trunk, trunk)
            and matches_pattern(route.to, to)
            and matches_pattern(route.from_, from_)
        ):
            return RouteMatch(route, f"routes[{index}]")
    return None
