"""The calling side of RFC 3261 §13.2 and §9.1: ringing, forks, ACK to each 2xx, CANCEL and its races."""

from __future__ import annotations

import pytest

from gateway.base.errors import CapacityError, LocalProtocolError
from gateway.base.redact import Secret
from gateway.sip.address import Address
from gateway.sip.digest import Credentials
from gateway.sip.events import (
    CallAnswered,
    CallEnded,
    CallRedirected,
    CallRefused,
    CallRinging,
    EndCause,
    HopFailed,
    HopFault,
)
from gateway.sip.flow import Flow
from gateway.sip.invite.invitation import Target
from gateway.sip.message import Request, Response
from tests.support.sip_peer import (
    ANSWER,
    OFFER,
    TCP,
    UDP,
    UserAgentBench,
    invitation,
    request,
    respond,
    statuses,
    times,
)

CONTACT = ("Contact", "<sip:callee@203.0.113.9:5066>")
SDP = ("Content-Type", "application/sdp")


def placed(flow: Flow = UDP, **changes: object) -> tuple[UserAgentBench, Request, str]:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(flow, **{"from_": '"Alice" <sip:alice@example.com>', **changes}), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    return bench, sent, call


def callee(sent: Request, status: int, tag: str | None = "callee", body: bytes = b"", *headers: object) -> Response:
    fields = [CONTACT, *headers, *([SDP] if body else [])]
    return respond(sent, status, to_tag=tag, headers=fields, body=body)


def assert_nothing_is_left(bench: UserAgentBench) -> None:
    bench.advance(400)
    assert bench.counts() == (0, 0, 0)
    assert bench.ua.next_deadline() is None


def test_the_invite_has_what_rfc_3261_wants() -> None:
    bench, sent, call = placed(TCP, headers=(("X-Campaign", "spring"),))
    assert sent.call_id == call
    assert sent.method == "INVITE"
    assert sent.uri == "sip:bob@example.net"
    assert sent.headers.get("To") == "<sip:bob@example.net>"
    assert sent.from_.display_name == "Alice"
    assert sent.from_.tag
    assert sent.via.has_unique_branch
    assert sent.via.transport == "TCP"
    assert sent.via.wants_rport
    assert sent.max_forwards == 70
    assert sent.headers.get("Contact") == "<sip:gateway@192.0.2.1:5060;transport=tcp>"
    assert sent.content_type == "application/sdp"
    assert sent.body == OFFER
    assert sent.headers.get("X-Campaign") == "spring"
    assert sent.headers.get("Allow")
    assert bench.flows == [TCP]


def test_a_plain_call_from_ringing_to_bye() -> None:
    bench, sent, call = placed()
    bench.feed(respond(sent, 100))
    bench.feed(callee(sent, 180))
    assert bench.take_events() == [CallRinging(call, 180, None, "callee")]
    (ack,) = bench.feed(callee(sent, 200, "callee", ANSWER))
    assert isinstance(ack, Request)
    assert bench.take_events() == [CallAnswered(call, ANSWER)]
    assert ack.method == "ACK"
    assert ack.uri == "sip:callee@203.0.113.9:5066"
    assert ack.via.branch != sent.via.branch
    assert ack.cseq == (sent.cseq.number, "ACK")
    assert ack.to.tag == "callee"
    bench.ua.hang_up(call, bench.now)
    (bye,) = bench.drain()
    assert isinstance(bye, Request)
    assert (bye.method, bye.cseq.number) == ("BYE", sent.cseq.number + 1)
    bench.feed(respond(bye, 200))
    assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)]
    assert_nothing_is_left(bench)


def test_each_repeated_2xx_gets_the_same_ack_again() -> None:
    bench, sent, call = placed()
    ok = callee(sent, 200, "callee", ANSWER)
    (ack,) = bench.feed(ok)
    (again,) = bench.feed(ok)
    assert again.to_bytes() == ack.to_bytes()
    assert bench.take_events() == [CallAnswered(call, ANSWER)]
    bench.ua.hang_up(call, bench.now)
    bench.drain()
    assert statuses(bench.feed(ok)) == ["ACK"], "even after the call has ended"


def test_early_media_and_forked_ringing_are_told_apart() -> None:
    bench, sent, call = placed()
    bench.feed(callee(sent, 183, "one", ANSWER))
    bench.feed(callee(sent, 180, "two"))
    bench.feed(callee(sent, 180, None))
    assert bench.take_events() == [
        CallRinging(call, 183, ANSWER, "one"),
        CallRinging(call, 180, None, "two"),
        CallRinging(call, 180, None, ""),
    ]
    assert bench.ua.dialogs == 2


