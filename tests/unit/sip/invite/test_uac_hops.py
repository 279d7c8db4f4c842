"""A call that we place over several hops: which failures make room for the next one, and which answers stand."""

from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.events import (
    CallAnswered,
    CallEnded,
    CallRefused,
    EndCause,
    HopFailed,
    HopFault,
)
from gateway.sip.flow import Flow
from gateway.sip.invite.invitation import Target
from gateway.sip.message import Request
from tests.support.placed_call import (
    CREDENTIALS,
    SECOND,
    THIRD,
    assert_nothing_is_left,
    callee,
    challenge,
    last_invite,
    placed_over,
)
from tests.support.sip_peer import (
    ANSWER,
    OFFER,
    TCP,
    UDP,
    UserAgentBench,
    invitation,
    respond,
    statuses,
    times,
)


def test_each_hop_gets_the_offer_that_is_made_for_it_and_one_without_is_passed_over() -> None:
    asked: list[Flow] = []

    def make(flow: Flow) -> bytes | None:
        asked.append(flow)
        return None if flow == TCP else OFFER + b"a=x-for:" + flow.remote[0].encode() + b"\r\n"

    bench, first, call = placed_over(UDP, TCP, SECOND, make_offer=make, credentials=CREDENTIALS)
    assert b"a=x-for:" + UDP.remote[0].encode() in first.body
    bench.feed(challenge(first, 401))
    again = last_invite(bench)
    assert (again.body, asked) == (first.body, [UDP]), "the same hop is offered the same"
    bench.feed(respond(again, 503, to_tag="full"))
    second = last_invite(bench)
    assert b"a=x-for:" + SECOND.remote[0].encode() in second.body
    assert (second.call_id, asked) == (first.call_id, [UDP, TCP, SECOND])
    bench.feed(respond(second, 486, to_tag="busy"), SECOND)
    assert bench.take_events()[-1] == CallRefused(call, 486, "Busy Here")


def test_hops_that_are_all_passed_over_leave_the_last_answer_standing() -> None:
    bench, first, call = placed_over(UDP, TCP, SECOND, make_offer=lambda flow: OFFER if flow == UDP else None)
    bench.feed(respond(first, 503, to_tag="full"))
    assert bench.take_events()[-1] == CallRefused(call, 503, "Service Unavailable")
    assert_nothing_is_left(bench)
    silent, _, other = placed_over(UDP, SECOND, make_offer=lambda flow: OFFER if flow == UDP else None)
    silent.advance(40)
    assert silent.take_events()[-1] == CallEnded(other, EndCause.TRANSACTION_TIMEOUT)
    assert_nothing_is_left(silent)


def test_an_invitation_without_a_hop_that_gets_an_offer_is_refused_before_anything_is_sent() -> None:
    bench = UserAgentBench()
    with pytest.raises(LocalProtocolError, match="audio"):
        bench.ua.invite(invitation(UDP, SECOND, make_offer=lambda flow: None), bench.now)
    assert bench.counts() == (0, 0, 0)


def test_a_503_makes_room_for_the_next_hop() -> None:
    bench, first, call = placed_over(UDP, SECOND)
    busy = respond(first, 503, to_tag="full", headers=[("Retry-After", "120 (maintenance);duration=60")])
    ack, second = bench.feed(busy)
    assert bench.flows[-2:] == [UDP, SECOND]
    assert isinstance(ack, Request)
    assert isinstance(second, Request)
    assert (ack.method, ack.via.branch) == ("ACK", first.via.branch), "acknowledged on the hop it came from"
    assert second.via.branch != first.via.branch, "RFC 3263 4.3: the same request with a branch of its own"
    same = ("Call-ID", "CSeq", "From", "To")
    assert [second.headers.get(name) for name in same] == [first.headers.get(name) for name in same]
    assert bench.take_events() == [HopFailed(call, UDP, HopFault.UNAVAILABLE, 120)]
    bench.feed(callee(second, 200, "callee", ANSWER), SECOND)
    assert bench.take_events() == [CallAnswered(call, ANSWER)]
    assert bench.ua.stats.failovers == 1


def test_a_503_of_the_last_hop_is_the_answer() -> None:
    bench, first, call = placed_over(UDP, SECOND)
    bench.feed(respond(first, 503, to_tag="x"))
    bench.feed(respond(last_invite(bench), 503, to_tag="y"), SECOND)
    assert bench.take_events()[-1] == CallRefused(call, 503, "Service Unavailable")
    assert_nothing_is_left(bench)


def test_a_refusal_of_the_called_party_asks_no_other_hop() -> None:
    bench, first, call = placed_over(UDP, SECOND)
    assert statuses(bench.feed(respond(first, 486, to_tag="x"))) == ["ACK"]
    assert bench.take_events() == [CallRefused(call, 486, "Busy Here")]
    assert_nothing_is_left(bench)


