"""Names to hops over DNS (RFC 3263): asks, remembers for as long as DNS says, and never takes longer than it may."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.IN.SRV import SRV

from gateway.sip.flow import SocketAddress, Transport
from gateway.sip.resolution import (
    MAX_HOPS,
    MAX_SERVERS,
    Hop,
    Naptr,
    Penalties,
    Query,
    RandomSource,
    ResolutionError,
    Srv,
    choose_services,
    order_addresses,
    order_srv,
    query_of,
)
from gateway.sip.transport.name_server import NameServer
from gateway.sip.uri import SipUri

LIFETIME_S = 2.0
"""How long one name may take. Whoever dialled is waiting."""

LONGEST_TTL_S = 3600.0
"""What DNS grants beyond is asked anew after this: a carrier that moves is found within the hour."""
SHORTEST_TTL_S = 1.0
"""A TTL of 0 would have every call ask."""
LONGEST_NEGATIVE_TTL_S = 60.0
"""RFC 2308 §5 allows hours; a name that was just put right should work soon."""
DEFAULT_NEGATIVE_TTL_S = 10.0
"""For an answer without an SOA record."""

MAX_NAMES = 2_000
"""Answers that are remembered."""

MAX_RECORDS = 64
"""Records of an answer that are looked at: anybody's name server may send hundreds."""


