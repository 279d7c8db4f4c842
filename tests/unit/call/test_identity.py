from __future__ import annotations

from gateway.call.identity import CallDirection, CallIdentity, CallLimits, FarEnd


def test_a_call_came_in_unless_it_is_said_to_go_out() -> None:
    identity = CallIdentity("c-1", "1001", "1002", "office", "desk", "routes[0]")
    assert identity.direction is CallDirection.INBOUND
    assert identity.variables == {}
    assert CallDirection("outbound") is CallDirection.OUTBOUND


def test_every_wait_of_a_call_is_bounded_by_default() -> None:
    limits = CallLimits()
    assert 0 < limits.answer_after_s <= limits.ring_s <= limits.duration_s


def test_the_far_end_that_a_call_moves_to_is_its_caller_or_its_callee() -> None:
    there = FarEnd("+15550122", "other", "198.51.100.8", "1001")
    came_in = CallIdentity("c-1", "1001", "1002", "office", "desk", "routes[0]").moved_to(there)
    assert came_in.parties() == {"caller": "+15550122", "callee": "1002", "sip_call_id": "other"}
    assert (came_in.source, came_in.account, came_in.agent) == ("198.51.100.8", "1001", "desk")
    placed = CallIdentity("c-1", "1001", "1002", "office", "desk", "order", CallDirection.OUTBOUND).moved_to(there)
    assert placed.parties() == {"caller": "1001", "callee": "+15550122", "sip_call_id": "other"}
