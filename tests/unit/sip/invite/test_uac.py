"""The calling side of RFC 3261 §13.2 and §9.1: ringing, forks, ACK to each 2xx, CANCEL and its races."""

from __future__ import annotations

import pytest

from gateway.base.errors import CapacityError, LocalProtocolError
from gateway.sip.address import Address
from gateway.sip.events import (
    CallAnswered,
    CallEnded,
    CallRefused,
    CallRinging,
    EndCause,
    HopFailed,
    HopFault,
)
from gateway.sip.flow import Flow
from gateway.sip.message import Request
from tests.support.placed_call import (
    SDP,
    SECOND,
    assert_nothing_is_left,
    callee,
    last_invite,
    placed,
    placed_over,
)
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


def test_a_response_from_elsewhere_is_not_taken_for_a_request_over_a_connection() -> None:
    bench, sent, _ = placed_over(TCP)
    ringing = callee(sent, 180)
    for forged in (UDP, Flow("tcp", TCP.local, ("203.0.113.66", 5060), connection=9)):
        assert bench.feed(ringing, forged) == []
        assert bench.take_events() == []
    assert bench.ua.stats.stray_responses == 2
    bench.feed(ringing, Flow("tcp", TCP.local, (TCP.remote[0], 5060), connection=4))
    assert len(bench.take_events()) == 1, "the same host may have opened a connection of its own"


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