def test_a_silent_hop_makes_room_after_two_seconds() -> None:
    bench, first, call = placed_over(UDP, SECOND)
    sent = bench.advance(2.1)
    assert times(sent) == [0.5, 1.5, 2.0]
    assert bench.flows[-1] == SECOND
    assert bench.take_events() == [HopFailed(call, UDP, HopFault.SILENT)]
    assert UDP not in bench.flows[-1:], "the silent hop is told nothing more"
    bench.feed(callee(last_invite(bench), 200, "callee", ANSWER), SECOND)
    assert bench.take_events() == [CallAnswered(call, ANSWER)]
    assert statuses(bench.feed(respond(first, 100))) == ["CANCEL"], "it is taken back when it turns up late"


def test_a_silent_hop_that_answers_late_is_acknowledged_and_ended() -> None:
    bench, first, call = placed_over(UDP, SECOND)
    bench.advance(2.1)
    assert statuses(bench.feed(callee(first, 200, "late", ANSWER))) == ["ACK", "BYE"]
    assert bench.ua.calls == 1
    bench.feed(respond(last_invite(bench), 486, to_tag="x"), SECOND)
    assert bench.take_events()[-1] == CallRefused(call, 486, "Busy Here")
    assert_nothing_is_left(bench)


def test_a_hop_that_said_trying_is_waited_for() -> None:
    bench, first, _ = placed_over(UDP, SECOND)
    bench.feed(respond(first, 100))
    assert bench.advance(60) == []


def test_a_failed_flow_makes_room_at_once() -> None:
    bench, _, call = placed_over(TCP, SECOND)
    bench.ua.flow_failed(TCP, bench.now)
    assert statuses(bench.drain()) == ["INVITE"]
    assert bench.flows[-1] == SECOND
    assert bench.take_events() == [HopFailed(call, TCP, HopFault.UNREACHABLE)]


def test_a_flow_that_fails_while_somebody_rings_calls_nobody_else() -> None:
    bench, first, call = placed_over(TCP, SECOND)
    bench.feed(callee(first, 180), TCP)
    bench.ua.flow_failed(TCP, bench.now)
    assert bench.drain() == []
    assert bench.take_events()[-1] == CallEnded(call, EndCause.FLOW_FAILED)
    assert_nothing_is_left(bench)


def test_all_hops_silent_ends_the_call_as_a_timeout() -> None:
    bench, _, call = placed_over(UDP, SECOND, THIRD)
    bench.advance(40)
    failed = [event.flow for event in bench.events if isinstance(event, HopFailed)]
    assert failed == [UDP, SECOND, THIRD]
    assert bench.take_events()[-1] == CallEnded(call, EndCause.TRANSACTION_TIMEOUT)
    assert_nothing_is_left(bench)


def test_early_dialogs_of_a_hop_that_failed_are_gone() -> None:
    bench, first, _ = placed_over(UDP, SECOND)
    bench.feed(callee(first, 183, "one", ANSWER))
    assert bench.ua.dialogs == 1
    bench.feed(respond(first, 503, to_tag="one"))
    assert bench.ua.dialogs == 0
    bench.feed(callee(last_invite(bench), 180, "two"), SECOND)
    assert bench.ua.dialogs == 1


def test_cancel_while_the_second_hop_is_tried_takes_that_one_back() -> None:
    bench, first, call = placed_over(UDP, SECOND)
    bench.advance(2.1)
    bench.ua.hang_up(call, bench.now)
    assert bench.drain() == [], "nothing is known to have arrived"
    second = last_invite(bench)
    (cancel,) = bench.feed(respond(second, 100), SECOND)
    assert isinstance(cancel, Request)
    assert cancel.via.branch == second.via.branch
    bench.feed(respond(second, 487, to_tag="x"), SECOND)
    assert statuses(bench.feed(respond(first, 180, to_tag="y"))) == ["CANCEL"]
    assert [type(event) for event in bench.take_events()] == [HopFailed, CallEnded]
    assert_nothing_is_left(bench)


def test_a_cancelled_call_does_not_fail_over() -> None:
    for status in (503, 302, 401):
        bench, first, call = placed_over(UDP, SECOND)
        bench.feed(respond(first, 100))
        bench.ua.hang_up(call, bench.now)
        bench.drain()
        assert statuses(bench.feed(respond(first, status, to_tag="x"))) == ["ACK"]
        assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)]
        assert_nothing_is_left(bench)


def test_the_next_target_has_its_own_request_uri() -> None:
    other = Target("sip:bob@backup.example", (SECOND,), ("<sip:edge.backup.example;lr>",))
    bench, first, call = placed_over(UDP, more_targets=(other,), credentials=CREDENTIALS)
    bench.feed(respond(first, 503, to_tag="x"))
    second = last_invite(bench)
    assert (second.uri, second.headers.get("Route")) == ("sip:bob@backup.example", "<sip:edge.backup.example;lr>")
    assert second.cseq.number == first.cseq.number + 1
    assert second.to == first.to
    bench.feed(respond(second, 503, to_tag="x"), SECOND)
    assert bench.take_events()[-1] == CallRefused(call, 503, "Service Unavailable")
    assert_nothing_is_left(bench)
