"""From URIs to flows, as far as the node can send there."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.settings.schema import TrunkSettings
from gateway.sip.flow import Flow, SocketAddress, Transport
from gateway.sip.resolution import Hop, ResolutionError
from gateway.sip.uri import SipUri
from gateway.trunks.hops import Hops


class Resolver:
    def __init__(self, *hops: Hop) -> None:
        self.hops = hops
        self.asked_for: Collection[Transport] = ()
        self.penalties: list[Any] = []

    async def resolve(self, uri: SipUri, *, transports: Collection[Transport]) -> tuple[Hop, ...]:
        self.asked_for = transports
        return self.hops

    def penalise(self, transport: str, remote: SocketAddress, for_s: float | None = None) -> None:
        self.penalties.append((transport, remote, for_s))


def flow_to(remote: SocketAddress, transport: Transport = "udp", *, server_name: str = "", profile: str = "") -> Flow:
    if ":" in remote[0]:
        raise LocalProtocolError(f"no listener for {remote[0]}")
    return Flow(transport, ("192.0.2.1", 5060), remote, server_name=server_name, profile=profile)


SIX = Hop("udp", "2001:db8::1", 5060, "carrier.example")
UDP = Hop("udp", "198.51.100.7", 5060, "carrier.example")
TLS = Hop("tls", "198.51.100.7", 5061, "carrier.example")


def find(resolver: Resolver, **trunk: Any) -> tuple[Flow, ...]:
    settings = TrunkSettings.model_validate({"targets": ["sip:carrier.example"], **trunk})
    hops = Hops(resolver, flow_to, lambda: ("udp", "tls"))
    return asyncio.run(hops.find("carrier", settings, SipUri.parse("sip:carrier.example")))


def test_hops_that_no_listener_reaches_are_passed_over() -> None:
    resolver = Resolver(SIX, UDP)
    assert find(resolver) == (flow_to(UDP.remote, profile="carrier"),)
    assert resolver.asked_for == ("udp", "tls")


def test_why_nothing_can_be_reached() -> None:
    with pytest.raises(ResolutionError, match="no listener for 2001:db8::1"):
        find(Resolver(SIX))


def test_a_certificate_must_be_for_the_name_in_the_settings() -> None:
    assert [flow.server_name for flow in find(Resolver(UDP, TLS))] == ["", "carrier.example"]
    (flow,) = find(Resolver(TLS), tls={"server_name": "edge.carrier.example"})
    assert (flow.server_name, flow.profile) == ("edge.carrier.example", "carrier")


def test_a_hop_that_failed_is_told_to_the_resolver() -> None:
    resolver = Resolver(UDP)
    Hops(resolver, flow_to, lambda: ("udp",)).penalise(flow_to(UDP.remote), 12.0)
    assert resolver.penalties == [("udp", UDP.remote, 12.0)]