def test_a_second_fork_that_answers_is_acknowledged_and_ended() -> None:
    bench, sent, call = placed()
    bench.feed(callee(sent, 200, "one", ANSWER))
    acked = bench.feed(callee(sent, 200, "two", ANSWER))
    assert statuses(acked) == ["ACK", "BYE"]
    assert {message.to.tag for message in acked} == {"two"}
    assert bench.take_events() == [CallAnswered(call, ANSWER)]
    assert bench.ua.dialogs == 1


@pytest.mark.parametrize(("status", "reason"), [(486, "Busy Here"), (300, "Multiple Choices"), (603, "Decline")])
def test_a_refusal_ends_the_call(status: int, reason: str) -> None:
    bench, sent, call = placed()
    assert statuses(bench.feed(respond(sent, status, to_tag="callee"))) == ["ACK"]
    assert bench.take_events() == [CallRefused(call, status, reason)]
    assert_nothing_is_left(bench)


def test_nobody_answers_at_all() -> None:
    bench, _, call = placed()
    assert times(bench.advance(31.9)) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    bench.advance(0.2)
    silent = HopFailed(call, UDP, HopFault.SILENT)
    assert bench.take_events() == [silent, CallEnded(call, EndCause.TRANSACTION_TIMEOUT)]
    assert_nothing_is_left(bench)


def test_the_flow_fails() -> None:
    bench, _, call = placed()
    bench.ua.flow_failed(UDP, bench.now)
    bench.drain()
    unreachable = HopFailed(call, UDP, HopFault.UNREACHABLE)
    assert bench.take_events() == [unreachable, CallEnded(call, EndCause.FLOW_FAILED)]
    assert bench.ua.stats.flows_failed == 1
    assert_nothing_is_left(bench)


def test_a_flow_that_fails_after_the_answer_does_not_end_the_call() -> None:
    bench, sent, call = placed()
    bench.feed(callee(sent, 200, "callee", ANSWER))
    bench.ua.flow_failed(UDP, bench.now)
    bench.drain()
    assert bench.take_events() == [CallAnswered(call, ANSWER)]


def test_cancel_waits_for_a_provisional_answer() -> None:
    bench, sent, call = placed(route=("<sip:p.example.com;lr>",))
    bench.ua.hang_up(call, bench.now, headers=[("Reason", "SIP;cause=200")])
    assert bench.drain() == []
    assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)]
    (cancel,) = bench.feed(respond(sent, 100))
    assert isinstance(cancel, Request)
    assert cancel.method == "CANCEL"
    assert cancel.uri == sent.uri
    assert cancel.headers.get_all("Via") == sent.headers.get_all("Via")
    assert cancel.headers.get("Route") == "<sip:p.example.com;lr>"
    assert cancel.headers.get("To") == sent.headers.get("To")
    assert cancel.headers.get("From") == sent.headers.get("From")
    assert cancel.cseq == (sent.cseq.number, "CANCEL")
    assert cancel.headers.get("Reason") == "SIP;cause=200"
    assert bench.feed(callee(sent, 180)) == [], "one CANCEL is enough"
    bench.feed(respond(cancel, 200))
    assert statuses(bench.feed(respond(sent, 487, to_tag="callee"))) == ["ACK"]
    assert bench.take_events() == []
    assert_nothing_is_left(bench)


def test_the_200_crosses_the_cancel_ack_then_bye() -> None:
    bench, sent, call = placed()
    bench.feed(callee(sent, 180))
    bench.take_events()
    bench.ua.hang_up(call, bench.now)
    assert statuses(bench.drain()) == ["CANCEL"]
    crossed = bench.feed(callee(sent, 200, "callee", ANSWER))
    assert statuses(crossed) == ["ACK", "BYE"]
    assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)]
    assert statuses(bench.feed(callee(sent, 200, "callee", ANSWER))) == ["ACK"], "its repetition is acknowledged too"
    assert bench.ua.calls == bench.ua.dialogs == 0
    assert_nothing_is_left(bench)


def test_a_200_before_the_cancel_could_leave() -> None:
    bench, sent, call = placed()
    bench.ua.hang_up(call, bench.now)
    assert statuses(bench.feed(callee(sent, 200, "callee", ANSWER))) == ["ACK", "BYE"]
    assert_nothing_is_left(bench)


