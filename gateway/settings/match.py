"""Who is calling and who answers: networks to trunk names, and the first route that fits, with why others do not."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from gateway.settings.schema import RouteSettings, TrunkSettings
from gateway.settings.templates import clean_value
from gateway.settings.values import Network

_LONGEST_SHOWN = 80

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


def _no_header(name: str) -> Sequence[str]:
    del name
    return ()


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What routes look at. ``to`` and ``from_`` are the user parts of the called and the calling URI.

    ``trunk`` and ``account`` say whose call it is; one of them is "". ``header`` gives the values of a header by name.
    """

    to: str
    from_: str
    trunk: str = ""
    account: str = ""
    header: Callable[[str], Sequence[str]] = _no_header


class RouteTrial(NamedTuple):
    """One route that was looked at."""

    rule: str
    """``routes[2]``: the same words that a fault in that route would have."""
    agent: str
    misfit: str
    """Why it does not fit; "" when it does."""

    def __str__(self) -> str:
        return f"{self.rule}: {self.misfit or 'fits'}"


class RouteChoice(NamedTuple):
    """What became of a call, and every route that was looked at on the way."""

    route: RouteSettings | None
    """None: no route fits."""
    rule: str
    trials: tuple[RouteTrial, ...]


def choose_route(routes: Sequence[RouteSettings], facts: CallFacts) -> RouteChoice:
    """The first route that fits, and why those before it do not."""
    trials = []
    for index, route in enumerate(routes):
        trial = RouteTrial(f"routes[{index}]", route.agent, _misfit(route, facts))
        trials.append(trial)
        if not trial.misfit:
            return RouteChoice(route, trial.rule, tuple(trials))
    return RouteChoice(None, "no_route", tuple(trials))


def _misfit(route: RouteSettings, facts: CallFacts) -> str:
    """What in the call is not as the route wants it, the first thing only."""
    if route.account is not None and not facts.account:
        return f'no account calls, and "{route.account}" is wanted'
    wanted = (
        ("trunk", route.trunk, facts.trunk),
        ("account", route.account or "*", facts.account),
        ("to", route.to, facts.to),
        ("from", route.from_, facts.from_),
    )
    for name, pattern, value in wanted:
        if not matches_pattern(pattern, value):
            return f'{name} is "{_shown(value)}", not "{pattern}"'
    for name, pattern in route.headers.items():
        values = facts.header(name)
        if not values:
            return f'there is no header {name}, and "{pattern}" is wanted'
        if not any(matches_pattern(pattern, value) for value in values):
            return f'header {name} is "{_shown(values[0])}", not "{pattern}"'
    return ""


def _shown(value: str) -> str:
    """A caller's text for a log: one short line."""
    return clean_value(value[: _LONGEST_SHOWN + 1])[:_LONGEST_SHOWN]
