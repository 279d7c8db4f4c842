"""Hostile name servers: what they answer costs neither the loop nor memory, and leads nobody to this machine."""

from __future__ import annotations

import asyncio
import random
import time
import tracemalloc
from typing import Any

import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest

from gateway.settings.schema import TrunkSettings
from gateway.sip.flow import Flow
from gateway.sip.resolution import MAX_HOPS, MAX_SERVERS, MAX_SERVICES, ResolutionError
from gateway.sip.transport.resolver import MAX_RECORDS, Resolver
from gateway.sip.uri import SipUri
from gateway.trunks.hops import Hops
from tests.support.dns_server import DnsServer

HONEST, EVIL = "198.51.100.7", "203.0.113.66"
TRUNK = TrunkSettings.model_validate({"targets": ["sip:evil.test"], "allow_destinations": ["*"]})


def resolver(server: DnsServer, lifetime_s: float = 1.0) -> Resolver:
    return Resolver([server.address], lifetime_s, chance=random.Random(1))


async def addresses(names: Resolver, uri: str) -> list[str]:
    return [hop.address for hop in await names.resolve(SipUri.parse(uri), transports=("udp", "tcp", "tls"))]


# Forged answers


def other_id(answer: dns.message.Message) -> dns.message.Message:
    answer.id = (answer.id + 1) % 65536
    return evil(answer)


def other_question(answer: dns.message.Message) -> dns.message.Message:
    answer.question = [dns.rrset.from_text("other.test.", 0, "IN", dns.rdatatype.to_text(answer.question[0].rdtype))]
    return evil(answer)


def other_owner(answer: dns.message.Message) -> dns.message.Message:
    """The right question, and an answer for a name that nobody asked for."""
    answer = other_id(answer)
    answer.answer = [dns.rrset.from_text("pbx.test.", 3600, "IN", "A", EVIL)]
    return answer


def evil(answer: dns.message.Message) -> dns.message.Message:
    name = answer.question[0].name
    answer.answer = [dns.rrset.from_text(name, 3600, "IN", "A", EVIL)]
    return answer


@pytest.mark.parametrize("forge", [other_id, other_question, other_owner])
async def test_who_guesses_neither_number_nor_question_is_not_listened_to(forge: Any) -> None:
    async with DnsServer({("pbx.test", "A"): [HONEST]}) as server:
        server.forgeries = [forge] * 50
        assert await addresses(resolver(server), "sip:pbx.test:5060") == [HONEST]


async def test_records_of_other_names_in_an_answer_are_not_remembered() -> None:
    class Poisoning(DnsServer):
        def answer(self, wire: bytes, over: str) -> dns.message.Message | None:
            answer = super().answer(wire, over)
            if answer is not None:
                for section in (answer.answer, answer.additional):
                    section.append(dns.rrset.from_text("pbx.test.", 3600, "IN", "A", EVIL))
            return answer

    async with Poisoning({("evil.test", "A"): [EVIL]}) as server:
        names = resolver(server)
        assert await addresses(names, "sip:evil.test:5060") == [EVIL]
        assert set(names._cache) == {("evil.test", "A")}


# Long answers

LONG: dict[str, dict[tuple[str, str], list[str]]] = {
    "addresses": {("evil.test", "A"): [f"203.0.{number // 250}.{number % 250}" for number in range(450)]},
    "servers": {
        ("_sip._udp.evil.test", "SRV"): [f"1 1 {5000 + number} t." for number in range(350)],
        ("t", "A"): [EVIL],
    },
    "servers that are not there": {
        ("_sip._udp.evil.test", "SRV"): [f"1 1 5060 {number}.t." for number in range(300)],
    },
    "services": {
        ("evil.test", "NAPTR"): [f'1 1 "s" "SIP+D2U" "" _{number}.t.' for number in range(220)],
    },
}


@pytest.mark.parametrize("zone", LONG.values(), ids=LONG)
async def test_hundreds_of_records_cost_a_few_questions_and_little_memory(
    zone: dict[tuple[str, str], list[str]],
) -> None:
    async with DnsServer(zone) as server:
        server.truncates = True  # so that all of it comes, over TCP
        names = resolver(server, 4.0)
        tracemalloc.start()
        try:
            found = await addresses(names, "sip:evil.test")
        except ResolutionError:
            found = []
        finally:
            kept, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert len(found) <= MAX_HOPS
        assert names.stats.queries <= 10 + MAX_SERVERS + MAX_SERVICES
        assert max(len(answer.records) for answer in names._cache.values()) == MAX_RECORDS
        assert kept < 3_000_000