def test_a_cancelled_invite_nobody_ends_is_given_up_after_64_t1() -> None:
    bench, sent, call = placed()
    bench.feed(callee(sent, 180))
    bench.ua.hang_up(call, bench.now)
    (cancel,) = bench.drain()
    assert isinstance(cancel, Request)
    bench.feed(respond(cancel, 200))
    bench.advance(31.9)
    assert bench.ua.calls == 1
    bench.advance(0.2)
    assert bench.counts() == (0, 0, 0)


def test_an_unheard_cancelled_invite_ends_with_timer_b() -> None:
    bench, _, call = placed()
    bench.ua.hang_up(call, bench.now)
    assert_nothing_is_left(bench)
    assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)], "told once"


def test_ringing_has_a_limit() -> None:
    bench, sent, call = placed()
    bench.feed(callee(sent, 180))
    bench.take_events()
    assert statuses(message for _, message in bench.advance(180.1)) == ["CANCEL"]
    assert bench.take_events() == [CallEnded(call, EndCause.RING_LIMIT)]
    assert_nothing_is_left(bench)


def test_an_answered_call_has_no_limit_of_ringing() -> None:
    bench, sent, call = placed()
    bench.feed(callee(sent, 180))
    bench.feed(callee(sent, 200, "callee", ANSWER))
    assert bench.advance(3600) == []
    assert bench.ua.calls == 1
    assert bench.take_events()[-1] == CallAnswered(call, ANSWER)


def test_the_peer_hangs_up_a_call_we_placed() -> None:
    bench, sent, call = placed()
    bench.feed(callee(sent, 200, "callee", ANSWER))
    bench.take_events()
    bye = request("BYE", call_id=sent.call_id, from_tag="callee", to_tag=sent.from_.tag, cseq=1)
    assert statuses(bench.feed(bye)) == [200]
    assert bench.take_events() == [CallEnded(call, EndCause.BYE)]
    assert_nothing_is_left(bench)


def test_a_bye_from_a_side_that_has_not_answered_takes_the_invite_back() -> None:
    bench, sent, call = placed()
    bench.feed(callee(sent, 180))
    bench.take_events()
    bye = request("BYE", call_id=sent.call_id, from_tag="callee", to_tag=sent.from_.tag, cseq=1)
    assert statuses(bench.feed(bye)) == [200, "CANCEL"]
    assert bench.take_events() == [CallEnded(call, EndCause.BYE)]
    assert_nothing_is_left(bench)


def test_an_invite_against_our_own_unanswered_one_gets_491() -> None:
    bench, sent, _ = placed()
    bench.feed(callee(sent, 180))
    theirs = request("INVITE", call_id=sent.call_id, from_tag="callee", to_tag=sent.from_.tag, cseq=1, body=OFFER)
    assert statuses(bench.feed(theirs)) == [491]


def test_a_2xx_without_a_usable_contact_is_acknowledged_at_the_target() -> None:
    bench, sent, call = placed()
    (ack,) = bench.feed(respond(sent, 200, to_tag="callee", headers=[("Contact", "*"), SDP], body=ANSWER))
    assert isinstance(ack, Request)
    assert ack.uri == sent.uri
    assert bench.take_events() == [CallAnswered(call, ANSWER)]


def test_a_peer_with_ever_new_tags_gets_no_more_of_our_memory() -> None:
    bench, sent, _ = placed()
    for number in range(100):
        bench.feed(callee(sent, 180, f"early-{number}"))
    assert bench.ua.dialogs == 16
    sent_by_us = [statuses(bench.feed(callee(sent, 200, f"late-{number}", ANSWER))) for number in range(100)]
    assert sent_by_us.count(["ACK", "BYE"]) == 15
    assert sent_by_us.count([]) == 84
    assert_answered_calls_end(bench)


def assert_answered_calls_end(bench: UserAgentBench) -> None:
    (call,) = (event.call for event in bench.take_events() if isinstance(event, CallAnswered))
    bench.ua.hang_up(call, bench.now)
    assert_nothing_is_left(bench)


def test_responses_with_nul_in_a_dialog_header_are_dropped() -> None:
    bench, sent, _ = placed()
    data = callee(sent, 200, "callee", ANSWER).to_bytes().replace(b"tag=callee", b"tag=c\x00llee")
    assert bench.feed(data) == []
    assert bench.ua.stats.malformed_responses == 1


