from __future__ import annotations

from gateway.call.identity import CallDirection, CallIdentity, CallLimits


def test_a_call_came_in_unless_it_is_said_to_go_out() -> None:
    identity = CallIdentity("c-1", "1001", "1002", "office", "desk", "routes[0]")
    assert identity.direction is CallDirection.INBOUND
    assert identity.variables == {}
    assert CallDirection("outbound") is CallDirection.OUTBOUND


def test_every_wait_of_a_call_is_bounded_by_default() -> None:
    limits = CallLimits()
    assert 0 < limits.answer_after_s <= limits.ring_s <= limits.duration_s
