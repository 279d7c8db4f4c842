"""RFC 3263 against a name server that really answers, or really does not."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import dns.rcode
import pytest

from gateway.sip.resolution import Hop, ResolutionError
from gateway.sip.transport.resolver import LONGEST_NEGATIVE_TTL_S, MAX_NAMES, Resolver
from gateway.sip.uri import SipUri
from tests.support.dns_server import DnsServer

ALL = ("udp", "tcp", "tls")
A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"

CARRIER = {
    ("carrier.test", "NAPTR"): [
        '50 50 "s" "SIP+D2U" "" _sip._udp.carrier.test.',
        '10 50 "s" "SIPS+D2T" "" _sips._tcp.carrier.test.',
    ],
    ("_sips._tcp.carrier.test", "SRV"): ["10 0 5061 edge1.carrier.test.", "20 0 5061 edge2.carrier.test."],
    ("_sip._udp.carrier.test", "SRV"): ["10 0 5080 edge1.carrier.test."],
    ("edge1.carrier.test", "A"): [A],
    ("edge2.carrier.test", "A"): [B],
    ("edge2.carrier.test", "AAAA"): ["2001:db8::2"],
}


def resolver(server: DnsServer, **given: Any) -> Resolver:
    return Resolver(**{"nameservers": [server.address], "chance": random.Random(1), **given})


async def hops(names: Resolver, uri: str, transports: tuple[Any, ...] = ALL) -> list[Hop]:
    return list(await names.resolve(SipUri.parse(uri), transports=transports))


async def test_naptr_chooses_tls_and_the_name_to_verify_is_the_one_asked_for() -> None:
    async with DnsServer(CARRIER) as server:
        found = await hops(resolver(server), "sip:carrier.test")
        assert found == [
            Hop("tls", A, 5061, "carrier.test"),
            Hop("tls", B, 5061, "carrier.test"),
            Hop("udp", A, 5080, "carrier.test"),
        ]


async def test_without_a_transport_of_the_first_naptr_the_next_is_taken() -> None:
    async with DnsServer(CARRIER) as server:
        assert await hops(resolver(server), "sip:carrier.test", ("udp",)) == [Hop("udp", A, 5080, "carrier.test")]


async def test_a_transport_in_the_uri_asks_its_srv_only() -> None:
    async with DnsServer(CARRIER) as server:
        found = await hops(resolver(server), "sip:carrier.test;transport=udp")
        assert found == [Hop("udp", A, 5080, "carrier.test")]
        assert server.total("NAPTR") == 0
        assert server.total("SRV") == 1


async def test_an_explicit_port_asks_addresses_only() -> None:
    async with DnsServer(CARRIER) as server:
        found = await hops(resolver(server), "sip:edge1.carrier.test:5099")
        assert found == [Hop("udp", A, 5099, "edge1.carrier.test")]
        assert server.total("NAPTR") == server.total("SRV") == 0


async def test_a_name_with_addresses_alone() -> None:
    async with DnsServer({("pbx.test", "A"): [A, B]}) as server:
        plain, secure = await hops(resolver(server), "sip:pbx.test"), await hops(resolver(server), "sips:pbx.test")
        assert set(plain) == {Hop("udp", A, 5060, "pbx.test"), Hop("udp", B, 5060, "pbx.test")}
        assert set(secure) == {Hop("tls", A, 5061, "pbx.test"), Hop("tls", B, 5061, "pbx.test")}


async def test_a_number_asks_nobody() -> None:
    async with DnsServer({}) as server:
        assert await hops(resolver(server), "sip:192.0.2.9:5062") == [Hop("udp", "192.0.2.9", 5062)]
        assert not server.asked
        with pytest.raises(ResolutionError, match="IP version"):
            await hops(resolver(server), "sip:[2001:db8::9]")


async def test_ip_versions_are_those_that_we_listen_on() -> None:
    async with DnsServer(CARRIER) as server:
        found = await hops(resolver(server, ip_versions=(6, 4)), "sip:edge2.carrier.test:5060")
        assert [hop.address for hop in found] == ["2001:db8::2", B]
        found = await hops(resolver(server, ip_versions=(6,)), "sip:carrier.test;transport=tls")
        assert [hop.address for hop in found] == ["2001:db8::2"], "a target without such an address is passed over"


async def test_srv_weights_share_the_calls() -> None:
    zone = {
        ("_sip._udp.pool.test", "SRV"): ["10 90 5060 a.test.", "10 10 5060 b.test.", "5 1 5060 first.test."],
        ("a.test", "A"): [A],
        ("b.test", "A"): [B],
        ("first.test", "A"): [C],
    }
    async with DnsServer(zone) as server:
        names = resolver(server)
        seconds = [[hop.address for hop in await hops(names, "sip:pool.test;transport=udp")] for _ in range(300)]
        assert {order[0] for order in seconds} == {C}, "the lower priority always comes first"
        assert 240 < sum(order[1] == A for order in seconds) < 295


async def test_an_alias_is_followed() -> None:
    zone = {("sip.test", "CNAME"): ["real.test."], ("real.test", "A"): [A]}
    async with DnsServer(zone) as server:
        assert await hops(resolver(server), "sip:sip.test:5060") == [Hop("udp", A, 5060, "sip.test")]


async def test_a_truncated_answer_is_asked_for_over_tcp() -> None:
    async with DnsServer({("pbx.test", "A"): [A]}) as server:
        server.truncates = True
        assert [hop.address for hop in await hops(resolver(server), "sip:pbx.test:5060")] == [A]
        assert server.asked["pbx.test", "A", "tcp"] == 1


async def test_a_name_that_does_not_exist_is_said_so_and_not_asked_again() -> None:
    async with DnsServer({}) as server:
        names = resolver(server)
        for _ in range(3):
            with pytest.raises(ResolutionError, match=r"nowhere\.test does not exist"):
                await hops(names, "sip:nowhere.test:5060")
        assert server.total("A") == 1


async def test_a_name_without_an_address() -> None:
    async with DnsServer({("mail.test", "MX"): ["10 mx.test."]}) as server:
        with pytest.raises(ResolutionError, match="has no address"):
            await hops(resolver(server), "sip:mail.test")


async def test_a_domain_that_offers_no_sip() -> None:
    async with DnsServer({("_sip._udp.no.test", "SRV"): ["0 0 0 ."], ("no.test", "A"): [A]}) as server:
        with pytest.raises(ResolutionError, match="no SIP service"):
            await hops(resolver(server), "sip:no.test;transport=udp")


async def test_srv_targets_that_lead_nowhere_are_passed_over() -> None:
    zone = {("_sip._udp.x.test", "SRV"): ["1 0 5060 gone.test.", "2 0 5060 here.test."], ("here.test", "A"): [A]}
    async with DnsServer(zone) as server:
        assert [hop.address for hop in await hops(resolver(server), "sip:x.test;transport=udp")] == [A]
        del zone["here.test", "A"]
        with pytest.raises(ResolutionError, match=r"servers of x\.test cannot be reached"):
            await hops(resolver(server), "sip:x.test;transport=udp")


@pytest.mark.parametrize("uri", ["sip:carrier.test", "sip:carrier.test;transport=udp", "sip:carrier.test:5060"])
async def test_a_server_that_says_nothing_costs_no_more_than_the_lifetime(uri: str) -> None:
    async with DnsServer(CARRIER) as server:
        server.is_silent = True
        begun = time.monotonic()
        with pytest.raises(ResolutionError, match="no name server answered"):
            await hops(resolver(server, lifetime_s=0.4), uri)
        assert time.monotonic() - begun < 0.9


async def test_a_server_that_answers_late_is_waited_for() -> None:
    async with DnsServer({("pbx.test", "A"): [A]}) as server:
        server.delay_s = 0.2
        assert await hops(resolver(server), "sip:pbx.test:5060")


async def test_naptr_that_nobody_answers_does_not_stop_the_call() -> None:
    zone = {key: records for key, records in CARRIER.items() if key[1] != "NAPTR"}
    async with DnsServer(zone) as server:
        server.silent_kinds = {"NAPTR"}
        found = await hops(resolver(server, lifetime_s=2.0), "sip:carrier.test")
        assert found[0] == Hop("udp", A, 5080, "carrier.test")


async def test_a_server_that_fails_is_said_so() -> None:
    async with DnsServer({}) as server:
        server.rcode = dns.rcode.SERVFAIL
        with pytest.raises(ResolutionError, match="could not be looked up"):
            await hops(resolver(server, lifetime_s=0.4), "sip:x.test:5060")


async def test_the_second_name_server_answers_for_the_first() -> None:
    async with DnsServer({("pbx.test", "A"): [A]}) as dead, DnsServer({("pbx.test", "A"): [B]}) as live:
        dead.is_silent = True
        names = Resolver(nameservers=[dead.address, live.address], lifetime_s=1.2)
        assert [hop.address for hop in await hops(names, "sip:pbx.test:5060")] == [B]


async def test_answers_are_remembered_as_long_as_their_ttl() -> None:
    now = [1000.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    async with DnsServer({("pbx.test", "A"): [A]}, ttl=30) as server:
        names = resolver(server, clock=clock)
        for at, address, asked in ((1000.0, A, 1), (1029.0, A, 1), (1031.0, B, 2)):
            now[0] = at
            if at > 1000:
                server.zone["pbx.test", "A"] = [B]
            assert [hop.address for hop in await hops(names, "sip:pbx.test:5060")] == [address]
            assert server.total("A") == asked


async def test_what_does_not_exist_is_asked_again_when_its_soa_says_so() -> None:
    now = [1000.0]
    async with DnsServer({}) as server:
        names = resolver(server, clock=lambda: now[0])
        with pytest.raises(ResolutionError):
            await hops(names, "sip:new.test:5060")
        server.zone["new.test", "A"] = [A]
        now[0] += 8  # the SOA of the test zone says 7 s
        assert await hops(names, "sip:new.test:5060")
        assert LONGEST_NEGATIVE_TTL_S >= 8


async def test_calls_that_ask_the_same_at_once_share_one_question() -> None:
    async with DnsServer({("pbx.test", "A"): [A]}) as server:
        server.delay_s = 0.05
        names = resolver(server)
        await asyncio.gather(*(hops(names, "sip:pbx.test:5060") for _ in range(20)))
        assert server.total("A") == 1


async def test_a_call_that_is_given_up_takes_the_answer_from_nobody() -> None:
    async with DnsServer({("pbx.test", "A"): [A]}) as server:
        server.delay_s = 0.1
        names = resolver(server)
        first = asyncio.create_task(hops(names, "sip:pbx.test:5060"))
        second = asyncio.create_task(hops(names, "sip:pbx.test:5060"))
        await asyncio.sleep(0.02)
        first.cancel()
        assert await second


async def test_hops_that_failed_come_last() -> None:
    async with DnsServer({("pbx.test", "A"): [A, B]}) as server:
        names = resolver(server)
        before = await hops(names, "sip:pbx.test:5060")
        names.penalise("udp", before[0].remote)
        assert await hops(names, "sip:pbx.test:5060") == before[::-1]


async def test_memory_is_bounded() -> None:
    async with DnsServer({}) as server:
        names = resolver(server)
        for number in range(MAX_NAMES + 10):
            names._remember((f"n{number}.test", "A"), names._cache.get(("x", "A")) or _answer())
        assert len(names._cache) == MAX_NAMES


def _answer() -> Any:
    from gateway.sip.transport.resolver import _Answer

    return _Answer((), 0.0)


async def test_the_hosts_file_is_read_where_the_system_decides() -> None:
    async with DnsServer({}) as server:
        system = Resolver(lifetime_s=1.0)
        system._dns = resolver(server)._resolver()
        assert [hop.address for hop in await hops(system, "sip:localhost:5060")] == ["127.0.0.1"]
        with pytest.raises(ResolutionError):
            await hops(resolver(server), "sip:localhost:5060")


@pytest.mark.parametrize(
    "host", ["a" * 63 + "." + "b" * 63 + "." + "c" * 63 + "." + "d" * 63 + ".test", "a..b", "x_y.test"]
)
async def test_odd_names_are_refused_and_never_raise_anything_else(host: str) -> None:
    async with DnsServer({}) as server:
        with pytest.raises(ResolutionError):
            await Resolver(nameservers=[server.address]).resolve(SipUri("sip", None, None, host, 5060), transports=ALL)


async def test_other_name_servers_after_a_reload() -> None:
    async with DnsServer({("pbx.test", "A"): [A]}) as former, DnsServer({("pbx.test", "A"): [B]}) as later:
        names = resolver(former)
        assert [hop.address for hop in await hops(names, "sip:pbx.test:5060")] == [A]
        names.use([later.address], 1.0)
        assert [hop.address for hop in await hops(names, "sip:pbx.test:5060")] == [B]