def test_arguments_that_are_no_sip_are_refused_at_once() -> None:
    for changes in ({"from_": "not an address"}, {"to": "<sip:broken"}, {"headers": (("X", "a\r\nEvil: b"),)}):
        with pytest.raises(LocalProtocolError):
            placed(**changes)


def test_a_full_table_places_no_call() -> None:
    bench = UserAgentBench(max_calls=1)
    bench.ua.invite(invitation(UDP), bench.now)
    with pytest.raises(CapacityError):
        bench.ua.invite(invitation(UDP), bench.now)


def test_a_bye_in_the_early_dialog_after_our_cancel_changes_nothing() -> None:
    bench, sent, call = placed()
    bench.feed(callee(sent, 180))
    bench.ua.hang_up(call, bench.now)
    bench.drain()
    bye = request("BYE", call_id=sent.call_id, from_tag="callee", to_tag=sent.from_.tag, cseq=1)
    assert statuses(bench.feed(bye)) == [200]
    assert_nothing_is_left(bench)
    assert [type(event) for event in bench.take_events()] == [CallRinging, CallEnded]


def test_the_first_answer_closes_the_other_early_dialogs() -> None:
    bench, sent, _ = placed()
    bench.feed(callee(sent, 180, "one"))
    bench.feed(callee(sent, 180, "two"))
    assert bench.ua.dialogs == 2
    bench.feed(callee(sent, 200, "one", ANSWER))
    assert bench.ua.dialogs == 1
    late = request("OPTIONS", call_id=sent.call_id, from_tag="two", to_tag=sent.from_.tag, cseq=1)
    assert statuses(bench.feed(late)) == [481]


# Hops

SECOND = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.8", 5060))
THIRD = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.9", 5060))


def placed_over(*hops: Flow, **changes: object) -> tuple[UserAgentBench, Request, str]:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(*hops, **changes), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    return bench, sent, call


def last_invite(bench: UserAgentBench) -> Request:
    return next(sent for sent in reversed(bench.sent) if isinstance(sent, Request) and sent.method == "INVITE")


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


# Ringing time


def test_ringing_time_of_the_call_itself() -> None:
    bench, sent, call = placed_over(UDP, SECOND, ring_timeout_s=20)
    bench.feed(callee(sent, 180))
    bench.take_events()
    assert [(at, message.cseq.method) for at, message in bench.advance(20.1)] == [(20.0, "CANCEL")]
    assert bench.take_events() == [CallEnded(call, EndCause.NO_ANSWER)]
    bench.feed(respond(sent, 487, to_tag="callee"))
    assert_nothing_is_left(bench)


def test_ringing_time_goes_on_over_hops() -> None:
    bench, _, call = placed_over(UDP, SECOND, ring_timeout_s=5)
    bench.advance(3)
    bench.feed(callee(last_invite(bench), 180), SECOND)
    bench.advance(2.1)
    assert bench.take_events()[-1] == CallEnded(call, EndCause.NO_ANSWER)


# Routes, Contact, arguments


def test_a_preloaded_loose_route_stands_before_the_request() -> None:
    _, sent, _ = placed_over(UDP, route=("<sip:edge.example.com;lr>", "<sip:core.example.com;lr>"))
    assert sent.uri == "sip:bob@example.net"
    assert sent.headers.split("Route") == ["<sip:edge.example.com;lr>", "<sip:core.example.com;lr>"]


def test_a_preloaded_strict_route_takes_the_request_uri() -> None:
    _, sent, _ = placed_over(UDP, route=("<sip:strict.example.com>", "<sip:core.example.com;lr>"))
    assert sent.uri == "sip:strict.example.com"
    assert sent.headers.split("Route") == ["<sip:core.example.com;lr>", "<sip:bob@example.net>"]


def test_the_ack_to_a_refusal_goes_by_the_same_hop_and_route() -> None:
    bench, sent, _ = placed_over(UDP, route=("<sip:edge.example.com;lr>",))
    (ack,) = bench.feed(respond(sent, 404, to_tag="x"))
    assert ack.headers.get("Route") == "<sip:edge.example.com;lr>"
    assert bench.flows[-1] == UDP