async def test_an_answer_of_50_kb_is_not_read_at_all() -> None:
    async with DnsServer({("evil.test", "A"): [f"203.0.{n // 250}.{n % 250}" for n in range(3000)]}) as server:
        server.truncates = True
        with pytest.raises(ResolutionError, match="could not be looked up"):
            await addresses(resolver(server, 4.0), "sip:evil.test:5060")
        server.zone["pbx.test", "A"] = [HONEST]
        assert await addresses(resolver(server), "sip:pbx.test:5060") == [HONEST]


async def test_the_best_servers_of_a_long_list_are_those_that_are_asked() -> None:
    servers = [f"{number} 0 5060 t{number}.test." for number in range(200, 0, -1)]
    zone = {("_sip._udp.evil.test", "SRV"): servers, ("t1.test", "A"): [HONEST], ("t200.test", "A"): [EVIL]}
    async with DnsServer(zone) as server:
        server.truncates = True
        assert await addresses(resolver(server, 4.0), "sip:evil.test;transport=udp") == [HONEST]


async def test_a_server_at_port_0_is_nowhere() -> None:
    zone = {("_sip._udp.evil.test", "SRV"): ["1 0 0 t.test."], ("t.test", "A"): [EVIL]}
    async with DnsServer(zone) as server:
        with pytest.raises(ResolutionError):
            await addresses(resolver(server), "sip:evil.test;transport=udp")


# Answers without an end


@pytest.mark.parametrize("length", [1, 2, 7])
async def test_aliases_in_a_circle_lead_nowhere(length: int) -> None:
    circle = {(f"a{number}.test", "CNAME"): [f"a{(number + 1) % length}.test."] for number in range(length)}
    async with DnsServer(circle) as server:
        began = time.monotonic()
        with pytest.raises(ResolutionError):
            await addresses(resolver(server), "sip:a0.test")
        assert time.monotonic() - began < 3
        assert sum(server.asked.values()) < 40


async def test_an_answer_that_drips_is_not_waited_for() -> None:
    async with DnsServer({("evil.test", "A"): [EVIL]}) as server:
        server.truncates, server.octet_s = True, 0.2
        names = resolver(server, 0.6)
        began = time.monotonic()
        with pytest.raises(ResolutionError):
            await addresses(names, "sip:evil.test:5060")
        assert time.monotonic() - began < 3
        await asyncio.sleep(0.4)
        assert not names._asking, "nor is anything kept for it"


# Rebinding

NEAR = ["127.0.0.1", "127.0.0.2", "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255"]


def hops(server: DnsServer, local: str) -> Hops:
    def flow_to(remote: Any, transport: Any = "udp", **_: str) -> Flow:
        return Flow(transport, (local, 5060), remote)

    return Hops(resolver(server), flow_to, lambda: ("udp",))


@pytest.mark.parametrize("local", ["0.0.0.0", "192.0.2.1", "10.0.0.1"])
@pytest.mark.parametrize("near", NEAR)
async def test_a_public_name_does_not_lead_to_this_machine_or_its_link(near: str, local: str) -> None:
    async with DnsServer({("evil.test", "A"): [near]}) as server:
        with pytest.raises(ResolutionError, match="this machine or its link"):
            await hops(server, local).find("carrier", TRUNK, SipUri.parse("sip:evil.test:5060"))
        server.zone["both.test", "A"] = [near, HONEST]
        found = await hops(server, local).find("carrier", TRUNK, SipUri.parse("sip:both.test:5060"))
        assert [flow.remote[0] for flow in found] == [HONEST]


async def test_names_of_the_house_addresses_and_private_networks_are_as_the_operator_has_them() -> None:
    async with DnsServer({("pbx", "A"): ["127.0.0.1"], ("pbx.corp.test", "A"): ["10.0.0.9"]}) as server:
        for uri, remote in (
            ("sip:pbx:5060", "127.0.0.1"),
            ("sip:pbx.corp.test:5060", "10.0.0.9"),
            ("sip:127.0.0.1", "127.0.0.1"),
        ):
            found = await hops(server, "0.0.0.0").find("carrier", TRUNK, SipUri.parse(uri))
            assert [flow.remote[0] for flow in found] == [remote]
        server.zone["pbx.test", "A"] = ["127.0.0.5"]
        found = await hops(server, "127.0.0.1").find("carrier", TRUNK, SipUri.parse("sip:pbx.test:5060"))
        assert [flow.remote[0] for flow in found] == ["127.0.0.5"], "a gateway that is tried on its own machine"
