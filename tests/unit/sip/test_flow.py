from __future__ import annotations

from dataclasses import replace

from gateway.sip.flow import TRANSPORTS, Flow, default_port

UDP = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", 5060))


def test_only_udp_needs_repetitions() -> None:
    assert not UDP.is_reliable
    assert Flow("tcp", UDP.local, UDP.remote).is_reliable


def test_a_fallback_is_advice_and_no_part_of_the_identity() -> None:
    flow = Flow("tcp", UDP.local, UDP.remote, connection=4)
    advised = flow.with_fallback(("198.51.100.7", 5060))
    assert advised.fallback == ("198.51.100.7", 5060)
    assert advised == flow
    assert hash(advised) == hash(flow)
    assert flow != Flow("tcp", UDP.local, UDP.remote, connection=5)


def test_default_ports_by_transport_however_it_is_written() -> None:
    ports = [default_port(name) for name in ("udp", "tcp", "tls", "ws", "wss", "TLS", "WSS", "SCTP")]
    assert ports == [5060, 5060, 5061, 80, 443, 5061, 443, 5060]


def test_who_is_verified_and_as_whom_is_part_of_the_identity() -> None:
    flow = Flow("tls", UDP.local, UDP.remote)
    assert len({flow, replace(flow, server_name="a.example"), replace(flow, profile="carrier")}) == 3


def test_what_the_transports_are() -> None:
    secure = {name for name in TRANSPORTS if Flow(name, UDP.local, UDP.remote).is_secure}
    websocket = {name for name in TRANSPORTS if Flow(name, UDP.local, UDP.remote).is_websocket}
    assert (secure, websocket) == ({"tls", "wss"}, {"ws", "wss"})
