"""Who speaks in a call without being asked, and as whom others must come."""

from __future__ import annotations

import pytest

from gateway.sip.admission import ALLOW, Allow
from gateway.sip.flow import Flow
from gateway.sip.invite.call import Call
from gateway.sip.invite.parties import is_with, lives_at, may_replace
from tests.support.sip_peer import UDP, UserAgentBench, invitation, invite

SECOND = Flow("udp", UDP.local, ("198.51.100.8", 5060))
ELSEWHERE = Flow("udp", UDP.local, ("203.0.113.66", 5060))
PAGE = Flow("ws", UDP.local, SECOND.remote, connection=1)
TRUNK, OTHER, PHONE = Allow(trunk="one"), Allow(trunk="two"), Allow(account="1001")


def placed(admission: Allow | None) -> Call:
    bench = UserAgentBench()
    return bench.ua._calls[bench.ua.invite(invitation(UDP, SECOND, admission=admission), bench.now)]


def taken(admission: Allow) -> Call:
    bench = UserAgentBench(admission=admission)
    bench.feed(invite())
    (call,) = bench.ua._calls.values()
    return call


def test_a_placed_call_lives_at_the_hosts_of_its_hops_and_one_that_came_where_it_came_from() -> None:
    assert [lives_at(placed(TRUNK), flow) for flow in (UDP, SECOND, PAGE, ELSEWHERE)] == [True, True, False, False]
    assert [lives_at(taken(TRUNK), flow) for flow in (UDP, SECOND, PAGE, ELSEWHERE)] == [True, False, False, False]


@pytest.mark.parametrize("make", [placed, taken])
def test_a_call_is_with_one_trunk_or_one_account(make: type[Call]) -> None:
    call = make(TRUNK)  # type: ignore[call-arg, arg-type]
    assert [is_with(call, admission) for admission in (TRUNK, OTHER, PHONE, ALLOW)] == [True, False, False, False]


def test_a_call_to_somebodys_own_server_is_with_nobody_else() -> None:
    assert not any(is_with(placed(ALLOW), admission) for admission in (TRUNK, PHONE, ALLOW))
    assert not any(may_replace(placed(ALLOW), admission, ELSEWHERE) for admission in (TRUNK, PHONE, ALLOW))


def test_where_nobody_was_named_whoever_is_let_in_may_speak() -> None:
    assert is_with(placed(None), OTHER)
    assert may_replace(placed(None), OTHER, ELSEWHERE)


def test_a_call_is_taken_over_by_its_trunk_or_between_phones() -> None:
    assert may_replace(placed(TRUNK), TRUNK, ELSEWHERE)
    assert not may_replace(placed(TRUNK), PHONE, SECOND), "a phone behind the carrier's address is not the carrier"
    assert may_replace(placed(TRUNK), OTHER, SECOND), "its own edge, which another trunk lists"
    assert not may_replace(taken(TRUNK), OTHER, UDP)
    assert may_replace(placed(Allow(account="1002")), PHONE, ELSEWHERE)
