"""Where a SIP URI leads (RFC 3263), without asking anybody: what to look up, and the order of what was found.

The questions are asked by ``transport.resolver``. Times are monotonic seconds, chance is an argument.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.base.errors import GatewayError
from gateway.sip.flow import TRANSPORTS, SocketAddress, Transport, default_port
from gateway.sip.uri import SipUri

MAX_HOPS = 10
"""Hops of one name that are worth trying; a caller has hung up long before the eleventh."""

MAX_SERVICES = 10
"""SRV names that the NAPTR records of one name may have asked: each is a question of its own, at the same time."""

MAX_SERVERS = 20
"""SRV records whose addresses are asked for; the rest of a longer list is nobody's honest one."""

PENALTY_S = 30.0
"""How long a hop that failed is asked last, unless its 503 says how long."""

MAX_PENALTIES = 1_000
"""Hops remembered as failed; beyond, the one remembered longest goes."""

_SERVICES: dict[str, tuple[Transport, str]] = {
    "SIP+D2U": ("udp", "_sip._udp."),
    "SIP+D2T": ("tcp", "_sip._tcp."),
    "SIPS+D2T": ("tls", "_sips._tcp."),
    "SIP+D2W": ("ws", "_sip._ws."),
    "SIPS+D2W": ("wss", "_sips._ws."),
}
"""NAPTR services (RFC 3263 §4.1, RFC 7118 §5.3) and the SRV names they stand for."""

_SRV_PREFIX = dict(_SERVICES.values())


class ResolutionError(GatewayError):
    """A name leads nowhere. The text says which name, and what was found instead."""


class RandomSource(Protocol):
    """Chance, as ``random.Random`` has it."""

    def randint(self, a: int, b: int, /) -> int:
        """From ``a`` to ``b``, both included."""


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a request can be sent: an IP address, a port and a transport.

    ``server_name`` is what a certificate there must be for: the name that was asked for, not one that DNS gave
    (RFC 5922 §7.1); "" when the URI named an address.
    """

    transport: Transport
    address: str
    port: int
    server_name: str = ""

    @property
    def remote(self) -> SocketAddress:
        """The address as sockets take it."""
        return (self.address, self.port)


@dataclass(frozen=True, slots=True)
class Naptr:
    """A NAPTR record (RFC 3403 §4.1)."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Srv:
    """An SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Query:
    """What a URI asks of DNS (RFC 3263 §4.1, §4.2).

    ``services`` are SRV names by transport, best first; ``asks_naptr`` says that NAPTR comes before them. Without any
    SRV record, and at once when there are no services, the addresses of ``host`` are taken at ``port`` by
    ``transport``.
    """

    host: str
    transport: Transport
    port: int
    services: tuple[tuple[Transport, str], ...] = ()
    asks_naptr: bool = False

    @property
    def is_numeric(self) -> bool:
        """The host is an IP address: there is nothing to ask."""
        return is_address(self.host)


def is_address(host: str) -> bool:
    """An IPv4 or IPv6 address, without brackets."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def query_of(uri: SipUri, transports: Collection[Transport]) -> Query:
    """The questions for ``uri`` with the transports that we can use. Raises ResolutionError when none of them fits."""
    host = uri.params.get("maddr") or uri.host
    usable = tuple(transport for transport in TRANSPORTS if transport in transports)
    wanted = _wanted_transport(uri)
    default: Transport = wanted or ("tls" if uri.scheme == "sips" else "udp")
    is_bare = wanted is None and uri.port is None and not is_address(host)
    if not is_bare:
        _require(default, usable, uri)
    port = uri.port or default_port(default)
    if uri.port is not None or is_address(host):
        return Query(host, default, port)
    if wanted is not None:
        return Query(host, wanted, port, ((wanted, _SRV_PREFIX[wanted] + host),))
    # Browsers are called on the connection they have opened: nobody is looked up to be called over WebSocket.
    fitting = [
        transport for transport in usable if transport in (("tls",) if uri.scheme == "sips" else ("udp", "tcp", "tls"))
    ]
    if not fitting:
        _require(default, usable, uri)
    if default not in usable:
        default = fitting[0]
    services = tuple((transport, _SRV_PREFIX[transport] + host) for transport in fitting)
    return Query(host, default, default_port(default), services, asks_naptr=True)