def test_the_contact_may_have_a_user_of_its_own() -> None:
    bench, sent, call = placed_over(UDP, contact_user="trunk7")
    assert sent.headers.get("Contact") == "<sip:trunk7@192.0.2.1:5060>"
    bench.feed(callee(sent, 200, "callee", ANSWER))
    bench.ua.reoffer(call, OFFER, bench.now)
    (again,) = bench.drain()
    assert again.headers.get("Contact") == "<sip:trunk7@192.0.2.1:5060>", "in its re-INVITE too"


def test_an_invitation_without_a_hop_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="hop"):
        UserAgentBench().ua.invite(invitation(hops=()), 0.0)


def test_events_carry_the_headers_and_the_reason() -> None:
    bench, sent, _ = placed()
    warning = ("Warning", '399 pbx "agent away"')
    bench.feed(respond(sent, 183, reason="Call Queued", to_tag="q", headers=[("P-Queue", "3")]))
    (ringing,) = bench.take_events()
    assert isinstance(ringing, CallRinging)
    assert (ringing.reason, ringing.headers.get("P-Queue")) == ("Call Queued", "3")
    bench.feed(respond(sent, 480, to_tag="q", headers=[warning]))
    (refused,) = bench.take_events()
    assert isinstance(refused, CallRefused)
    assert refused.headers.get("Warning") == warning[1]


# Redirects


def redirected(status: int, *contacts: str, **changes: object) -> tuple[UserAgentBench, Request, str]:
    bench, sent, call = placed_over(UDP, **changes)
    assert statuses(bench.feed(moved(sent, status, *contacts))) == ["ACK"]
    return bench, sent, call


def moved(sent: Request, status: int, *contacts: str) -> Response:
    return respond(sent, status, to_tag="there", headers=[("Contact", contact) for contact in contacts])


def test_a_redirect_is_told_and_followed() -> None:
    bench, first, call = redirected(302, "<sip:home@192.0.2.50>;q=0.2", "<sip:desk@192.0.2.60?X=y>;q=0.9")
    (event,) = bench.take_events()
    contacts = ("sip:desk@192.0.2.60", "sip:home@192.0.2.50")
    assert event == CallRedirected(call, contacts, 302, "Moved Temporarily")
    bench.ua.redirect(call, contacts[0], [SECOND], bench.now)
    (again,) = bench.drain()
    assert isinstance(again, Request)
    assert again.uri == contacts[0]
    assert again.call_id == first.call_id
    assert again.from_ == first.from_
    assert again.to == first.to
    assert again.cseq.number == first.cseq.number + 1
    assert again.via.branch != first.via.branch
    bench.feed(callee(again, 200, "desk", ANSWER), SECOND)
    assert bench.take_events() == [CallAnswered(call, ANSWER)]


def test_the_next_contact_is_told_when_the_first_one_refuses() -> None:
    bench, _, call = redirected(300, "<sip:a@192.0.2.50>", "<sip:b@192.0.2.60>")
    bench.ua.redirect(call, "sip:a@192.0.2.50", [SECOND], bench.now)
    bench.drain()
    bench.take_events()
    bench.feed(respond(last_invite(bench), 486, to_tag="x"), SECOND)
    assert bench.take_events() == [CallRedirected(call, ("sip:b@192.0.2.60",), 300, "Multiple Choices")]
    bench.ua.give_up(call)
    bench.drain()
    assert bench.take_events() == [CallRefused(call, 486, "Busy Here")]
    assert_nothing_is_left(bench)


def test_a_6xx_ends_the_search() -> None:
    bench, _, call = redirected(300, "<sip:a@192.0.2.50>", "<sip:b@192.0.2.60>")
    bench.ua.redirect(call, "sip:a@192.0.2.50", [SECOND], bench.now)
    bench.drain()
    bench.feed(respond(last_invite(bench), 603, to_tag="x"), SECOND)
    assert bench.take_events()[-1] == CallRefused(call, 603, "Decline")


def test_a_redirect_loop_is_refused() -> None:
    bench, _, call = redirected(302, "<sip:a@192.0.2.50>")
    bench.ua.redirect(call, "sip:a@192.0.2.50", [SECOND], bench.now)
    bench.drain()
    bench.feed(moved(last_invite(bench), 302, "<sip:bob@EXAMPLE.net>", "<sip:a@192.0.2.50>"), SECOND)
    assert bench.take_events()[-1] == CallRefused(call, 302, "Moved Temporarily")
    assert_nothing_is_left(bench)


