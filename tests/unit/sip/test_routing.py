"""RFC 3261 §18.2 and RFC 3581 §4, situation by situation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError
from gateway.sip.message import Request
from gateway.sip.routing import next_hop, refusal_flow, reply_flow, stamp_source
from tests.support.sip_peer import invite, request

UDP = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", 40123))
TCP = Flow("tcp", ("192.0.2.1", 5060), ("198.51.100.7", 40123), connection=9)


def stamped(via: str, flow: Flow = UDP) -> Request:
    request = invite(via=via)
    stamp_source(request, flow)
    return request


def test_rport_is_filled_in_and_received_beside_it_even_when_it_says_nothing_new() -> None:
    request = stamped("SIP/2.0/UDP 198.51.100.7:5060;rport;branch=z9hG4bKa")
    assert request.via.rport == 40123
    assert request.via.received == "198.51.100.7"
    assert request.via.branch == "z9hG4bKa"
    assert reply_flow(request, UDP) == UDP


def test_without_rport_a_true_sent_by_keeps_its_port_and_its_bytes() -> None:
    via = "SIP/2.0/UDP 198.51.100.7:5070 ; branch=z9hG4bKa"
    request = stamped(via)
    assert request.headers.get("Via") == via
    assert reply_flow(request, UDP).remote == ("198.51.100.7", 5070)


def test_without_rport_and_port_the_answer_goes_to_5060() -> None:
    assert reply_flow(stamped("SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKa"), UDP).remote == ("198.51.100.7", 5060)


@pytest.mark.parametrize("sent_by", ["10.0.0.5:5060", "phone.example.com", "[2001:db8::5]:5060"])
def test_a_sent_by_that_is_not_the_source_is_behind_a_nat(sent_by: str) -> None:
    request = stamped(f"SIP/2.0/UDP {sent_by};branch=z9hG4bKa")
    assert request.via.received == "198.51.100.7"
    assert request.via.rport is None
    assert reply_flow(request, UDP) == UDP


def test_what_the_sender_claims_about_itself_is_overwritten() -> None:
    request = stamped("SIP/2.0/UDP 198.51.100.7;received=203.0.113.1;rport=9;branch=z9hG4bKa")
    assert request.via.received == "198.51.100.7"
    assert request.via.rport == 40123
    assert reply_flow(request, UDP) == UDP


def test_only_the_topmost_via_is_touched() -> None:
    request = stamped("SIP/2.0/UDP a.example;branch=z9hG4bKa;rport, SIP/2.0/UDP b.example;branch=z9hG4bKb;rport")
    first, second = request.vias
    assert first.rport == 40123
    assert second.rport is None
    assert second.received is None


def test_over_tcp_the_answer_takes_the_same_connection_or_a_new_one_to_sent_by() -> None:
    request = stamped("SIP/2.0/TCP phone.example.com:5062;branch=z9hG4bKa", TCP)
    flow = reply_flow(request, TCP)
    assert flow == TCP
    assert flow.fallback == ("198.51.100.7", 5062)
    assert reply_flow(stamped("SIP/2.0/TCP phone.example.com;branch=z9hG4bKa", TCP), TCP).fallback == (
        "198.51.100.7",
        5060,
    )


def test_over_tls_the_port_that_nobody_wrote_is_5061() -> None:
    tls = replace(TCP, transport="tls")
    assert reply_flow(stamped("SIP/2.0/TLS phone.example.com;branch=z9hG4bKa", tls), tls).fallback == (
        "198.51.100.7",
        5061,
    )


def test_a_browser_is_answered_on_its_connection_or_not_at_all() -> None:
    ws = replace(TCP, transport="ws")
    request = stamped("SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bKa;rport", ws)
    assert reply_flow(request, ws) == ws
    assert reply_flow(request, ws).fallback is None
    assert request.via.received == "198.51.100.7"


def test_stamping_twice_changes_nothing() -> None:
    request = stamped("SIP/2.0/UDP a.example;branch=z9hG4bKa;rport")
    once = request.to_bytes()
    stamp_source(request, UDP)
    assert request.to_bytes() == once


def test_without_a_via_there_is_no_way_back() -> None:
    request = invite()
    request.headers.remove("Via")
    with pytest.raises(SipParseError):
        stamp_source(request, UDP)


def test_a_refusal_of_a_request_with_an_unreadable_via_goes_to_its_source() -> None:
    assert refusal_flow(invite(via="nonsense"), UDP) == UDP
    assert refusal_flow(invite(), UDP).remote == ("198.51.100.7", 5060), "a readable one says where"
    without = invite()
    without.headers.remove("Via")
    with pytest.raises(SipParseError):
        refusal_flow(without, UDP)


@pytest.mark.parametrize(
    ("target", "routes", "expected"),
    [
        ("sip:bob@192.0.2.9", [], ("udp", ("192.0.2.9", 5060))),
        ("sip:bob@192.0.2.9:5070;transport=TCP", [], ("tcp", ("192.0.2.9", 5070))),
        ("sips:bob@[2001:DB8::9]", [], ("tls", ("2001:db8::9", 5061))),
        ("sip:bob@192.0.2.9;transport=tls", [], ("tls", ("192.0.2.9", 5061))),
        ("sip:bob@example.net", [], None),
        ("tel:+15550100", [], None),
        (
            "sip:bob@10.0.0.1",
            ["<sip:198.51.100.1;lr;transport=tcp>", "<sip:a.example;lr>"],
            ("tcp", ("198.51.100.1", 5060)),
        ),
        ("sip:bob@192.0.2.9", ["<sip:edge.example.net;lr>"], None),
        ("sip:bob@192.0.2.9", ["<sip:198.51.100.1>"], ("udp", ("198.51.100.1", 5060))),
    ],
)
def test_where_the_rules_send_a_request(target: str, routes: list[str], expected: object) -> None:
    assert next_hop(target, routes) == expected


def test_an_ipv6_sent_by_is_the_source_however_it_is_written() -> None:
    flow = Flow("udp", ("2001:db8::9", 5060), ("2001:db8::1", 40_000))
    for written in ("2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:0db8::0001"):
        message = request("OPTIONS", via=f"SIP/2.0/UDP [{written}]:5062;branch=z9hG4bKx")
        stamp_source(message, flow)
        assert message.via.received is None
        assert reply_flow(message, flow).remote == ("2001:db8::1", 5062)
    message = request("OPTIONS", via="SIP/2.0/UDP [2001:db8::2]:5062;branch=z9hG4bKx")
    stamp_source(message, flow)
    assert reply_flow(message, flow) == flow
