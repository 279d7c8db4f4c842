"""Who may be called: patterns for numbers, for users, and for URIs at other hosts."""

from __future__ import annotations

import pytest

from gateway.settings.schema import TrunkSettings
from gateway.sip.uri import SipUri
from gateway.trunks.allow_list import allows, allows_proxy, is_elsewhere
from gateway.trunks.destination import parse_destination


def trunk(*patterns: str) -> TrunkSettings:
    targets = ["sip:edge.carrier.example", "sip:192.0.2.9"]
    given = {"targets": targets, "from_domain": "carrier.example", "allow_destinations": list(patterns)}
    return TrunkSettings.model_validate(given)


@pytest.mark.parametrize(
    ("pattern", "destination", "is_allowed"),
    [
        ("+1*", "+1 555 0100", True),
        ("+1*", "+44 20", False),
        ("+1*", "15550100", False),
        ("*", "alice", True),
        ("1001", "sip:1001@edge.carrier.example", True),
        ("1001", "sip:1001@CARRIER.example", True),
        ("1001", "sip:1001@192.0.2.9:5080", True),
        ("*", "sip:1001@evil.example", False),
        ("sip:*@partner.example", "sip:bob@Partner.example;transport=tls", True),
        ("sip:*@partner.example", "sip:bob@partner.example.evil.example", False),
        ("sip:*@10.*", "sip:bob@10.1.2.3", True),
        ("sip:*@10.*", "sip:bob@10.evil.example", False),
        ("sip:*@*", "sip:bob@anything.example", True),
    ],
)
def test_a_pattern_allows_what_it_names_and_nothing_beside_it(pattern: str, destination: str, is_allowed: bool) -> None:
    assert allows(trunk(pattern), parse_destination(destination)) is is_allowed


@pytest.mark.parametrize(
    ("user", "is_allowed"),
    [
        ("+15550100;rn=+442079460000", False),
        ("+15550100;npdi;RN=+44-20-7946-0000", False),
        ("+15550100;npdi;rn=+1-212-555-0199", True),
        ("+15550100;tgrp=local", True),
        ("+442079460000;rn=+12125550199", False),
    ],
)
def test_toll_fraud_by_a_routing_number_behind_an_allowed_one(user: str, is_allowed: bool) -> None:
    """RFC 4694: a carrier routes by ``rn``, whatever number stands before it."""
    assert allows(trunk("+1*"), parse_destination(f"sip:{user}@carrier.example")) is is_allowed


@pytest.mark.parametrize(
    ("pattern", "proxy", "is_allowed"),
    [
        ("+1*", "sip:edge.carrier.example", True),
        ("+1*", "sip:proxy.carrier.example;transport=tls", True),
        ("+1*", "sip:127.0.0.1:8080", False),
        ("*", "sip:evil.example", False),
        ("+1*", "sip:edge.carrier.example;maddr=127.0.0.1", False),
        ("sip:*@partner.example", "sip:partner.example", True),
        ("sip:*@10.*", "sip:10.evil.example", False),
        ("sip:*", "sip:anything.example", True),
    ],
)
def test_a_305_leads_no_call_to_a_proxy_of_its_own_choice(pattern: str, proxy: str, is_allowed: bool) -> None:
    settings = trunk(pattern).model_copy(update={"outbound_proxy": SipUri.parse("sip:proxy.carrier.example")})
    assert allows_proxy(settings, SipUri.parse(proxy)) is is_allowed


def test_nothing_is_allowed_by_default() -> None:
    assert not allows(trunk(), parse_destination("+15550100"))


def test_elsewhere_is_what_is_no_host_of_the_trunk() -> None:
    assert is_elsewhere(trunk(), parse_destination("sip:bob@partner.example"))
    assert not is_elsewhere(trunk(), parse_destination("sip:bob@carrier.example"))
    assert not is_elsewhere(trunk(), parse_destination("+15550100"))