def test_a_call_is_not_sent_around_for_ever() -> None:
    bench, sent, call = placed_over(UDP)
    for number in range(20):
        bench.feed(moved(sent, 302, f"<sip:next-{number}@192.0.2.50>"))
        (event,) = bench.take_events()
        if isinstance(event, CallRefused):
            break
        bench.ua.redirect(call, f"sip:next-{number}@192.0.2.50", [UDP], bench.now)
        bench.drain()
        sent = last_invite(bench)
    assert bench.ua.stats.redirects_followed == 5
    assert_nothing_is_left(bench)


def test_redirects_are_refusals_when_they_are_not_wanted_or_lead_nowhere() -> None:
    for status, contact, changes in (
        (302, "<sip:a@192.0.2.50>", {"follows_redirects": False}),
        (302, "<mailto:bob@example.net>", {}),
        (302, "not an address <", {}),
        (380, "<sip:a@192.0.2.50>", {}),
    ):
        bench, *_ = redirected(status, contact, **changes)  # type: ignore[arg-type]
        (event,) = bench.take_events()
        assert isinstance(event, CallRefused), contact
        assert event.status == status


def test_use_proxy_keeps_the_request_uri() -> None:
    bench, first, call = redirected(305, "<sip:proxy.example.net;lr>", route=("<sip:old.example.net;lr>",))
    (event,) = bench.take_events()
    assert isinstance(event, CallRedirected)
    assert event.status == 305
    contact = event.contacts[0]
    bench.ua.redirect(call, first.uri, [SECOND], bench.now, contact=contact, route=(f"<{contact}>",))
    (again,) = bench.drain()
    assert isinstance(again, Request)
    assert again.uri == first.uri
    assert again.headers.get("Route") == "<sip:proxy.example.net;lr>"


def test_a_call_given_up_while_its_redirect_is_resolved() -> None:
    bench, _, call = redirected(302, "<sip:a@192.0.2.50>")
    bench.take_events()
    bench.ua.hang_up(call, bench.now)
    assert bench.drain() == [], "there is no INVITE to take back"
    assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)]
    bench.ua.redirect(call, "sip:a@192.0.2.50", [SECOND], bench.now)
    bench.ua.give_up(call)
    assert bench.drain() == []
    assert_nothing_is_left(bench)


def test_a_redirect_nobody_decides_ends_with_the_ringing_time() -> None:
    bench, _, call = redirected(302, "<sip:a@192.0.2.50>", ring_timeout_s=10)
    bench.advance(10.1)
    assert bench.take_events()[-1] == CallEnded(call, EndCause.NO_ANSWER)
    assert_nothing_is_left(bench)


def test_a_redirect_to_what_is_no_uri_leaves_the_call_as_it_was() -> None:
    bench, _, call = redirected(302, "<sip:a@192.0.2.50>")
    for hops, uri in (([], "sip:a@192.0.2.50"), ([SECOND], "sip:a b")):
        with pytest.raises(LocalProtocolError):
            bench.ua.redirect(call, uri, hops, bench.now)
    bench.ua.redirect(call, "sip:a@192.0.2.50", [SECOND], bench.now)
    assert statuses(bench.drain()) == ["INVITE"]


# Challenges, in the words of RFC 3261 §22.2 and RFC 7616

CREDENTIALS = Credentials("alice", Secret("wonderland"))


def challenge(sent: Request, status: int = 401, nonce: str = "n1", extra: str = "", **params: str) -> Response:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    value = f'Digest realm="{params.get("realm", "pbx")}", nonce="{nonce}", qop="auth", algorithm=MD5{extra}'
    return respond(sent, status, to_tag="ask", headers=[(name, value)])


@pytest.mark.parametrize(("status", "name"), [(401, "Authorization"), (407, "Proxy-Authorization")])
def test_a_challenge_is_answered_in_a_new_invite(status: int, name: str) -> None:
    bench, first, call = placed_over(UDP, SECOND, credentials=CREDENTIALS)
    ack, again = bench.feed(challenge(first, status))
    assert isinstance(ack, Request)
    assert isinstance(again, Request)
    assert ack.method == "ACK"
    assert again.headers.get(name)
    assert (again.call_id, again.from_, again.to) == (first.call_id, first.from_, first.to)
    assert again.cseq.number == first.cseq.number + 1
    assert again.via.branch != first.via.branch
    assert bench.flows[-1] == UDP, "the hop that asked"
    (ack,) = bench.feed(callee(again, 200, "callee", ANSWER))
    assert ack.headers.get(name) == again.headers.get(name), "RFC 3261 13.2.2.4: the ACK has the same credentials"
    assert bench.take_events() == [CallAnswered(call, ANSWER)]