def _wanted_transport(uri: SipUri) -> Transport | None:
    """What the URI demands; sips makes TLS of TCP, and WSS of WS (RFC 3261 §26.2.2, RFC 7118 §5.2)."""
    name = uri.transport
    if name is None:
        return None
    if uri.scheme == "sips":
        name = {"tcp": "tls", "ws": "wss"}.get(name, name)
    for transport in _SRV_PREFIX:
        if transport == name:
            return transport
    raise ResolutionError(f"{uri}: the transport {name!r} is not known here")


def _require(transport: Transport, usable: Sequence[Transport], uri: SipUri) -> None:
    if transport not in usable:
        raise ResolutionError(f"{uri} wants {transport}, and this gateway uses {', '.join(usable) or 'no transport'}")
    if uri.scheme == "sips" and transport not in ("tls", "wss"):
        raise ResolutionError(f"{uri} wants {transport}, which is not secure")


def choose_services(records: Iterable[Naptr], query: Query) -> tuple[tuple[Transport, str], ...]:
    """SRV names of the NAPTR records that we can use, by order, then preference (RFC 3263 §4.1)."""
    usable = {transport for transport, _ in query.services}
    found = []
    for record in sorted(records, key=lambda record: (record.order, record.preference)):
        service = _SERVICES.get(record.service.upper())
        if record.flags.upper() == "S" and service is not None and service[0] in usable and record.replacement:
            found.append((service[0], record.replacement))
    return tuple(dict.fromkeys(found))[:MAX_SERVICES]


def order_srv(records: Iterable[Srv], chance: RandomSource) -> list[Srv]:
    """By priority, and among equals by weighted chance (RFC 2782); weight 0 has a small chance to come first."""
    by_priority: dict[int, list[Srv]] = {}
    for record in records:
        by_priority.setdefault(record.priority, []).append(record)
    ordered: list[Srv] = []
    for priority in sorted(by_priority):
        waiting = sorted(by_priority[priority], key=lambda record: record.weight)
        while waiting:
            ordered.append(waiting.pop(_draw(waiting, chance)))
    return ordered


def _draw(waiting: Sequence[Srv], chance: RandomSource) -> int:
    """The first whose running sum of weights reaches a number drawn from 0 to their total."""
    drawn = chance.randint(0, sum(record.weight for record in waiting))
    running = 0
    for position, record in enumerate(waiting):
        running += record.weight
        if running >= drawn:
            return position
    return len(waiting) - 1


def order_addresses(addresses: Iterable[str], versions: Sequence[int]) -> list[str]:
    """The addresses of the IP versions that we listen on, in the order of ``versions``, each once."""
    known = dict.fromkeys(addresses)
    return [address for version in versions for address in known if ipaddress.ip_address(address).version == version]


@dataclass(slots=True)
class Penalties:
    """Hops that failed lately: they are asked after all others, never not at all."""

    _until: dict[tuple[str, str, int], float] = field(default_factory=dict)

    def add(self, transport: str, remote: SocketAddress, now: float, for_s: float | None = None) -> None:
        """This hop has just failed. ``for_s``: what its Retry-After asked for."""
        self._drop_old(now)
        while len(self._until) >= MAX_PENALTIES:
            del self._until[next(iter(self._until))]
        key = (transport, *remote)
        self._until.pop(key, None)
        self._until[key] = now + (PENALTY_S if for_s is None else for_s)

    def order(self, hops: Iterable[Hop], now: float) -> tuple[Hop, ...]:
        """The same hops without repetitions, those under a penalty last, the first to be free of it before others."""
        unique = dict.fromkeys(hops)
        return tuple(sorted(unique, key=lambda hop: self._remaining(hop, now)))[:MAX_HOPS]

    def __len__(self) -> int:
        return len(self._until)

    def _remaining(self, hop: Hop, now: float) -> float:
        return max(0.0, self._until.get((hop.transport, *hop.remote), now) - now)

    def _drop_old(self, now: float) -> None:
        for key in [key for key, until in self._until.items() if until <= now]:
            del self._until[key]
