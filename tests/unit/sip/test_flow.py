from __future__ import annotations

from gateway.sip.flow import Flow

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