def test_proxy_and_pbx_may_both_ask() -> None:
    bench, first, _ = placed_over(UDP, credentials=CREDENTIALS)
    bench.feed(challenge(first, 407, realm="proxy"))
    bench.feed(challenge(last_invite(bench), 401, realm="pbx"))
    last = last_invite(bench)
    assert "Authorization" in last.headers
    assert "Proxy-Authorization" in last.headers


def test_a_stale_nonce_is_renewed_and_a_wrong_password_is_not_tried_twice() -> None:
    bench, first, call = placed_over(UDP, credentials=CREDENTIALS)
    bench.feed(challenge(first))
    bench.feed(challenge(last_invite(bench), nonce="n2", extra=", stale=true"))
    last = last_invite(bench)
    assert 'nonce="n2"' in (last.headers.get("Authorization") or "")
    assert statuses(bench.feed(challenge(last, nonce="n3"))) == ["ACK"]
    assert bench.take_events() == [CallRefused(call, 401, "Unauthorized")]
    assert_nothing_is_left(bench)


def test_challenges_are_bounded() -> None:
    bench, sent, _ = placed_over(UDP, credentials=CREDENTIALS)
    for number in range(30):
        bench.feed(challenge(sent, nonce=f"n{number}", realm=f"realm{number}", extra=", stale=true"))
        sent = last_invite(bench)
    assert sum(isinstance(one, Request) and one.method == "INVITE" for one in bench.sent) <= 7
    assert isinstance(bench.take_events()[-1], CallRefused)


def test_without_credentials_a_challenge_is_a_refusal() -> None:
    bench, first, call = placed_over(UDP)
    assert statuses(bench.feed(challenge(first))) == ["ACK"]
    assert bench.take_events() == [CallRefused(call, 401, "Unauthorized")]


def test_cancel_while_the_challenge_is_answered() -> None:
    bench, first, call = placed_over(UDP, credentials=CREDENTIALS)
    bench.feed(challenge(first))
    again = last_invite(bench)
    bench.feed(callee(again, 180))
    bench.ua.hang_up(call, bench.now)
    (cancel,) = bench.drain()
    assert isinstance(cancel, Request)
    assert (cancel.cseq.number, cancel.via.branch) == (again.cseq.number, again.via.branch)


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


def test_a_response_from_elsewhere_is_not_taken_for_a_request_over_a_connection() -> None:
    bench, sent, _ = placed_over(TCP)
    ringing = callee(sent, 180)
    for forged in (UDP, Flow("tcp", TCP.local, ("203.0.113.66", 5060), connection=9)):
        assert bench.feed(ringing, forged) == []
        assert bench.take_events() == []
    assert bench.ua.stats.stray_responses == 2
    bench.feed(ringing, Flow("tcp", TCP.local, (TCP.remote[0], 5060), connection=4))
    assert len(bench.take_events()) == 1, "the same host may have opened a connection of its own"


def talking_after_a_challenge() -> tuple[UserAgentBench, str]:
    bench, first, call = placed_over(UDP, credentials=CREDENTIALS)
    bench.feed(challenge(first, 407, nonce="n1"))
    bench.feed(callee(last_invite(bench), 200, "callee", ANSWER))
    bench.take_events()
    return bench, call


def test_requests_in_the_call_bring_the_credentials_with_them() -> None:
    bench, call = talking_after_a_challenge()
    bench.ua.reoffer(call, OFFER, bench.now)
    (again,) = bench.drain()
    value = again.headers.get("Proxy-Authorization") or ""
    assert "nc=00000002" in value
    assert 'nonce="n1"' in value
    (ack,) = bench.feed(respond(again, 200, headers=[CONTACT, SDP], body=ANSWER))  # type: ignore[arg-type]
    assert ack.headers.get("Proxy-Authorization") == value


def test_a_re_invite_whose_nonce_is_stale_is_sent_once_more() -> None:
    bench, call = talking_after_a_challenge()
    bench.ua.reoffer(call, OFFER, bench.now)
    (again,) = bench.drain()
    assert isinstance(again, Request)
    _, renewed = bench.feed(challenge(again, 407, nonce="n2", extra=", stale=true"))
    assert isinstance(renewed, Request)
    assert 'nonce="n2"' in (renewed.headers.get("Proxy-Authorization") or "")
    assert renewed.cseq.number == again.cseq.number + 1
    (ack,) = bench.feed(respond(renewed, 200, headers=[CONTACT, SDP], body=ANSWER))
    assert ack.cseq.number == renewed.cseq.number


