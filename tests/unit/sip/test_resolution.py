"""RFC 3263 and RFC 2782 without a network: what is asked, and the order of what was found."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from gateway.sip.resolution import (
    MAX_HOPS,
    MAX_PENALTIES,
    Hop,
    Naptr,
    Penalties,
    Query,
    ResolutionError,
    Srv,
    choose_services,
    is_address,
    order_addresses,
    order_srv,
    query_of,
)
from gateway.sip.uri import SipUri

ALL = ("udp", "tcp", "tls", "ws", "wss")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:192.0.2.5", Query("192.0.2.5", "udp", 5060)),
        ("sip:192.0.2.5:5080;transport=tcp", Query("192.0.2.5", "tcp", 5080)),
        ("sips:[2001:db8::5]", Query("2001:db8::5", "tls", 5061)),
        ("sip:192.0.2.5;transport=tls", Query("192.0.2.5", "tls", 5061)),
        ("sip:example.net:5080", Query("example.net", "udp", 5080)),
        ("sips:example.net:5081", Query("example.net", "tls", 5081)),
        ("sip:example.net;transport=TCP", Query("example.net", "tcp", 5060, (("tcp", "_sip._tcp.example.net"),))),
        ("sips:example.net;transport=tcp", Query("example.net", "tls", 5061, (("tls", "_sips._tcp.example.net"),))),
        ("sip:a@example.net;maddr=192.0.2.9", Query("192.0.2.9", "udp", 5060)),
    ],
)
def test_what_is_asked_first(uri: str, expected: Query) -> None:
    assert query_of(SipUri.parse(uri), ALL) == expected


def test_a_bare_name_asks_naptr_and_then_every_transport() -> None:
    query = query_of(SipUri.parse("sip:example.net"), ALL)
    assert query.asks_naptr
    names = ["_sip._udp.example.net", "_sip._tcp.example.net", "_sips._tcp.example.net"]
    assert [name for _, name in query.services] == names
    assert (query.transport, query.port) == ("udp", 5060)


def test_sips_is_never_sent_in_the_clear() -> None:
    query = query_of(SipUri.parse("sips:example.net"), ALL)
    assert query.services == (("tls", "_sips._tcp.example.net"),)
    with pytest.raises(ResolutionError, match="not secure"):
        query_of(SipUri.parse("sips:192.0.2.1;transport=udp"), ALL)
    records = [Naptr(1, 1, "s", "SIP+D2T", "_sip._tcp.example.net"), Naptr(9, 1, "s", "SIPS+D2T", "_sips._tcp.x")]
    assert choose_services(records, query) == (("tls", "_sips._tcp.x"),)


def test_only_transports_that_we_have() -> None:
    assert query_of(SipUri.parse("sip:example.net"), ("tcp",)).transport == "tcp"
    for uri in ("sip:192.0.2.1", "sips:example.net", "sip:example.net;transport=tls", "sip:x;transport=sctp"):
        with pytest.raises(ResolutionError):
            query_of(SipUri.parse(uri), ("tcp",))


def test_naptr_by_order_then_preference() -> None:
    query = query_of(SipUri.parse("sip:example.net"), ALL)
    records = [
        Naptr(20, 1, "s", "SIP+D2U", "u.example.net"),
        Naptr(10, 50, "S", "sip+d2t", "t.example.net"),
        Naptr(10, 40, "s", "SIPS+D2T", "s.example.net"),
        Naptr(1, 1, "u", "E2U+sip", "enum.example.net"),
        Naptr(1, 2, "s", "SIP+D2S", "sctp.example.net"),
        Naptr(1, 2, "a", "SIP+D2U", "address.example.net"),
    ]
    assert choose_services(records, query) == (
        ("tls", "s.example.net"),
        ("tcp", "t.example.net"),
        ("udp", "u.example.net"),
    )


def test_srv_priorities_come_before_weights() -> None:
    records = [Srv(20, 65535, 5060, "backup"), Srv(10, 1, 5060, "main")]
    for seed in range(50):
        assert [record.target for record in order_srv(records, random.Random(seed))] == ["main", "backup"]


def test_srv_weights_share_the_load() -> None:
    records = [Srv(10, 60, 5060, "big"), Srv(10, 30, 5060, "middle"), Srv(10, 10, 5060, "small")]
    chance = random.Random(4)
    first = Counter(order_srv(records, chance)[0].target for _ in range(6000))
    assert 0.55 < first["big"] / 6000 < 0.65
    assert 0.25 < first["middle"] / 6000 < 0.35
    assert 0.06 < first["small"] / 6000 < 0.14


def test_weight_zero_is_seldom_first_among_weights() -> None:
    records = [Srv(10, 0, 5060, "zero"), Srv(10, 100, 5060, "heavy")]
    chance = random.Random(4)
    first = Counter(order_srv(records, chance)[0].target for _ in range(3000))
    assert 0 < first["zero"] < 100
    same = [Srv(10, 0, 1, "a"), Srv(10, 0, 2, "b")]
    assert len(order_srv(same, chance)) == 2


def test_addresses_of_the_versions_that_we_listen_on() -> None:
    found = ["192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.1"]
    assert order_addresses(found, (4,)) == ["192.0.2.1", "192.0.2.2"]
    assert order_addresses(found, (6, 4)) == ["2001:db8::1", "192.0.2.1", "192.0.2.2"]
    assert order_addresses(found, ()) == []


def test_only_ip_literals_are_addresses() -> None:
    assert is_address("2001:db8::1")
    assert not is_address("example.net")


# Penalties

A, B, C = (Hop("udp", f"192.0.2.{number}", 5060) for number in (1, 2, 3))


def test_a_hop_that_failed_is_asked_last_for_a_while() -> None:
    penalties = Penalties()
    penalties.add("udp", A.remote, 100.0)
    penalties.add("udp", B.remote, 100.0, for_s=120)
    assert penalties.order((A, B, C), 101) == (C, A, B)
    assert penalties.order((A, B, C), 131) == (A, C, B)
    assert penalties.order((A, B, C), 221) == (A, B, C)
    assert penalties.order((A, B), 101) == (A, B), "all failed: they are tried all the same"


def test_a_hop_that_failed_by_one_transport_is_as_good_as_any_by_another() -> None:
    penalties = Penalties()
    penalties.add("tcp", B.remote, 100.0)
    assert penalties.order((A, B, C), 101) == (A, B, C)


def test_penalties_and_hops_are_bounded() -> None:
    penalties = Penalties()
    for number in range(MAX_PENALTIES + 50):
        penalties.add("udp", ("192.0.2.1", number), 100.0)
    assert len(penalties) == MAX_PENALTIES
    penalties.add("udp", A.remote, 500.0)
    assert len(penalties) == 1, "those that are over are forgotten"
    many = [Hop("udp", "192.0.2.1", port) for port in range(100)]
    assert len(penalties.order([*many, *many], 101)) == MAX_HOPS
