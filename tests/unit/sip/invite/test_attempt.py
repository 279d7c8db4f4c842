"""One INVITE by itself: what becomes of it when another hop is asked instead."""

from __future__ import annotations

from gateway.sip.message import Request
from tests.support.sip_peer import UDP, UserAgentBench, invitation, respond, statuses

SECOND = UDP.__class__("udp", UDP.local, ("198.51.100.8", 5060))


def abandoned() -> tuple[UserAgentBench, Request]:
    bench = UserAgentBench()
    bench.ua.invite(invitation(UDP, SECOND), bench.now)
    (first,) = bench.drain()
    assert isinstance(first, Request)
    bench.advance(2.0)
    return bench, first


def test_an_abandoned_invite_is_never_repeated() -> None:
    bench, first = abandoned()
    branches = [message.via.branch for _, message in bench.advance(31)]
    assert first.via.branch not in branches


def test_an_abandoned_invite_that_is_refused_late_is_acknowledged_and_no_more() -> None:
    bench, first = abandoned()
    assert statuses(bench.feed(respond(first, 486, to_tag="late"))) == ["ACK"]
    assert bench.ua.calls == 1, "the call goes on at the second hop"


def test_an_abandoned_invite_that_rings_late_is_cancelled_and_forgotten_after_64_t1() -> None:
    bench, first = abandoned()
    (cancel,) = bench.feed(respond(first, 180, to_tag="late"))
    assert isinstance(cancel, Request)
    bench.feed(respond(cancel, 200))
    bench.feed(respond(first, 180, to_tag="late"))
    bench.advance(300)
    assert bench.counts() == (0, 0, 0)
