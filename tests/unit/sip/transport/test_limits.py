from __future__ import annotations

import dataclasses

from gateway.sip.transport.limits import TransportLimits, TransportStats


def test_every_limit_is_a_limit() -> None:
    assert all(value > 0 for value in dataclasses.asdict(TransportLimits()).values())


def test_a_connection_may_ring_as_long_as_a_call_may_before_it_counts_as_idle_without_one() -> None:
    limits = TransportLimits()
    assert limits.first_message_timeout_s < limits.idle_timeout_s
    assert limits.connections_per_host < limits.connections


def test_counters_start_at_zero() -> None:
    assert set(dataclasses.asdict(TransportStats()).values()) == {0}