class _Silent(Exception):
    """No name server answered, or none could."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """The records of one name and type; none when there are none. ``exists`` is False for NXDOMAIN."""

    records: tuple[Any, ...]
    expires_at: float
    exists: bool = True


@dataclass(slots=True)
class ResolverStats:
    """Counters since the start."""

    queries: int = 0
    """Questions that went to a name server."""
    cache_hits: int = 0
    failures: int = 0
    """Questions that no name server answered in time, or that it could not answer."""


@dataclass(slots=True)
class Resolver:
    """One for all trunks. Only ``ResolutionError`` leaves ``resolve``, within ``lifetime_s``.

    ``nameservers`` None: those of the system; then a name without addresses in DNS is also looked for where the system
    looks (its hosts file). ``ip_versions`` are those that the endpoint listens on, the preferred one first.
    """

    nameservers: Sequence[SocketAddress] | None = None
    lifetime_s: float = LIFETIME_S
    ip_versions: Sequence[int] = (4,)
    chance: RandomSource = field(default_factory=random.SystemRandom)
    clock: Callable[[], float] = time.monotonic
    stats: ResolverStats = field(default_factory=ResolverStats)
    penalties: Penalties = field(default_factory=Penalties)
    _cache: dict[tuple[str, str], _Answer] = field(default_factory=dict)
    _asking: dict[tuple[str, str], asyncio.Task[_Answer]] = field(default_factory=dict)
    _dns: dns.asyncresolver.Resolver | None = None

    async def resolve(self, uri: SipUri, *, transports: Collection[Transport]) -> tuple[Hop, ...]:
        """Where to send a request for ``uri``, best first, hops that failed lately last. Raises ResolutionError."""
        query = query_of(uri, transports)
        name = "" if query.is_numeric else query.host
        try:
            async with asyncio.timeout(self.lifetime_s):
                hops = await self._hops(query, name)
        except TimeoutError:
            self.stats.failures += 1
            raise ResolutionError(f"no name server answered for {query.host} within {self.lifetime_s:g} s") from None
        except _Silent as error:
            raise ResolutionError(f"{query.host} could not be looked up: {error}") from None
        return self.penalties.order(hops, self.clock())

    def penalise(self, transport: str, remote: SocketAddress, for_s: float | None = None) -> None:
        """This hop has just failed: others come before it for a while."""
        self.penalties.add(transport, remote, self.clock(), for_s)

    def use(self, nameservers: Sequence[SocketAddress] | None, lifetime_s: float) -> None:
        """Other name servers from now on; what the former ones said is forgotten."""
        self.nameservers, self.lifetime_s = nameservers, lifetime_s
        self._dns = None
        self._cache.clear()

    # RFC 3263 §4.1 and §4.2

    async def _hops(self, query: Query, name: str) -> list[Hop]:
        if query.is_numeric:
            if not order_addresses((query.host,), self.ip_versions):
                raise ResolutionError(f"{query.host}: the gateway listens on no address of that IP version")
            return [Hop(query.transport, query.host, query.port)]
        found = await self._servers(query)
        if not found:
            return await self._addresses(query.transport, query.host, query.port, name)
        hops: list[Hop] = []
        faults: list[str] = []
        for transport, record in found[:MAX_SERVERS]:
            try:
                hops += await self._addresses(transport, record.target, record.port, name)
            except ResolutionError as error:
                faults.append(str(error))
            if len(hops) >= MAX_HOPS:
                break
        if not hops:
            raise ResolutionError(f"the servers of {query.host} cannot be reached: {'; '.join(dict.fromkeys(faults))}")
        return hops

    async def _servers(self, query: Query) -> list[tuple[Transport, Srv]]:
        """SRV targets in the order to try them; [] when the name has none and its addresses are to be taken."""
        if not query.services:
            return []
        # Asked at the same time: a NAPTR that nobody answers, as behind some firewalls, costs the call no time.
        default = self._start(self._all_srv(query.services))
        services = await self._naptr_services(query) if query.asks_naptr else ()
        try:
            found = await self._all_srv(services) if services else await default
        finally:
            default.cancel()
        refused = [record for _, record in found if record.target in (".", "")]
        if found and len(refused) == len(found):
            raise ResolutionError(f"{query.host} says that it offers no SIP service")
        return [(transport, record) for transport, record in found if record.target not in (".", "") and record.port]

    async def _naptr_services(self, query: Query) -> tuple[tuple[Transport, str], ...]:
        try:
            answer = await self._ask(query.host, "NAPTR")
        except _Silent:
            return ()
        records = [
            Naptr(
                record.order,
                record.preference,
                record.flags.decode("ascii", "replace"),
                record.service.decode("ascii", "replace"),
                record.replacement.to_text(omit_final_dot=True),
            )
            for record in answer.records
            if isinstance(record, NAPTR)
        ]
        return choose_services(records, query)

    async def _all_srv(self, services: Sequence[tuple[Transport, str]]) -> list[tuple[Transport, Srv]]:
        """Service by service; within one, by priority and weight. Raises _Silent when nothing was answered at all."""
        answers = await asyncio.gather(*(self._ask(name, "SRV") for _, name in services), return_exceptions=True)
        if all(isinstance(answer, BaseException) for answer in answers):
            raise answers[0] if isinstance(answers[0], BaseException) else _Silent("no answer")
        found: list[tuple[Transport, Srv]] = []
        for (transport, _), answer in zip(services, answers, strict=True):
            if isinstance(answer, BaseException):
                continue
            records = [
                Srv(record.priority, record.weight, record.port, record.target.to_text(omit_final_dot=True))
                for record in answer.records
                if isinstance(record, SRV)
            ]
            found += [(transport, record) for record in order_srv(records, self.chance)]
        return found

    async def _addresses(self, transport: Transport, host: str, port: int, name: str) -> list[Hop]:
        kinds = ["A" if version == 4 else "AAAA" for version in self.ip_versions]
        answers = await asyncio.gather(*(self._ask(host, kind) for kind in kinds), return_exceptions=True)
        heard = [answer for answer in answers if isinstance(answer, _Answer)]
        addresses = [record.address for answer in heard for record in answer.records if isinstance(record, A | AAAA)]
        if not addresses and self.nameservers is None:
            addresses = await self._system_addresses(host)
        if not addresses:
            if not heard and isinstance(answers[0], BaseException):
                raise answers[0]
            what = "has no address" if any(answer.exists for answer in heard) else "does not exist"
            raise ResolutionError(f"{host} {what} in DNS ({' or '.join(kinds)})")
        return [Hop(transport, address, port, name) for address in order_addresses(addresses, self.ip_versions)]

    async def _system_addresses(self, host: str) -> list[str]:
        """What the hosts file says; DNS has been asked already."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            return []
        return [str(entry[4][0]).partition("%")[0] for entry in found]

    # One question

    async def _ask(self, name: str, kind: str) -> _Answer:
        """The records of a name. Raises _Silent."""
        key = (name.lower().rstrip("."), kind)
        known = self._cache.get(key)
        if known is not None and known.expires_at > self.clock():
            self.stats.cache_hits += 1
            return known
        task = self._asking.get(key)
        if task is None:
            task = self._start(self._question(key))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        # Calls that ask the same at the same time share the answer; one of them being cancelled takes it from nobody.
        return await asyncio.shield(task)

    async def _question(self, key: tuple[str, str]) -> _Answer:
        self.stats.queries += 1
        name, kind = key
        try:
            # Half of the time, so that a question whose answer was lost leaves time for those that follow from it.
            found = await self._resolver().resolve(
                dns.name.from_text(name), kind, lifetime=self.lifetime_s / 2, raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN as error:
            return self._remember(key, _Answer((), self.clock() + _negative_ttl_s(_response_of(error)), exists=False))
        except dns.resolver.LifetimeTimeout:
            self.stats.failures += 1
            raise _Silent(f"no name server answered within {self.lifetime_s / 2:g} s") from None
        except (dns.exception.DNSException, OSError, ValueError, EOFError) as error:
            self.stats.failures += 1
            raise _Silent(f"{type(error).__name__}: {_first_line(error)}") from None
        if found.rrset is None:
            return self._remember(key, _Answer((), self.clock() + _negative_ttl_s(found.response)))
        ttl_s = min(max(float(found.rrset.ttl), SHORTEST_TTL_S), LONGEST_TTL_S)
        return self._remember(key, _Answer(_first_records(found.rrset), self.clock() + ttl_s))

    def _remember(self, key: tuple[str, str], answer: _Answer) -> _Answer:
        self._cache.pop(key, None)
        while len(self._cache) >= MAX_NAMES:
            del self._cache[next(iter(self._cache))]
        self._cache[key] = answer
        return answer

    def _resolver(self) -> dns.asyncresolver.Resolver:
        if self._dns is None:
            if self.nameservers is None:
                self._dns = dns.asyncresolver.Resolver()
                where = [(host, self._dns.port) for host in self._dns.nameservers if isinstance(host, str)]
            else:
                self._dns = dns.asyncresolver.Resolver(configure=False)
                where = list(self.nameservers)
            self._dns.nameservers = [NameServer(host, port) for host, port in where]
            # A server that is down must leave time for the next one.
            self._dns.timeout = self.lifetime_s / 4
        return self._dns

    @staticmethod
    def _start(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine, name="sip dns")
        task.add_done_callback(_take_outcome)
        return task


def _take_outcome(task: asyncio.Task[Any]) -> None:
    """An answer nobody waits for any more is no fault."""
    if not task.cancelled():
        task.exception()


def _first_records(records: Iterable[Any]) -> tuple[Any, ...]:
    """As many as are looked at, those that count most."""
    return tuple(sorted(records, key=_rank)[:MAX_RECORDS])


def _rank(record: Any) -> tuple[int, int]:
    if isinstance(record, SRV):
        return (record.priority, 0)
    return (record.order, record.preference) if isinstance(record, NAPTR) else (0, 0)


def _response_of(error: dns.resolver.NXDOMAIN) -> Any:
    responses: dict[Any, Any] = error.kwargs.get("responses") or {}
    return next(iter(responses.values()), None)


def _negative_ttl_s(response: Any) -> float:
    """RFC 2308 §5: the lesser of the SOA record's TTL and its minimum."""
    for rrset in getattr(response, "authority", ()):
        if rrset.rdtype == dns.rdatatype.SOA:
            return min(float(rrset.ttl), float(rrset[0].minimum), LONGEST_NEGATIVE_TTL_S)
    return DEFAULT_NEGATIVE_TTL_S


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200]