def test_a_challenged_bye_is_sent_once_more_and_the_call_is_over_whatever_comes() -> None:
    bench, call = talking_after_a_challenge()
    bench.ua.hang_up(call, bench.now)
    (bye,) = bench.drain()
    assert isinstance(bye, Request)
    (again,) = bench.feed(challenge(bye, 407, nonce="n2", extra=", stale=true"))
    assert isinstance(again, Request)
    assert (again.method, again.cseq.number) == ("BYE", bye.cseq.number + 1)
    assert 'nonce="n2"' in (again.headers.get("Proxy-Authorization") or "")
    assert bench.feed(challenge(again, 407, nonce="n3")) == [], "refused: nothing more to say"
    assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)]
    assert_nothing_is_left(bench)


def test_without_credentials_a_challenged_bye_ends_the_call() -> None:
    bench, sent, call = placed()
    bench.feed(callee(sent, 200, "callee", ANSWER))
    bench.ua.hang_up(call, bench.now)
    (bye,) = bench.drain()
    assert isinstance(bye, Request)
    assert bench.feed(challenge(bye)) == []
    assert_nothing_is_left(bench)


def test_an_info_that_is_challenged_is_sent_once_more() -> None:
    bench, call = talking_after_a_challenge()
    bench.ua.info(call, "application/dtmf-relay", b"Signal=1", bench.now)
    (info,) = bench.drain()
    assert isinstance(info, Request)
    (again,) = bench.feed(challenge(info, 407, nonce="n2", extra=", stale=true"))
    assert isinstance(again, Request)
    assert (again.method, again.body) == ("INFO", b"Signal=1")
    assert again.cseq.number == info.cseq.number + 1
    bench.feed(respond(again, 200))
    assert bench.ua.calls == 1


def test_a_redirect_to_strangers_shows_them_no_credentials() -> None:
    for hop, expected in ((SECOND, ["ACK"]), (UDP, ["ACK", "INVITE"])):
        bench, first, call = placed_over(UDP, credentials=CREDENTIALS)
        bench.feed(moved(first, 302, "<sip:a@192.0.2.50>"))
        bench.ua.redirect(call, "sip:a@192.0.2.50", [hop], bench.now)
        bench.drain()
        assert statuses(bench.feed(challenge(last_invite(bench)), hop)) == expected


@pytest.mark.parametrize("where", ["realm", "nonce", "opaque"])
@pytest.mark.parametrize("odd", ["a\x00b", "a\x01b", "a\x7fb", "caf\u00e9\udce9"])
def test_odd_characters_in_a_challenge_raise_nothing(where: str, odd: str) -> None:
    bench, sent, _ = placed_over(UDP, credentials=CREDENTIALS)
    values = {"realm": "r", "nonce": "n", "opaque": "o", where: odd}
    text = ", ".join(f'{name}="{value}"' for name, value in values.items())
    raw = respond(sent, 401, to_tag="x", headers=[("WWW-Authenticate", "CHALLENGE")]).to_bytes()
    raw = raw.replace(b"CHALLENGE", f'Digest {text}, qop="auth"'.encode("utf-8", "surrogateescape"))
    sent_by_us = statuses(bench.feed(raw))
    assert sent_by_us == ([] if "\0" in odd else ["ACK", "INVITE"])


def test_a_top_route_of_sips_wants_a_contact_of_sips() -> None:
    tls = Flow("tls", ("192.0.2.1", 5061), ("198.51.100.7", 5061), connection=3)
    _, sent, _ = placed(tls, route=("<sips:proxy.example.net;lr>",))
    assert (sent.headers.get("Contact") or "").startswith("<sips:")
    _, sent, _ = placed(tls, route=("<sip:proxy.example.net;lr>", "<sips:behind.example.net;lr>"))
    assert (sent.headers.get("Contact") or "").startswith("<sip:")


def test_where_a_call_goes_is_not_said_in_to() -> None:
    _, sent, _ = placed(to="<sip:bob@example.net:5070;transport=tcp>", from_="<sip:a@example.com:5080>")
    assert sent.headers.get("To") == "<sip:bob@example.net>"
    assert sent.from_.uri == Address.parse("<sip:a@example.com>").uri
