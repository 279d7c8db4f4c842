"""The core's face: who gets which answer outside a call, what is not answered, and that every table is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.base.errors import LocalProtocolError
from gateway.sip.admission import Allow, Challenge, Refuse, Silence
from gateway.sip.events import CallCancelled, CallConfirmed, CallEnded, CallOffered, EndCause, RequestRefused
from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response
from tests.support.sip_peer import (
    ANSWER,
    OFFER,
    TCP,
    UDP,
    UserAgentBench,
    ack_for,
    invitation,
    invite,
    request,
    respond,
    statuses,
)


def refused(bench: UserAgentBench, message: Request, flow: Flow = UDP) -> tuple[Response, RequestRefused]:
    (response,) = bench.feed(message, flow)
    assert isinstance(response, Response)
    (event,) = bench.take_events()
    assert isinstance(event, RequestRefused)
    return response, event


# OPTIONS and refusals


def test_options_outside_a_dialog_tell_what_we_can() -> None:
    bench = UserAgentBench()
    ping = request("OPTIONS")
    (response,) = bench.feed(ping)
    assert isinstance(response, Response)
    assert response.status == 200
    assert response.headers.get("Allow") == ALLOWED
    assert response.headers.get("Accept") == "application/sdp"
    assert response.headers.get("Server") == "inworld-sip-gateway"
    assert response.to.tag
    (again,) = bench.feed(ping)
    assert again.to_bytes() == response.to_bytes(), "the tag too, though nothing was kept"
    assert bench.counts() == (0, 0, 0)
    assert bench.ua.next_deadline() is None
    (other,) = bench.feed(request("OPTIONS", call_id="2"))
    assert other.to.tag != response.to.tag


@pytest.mark.parametrize("method", ["REGISTER", "MESSAGE", "PUBLISH"])
def test_methods_not_served_get_405_with_allow(method: str) -> None:
    bench = UserAgentBench()
    response, event = refused(bench, request(method, contact="<sip:a@b>"))
    assert response.status == 405
    assert response.headers.get("Allow") == ALLOWED
    assert event == RequestRefused(method, UDP, 405, "method")
    assert bench.counts() == (0, 0, 0)


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (request("DANCE"), 501),
        (request("NOTIFY", headers=[("Event", "keep-alive")]), 489),
        (request("NOTIFY", headers=[("Event", "refer")]), 481),
        (request("SUBSCRIBE", headers=[("Event", "presence")]), 489),
        (request("REFER", headers=[("Refer-To", "<sip:x@example.com>")]), 403),
        (request("UPDATE"), 481),
        (request("INFO"), 481),
        (request("PRACK"), 481),
        (request("BYE"), 481),
        (request("BYE", to_tag="unknown"), 481),
        (request("INFO", to_tag="unknown"), 481),
        (request("UPDATE", to_tag="unknown"), 481),
        (request("NOTIFY", to_tag="unknown", headers=[("Event", "refer")]), 481),
        (request("OPTIONS", to_tag="unknown"), 481),
        (invite(to_tag="unknown"), 481),
        (request("DANCE", to_tag="unknown"), 501),
        (invite(headers=[("Require", "precondition")]), 420),
        (invite(content_type="text/plain"), 415),
        (invite(uri="mailto:agent@example.com"), 416),
        (invite(contact="*"), 400),
        (invite(contact=None), 400),
        (invite(contact="<tel:+15550100>"), 400),
        (invite(contact="<mailto:caller@example.com>"), 400),
        (request("INVITE", headers=[("Contact", "<sip:a@b>")], body=OFFER), 400),
    ],
)
def test_refusals_keep_no_state_and_name_their_rule(message: Request, status: int) -> None:
    bench = UserAgentBench()
    response, event = refused(bench, message)
    assert response.status == status
    assert event.status == status
    assert event.rule
    assert event.method == message.method
    assert "Server" in response.headers
    assert bench.counts() == (0, 0, 0)
    assert bench.ua.next_deadline() is None
    assert bench.ua.stats.requests_refused == 1


def test_a_stateless_refusal_is_the_same_each_time_but_its_tag_is_secret() -> None:
    bench, other = UserAgentBench(seed=1), UserAgentBench(seed=2)
    message = invite(headers=[("Require", "precondition")])
    first, second = refused(bench, message)[0], refused(bench, message)[0]
    assert first.to_bytes() == second.to_bytes()
    assert first.to.tag != refused(other, message)[0].to.tag
    assert bench.feed(ack_for(message, first)) == []


def test_a_merged_request_gets_482() -> None:
    bench = UserAgentBench()
    bench.feed(invite(branch="z9hG4bKone"))
    bench.take_events()
    response, event = refused(bench, invite(branch="z9hG4bKtwo"))
    assert response.status == 482
    assert event.rule == "merged_request"
    assert bench.ua.calls == 1


# Malformed messages


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (b"CSeq: 1 INVITE\r\n", b"", "CSeq"),
        (b"CSeq: 1 INVITE", b"CSeq: one INVITE", "CSeq"),
        (b"Call-ID: call-1@peer\r\n", b"", "Call-ID"),
        (b"From: <sip:caller@example.com>;tag=caller-tag\r\n", b"", "From"),
        (b"To: <sip:agent@example.com>", b'To: "agent <sip:agent@example.com>', "To"),
        (b"Content-Length:", b"Content-Length: 99999\r\nX:", "Content-Length"),
    ],
)
def test_a_malformed_request_gets_400_that_names_the_fault(old: bytes, new: bytes, named: str) -> None:
    bench = UserAgentBench()
    data = invite().to_bytes()
    assert old in data
    (response,) = bench.feed(data.replace(old, new))
    assert isinstance(response, Response)
    assert response.status == 400
    assert named in response.reason or named in (response.headers.get("Warning") or "")
    assert bench.counts() == (0, 0, 0)
    assert [event.status for event in bench.take_events() if isinstance(event, RequestRefused)] == [400]


def test_a_request_of_another_version_gets_505() -> None:
    bench = UserAgentBench()
    assert statuses(bench.feed(invite().to_bytes().replace(b"SIP/2.0\r\n", b"SIP/7.0\r\n", 1))) == [505]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\0\0\0\0",
        b"hello",
        b"\x80" * 200,
        b"SIP/2.0 999 What\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\n\r\n",
        b"ACK sip:a@b SIP/2.0\r\n\r\n",
    ],
)
def test_what_cannot_be_answered_is_dropped(data: bytes) -> None:
    bench = UserAgentBench()
    assert bench.feed(data) == []
    assert bench.counts() == (0, 0, 0)


def test_a_broken_ack_is_never_answered() -> None:
    bench = UserAgentBench()
    broken = request("ACK", to_tag="x").to_bytes().replace(b"CSeq: 1 ACK", b"CSeq: ACK")
    assert bench.feed(broken) == []


def test_a_stray_response_is_counted_and_dropped() -> None:
    bench = UserAgentBench()
    assert bench.feed(respond(invite(), 200)) == []
    assert bench.feed(respond(invite(), 200).to_bytes().replace(b"Call-ID", b"X-Id")) == []
    assert bench.ua.stats.stray_responses == 1
    assert bench.ua.stats.malformed_responses == 1


def test_what_comes_is_counted_by_kind() -> None:
    bench = UserAgentBench()
    bench.feed(request("OPTIONS"))
    bench.feed(invite().to_bytes().replace(b"CSeq: 1 INVITE", b"CSeq: INVITE"))  # a header that cannot be read
    bench.feed(invite(to_tag="x", call_id="2").to_bytes().replace(b";tag=x", b";tag=x;tag=y"))
    bench.feed(invite().to_bytes().replace(b"Content-Length:", b"Content-Length: x\r\nX:"))  # no message at all
    bench.feed(b"INVITE sip:a@b SIP/2.0\r\n\r\n")  # no way back
    bench.feed(b"hello")
    stats = bench.ua.stats
    assert (stats.requests_received, stats.malformed_requests, stats.unreadable_messages) == (5, 3, 2)
    bench.ua.invite(invitation(UDP), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    bench.feed(respond(sent, 180, to_tag="t").to_bytes().replace(b"CSeq", b"X-CSeq"))
    assert (stats.responses_received, stats.malformed_responses) == (1, 1)


def test_even_a_broken_request_is_answered_through_the_nat_it_came_through() -> None:
    bench = UserAgentBench()
    nat = Flow("udp", UDP.local, ("198.51.100.7", 33333))
    data = request("OPTIONS", via="SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKnat;rport").to_bytes()
    (response,) = bench.feed(data.replace(b"Content-Length:", b"Content-Length: x\r\nX:"), nat)
    assert bench.flows == [nat]
    assert response.via.rport == 33333


# The door


@pytest.mark.parametrize(
    "message",
    [invite(), request("OPTIONS"), request("REGISTER"), request("BYE", to_tag="x"), request("CANCEL")],
)
def test_silence_sends_nothing_and_keeps_nothing(message: Request) -> None:
    bench = UserAgentBench(admission=Silence("unknown_source"))
    assert bench.feed(message) == []
    assert bench.counts() == (0, 0, 0)
    assert bench.ua.next_deadline() is None
    assert bench.take_events() == [RequestRefused(message.method, UDP, None, "unknown_source")]
    assert bench.ua.stats.requests_silenced == 1


def test_silence_covers_broken_requests_too() -> None:
    bench = UserAgentBench(admission=Silence("unknown_source"))
    assert bench.feed(invite().to_bytes().replace(b"CSeq: 1 INVITE", b"CSeq: INVITE")) == []
    assert bench.feed(invite().to_bytes().replace(b"Content-Length:", b"Content-Length: x\r\nX:")) == []


def test_a_source_that_is_not_heard_is_not_even_parsed() -> None:
    bench = UserAgentBench(hears=lambda flow, now: "unknown_callers" if flow.remote == UDP.remote else None)
    for count, data in enumerate((invite().to_bytes(), b"\xff" * 60_000, respond(invite(), 200).to_bytes()), 1):
        assert bench.feed(data) == []
        assert bench.take_events() == [RequestRefused("", UDP, None, "unknown_callers")]
        assert bench.ua.stats.requests_silenced == count
    stats = bench.ua.stats
    assert (stats.requests_received, stats.responses_received, stats.unreadable_messages) == (0, 0, 0)
    assert bench.asked == []
    assert statuses(bench.feed(invite(), TCP)) == [100], "another source is heard"


def test_who_we_asked_may_answer_even_where_nobody_else_is_heard() -> None:
    bench = UserAgentBench(hears=lambda flow, now: "unknown_callers")
    bench.ua.invite(invitation(UDP), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    assert statuses(bench.feed(respond(sent, 486, to_tag="t"))) == ["ACK"]
    assert bench.feed(invite()) == []
    bench.advance(33)
    bench.feed(respond(sent, 486, to_tag="t"))
    assert bench.ua.stats.responses_received == 1, "nothing is asked any more"
    assert bench.ua.stats.requests_silenced == 2


def test_the_door_may_refuse_with_a_status() -> None:
    bench = UserAgentBench(admission=Refuse(403, "Not from there", "unknown_source", (("X-Why", "source"),)))
    response, event = refused(bench, invite())
    assert (response.status, response.reason) == (403, "Not from there")
    assert response.headers.get("X-Why") == "source"
    assert event == RequestRefused("INVITE", UDP, 403, "unknown_source")
    assert bench.counts() == (0, 0, 0)


def test_the_door_may_ask_for_proof_and_nothing_is_kept_or_noted() -> None:
    bench = UserAgentBench(admission=Challenge((("WWW-Authenticate", 'Digest realm="gw"'),)))
    (response,) = bench.feed(invite())
    assert isinstance(response, Response)
    assert (response.status, response.headers.get("WWW-Authenticate")) == (401, 'Digest realm="gw"')
    assert bench.take_events() == []
    assert bench.ua.stats.requests_challenged == 1
    assert bench.counts() == (0, 0, 0)
    assert bench.feed(request("ACK", to_tag=response.to.tag)) == []


def test_an_offered_call_says_whose_it_is() -> None:
    bench = UserAgentBench(admission=Allow(trunk="carrier"))
    bench.feed(invite())
    (offered,) = bench.take_events()
    assert isinstance(offered, CallOffered)
    assert offered.admission == Allow(trunk="carrier")


def test_another_trunk_or_account_has_no_business_in_a_call() -> None:
    bench = UserAgentBench(admission=Allow(trunk="carrier"))
    sent = invite()
    bench.feed(sent)
    (offered,) = bench.take_events()
    assert isinstance(offered, CallOffered)
    bench.ua.answer(offered.call, ANSWER, bench.now)
    (ok,) = bench.drain()
    assert isinstance(ok, Response)
    bench.feed(ack_for(sent, ok))
    bench.take_events()
    bye = request("BYE", to_tag=ok.to.tag, cseq=2)
    for other in (Allow(trunk="pbx"), Allow(account="1001")):
        bench.admission = other
        assert statuses(bench.feed(bye, STRANGER)) == [403]
        assert bench.take_events() == [RequestRefused("BYE", STRANGER, 403, "anothers_call")]
    bench.admission = Allow(trunk="carrier")
    assert statuses(bench.feed(bye, STRANGER)) == [200]


def test_the_door_is_not_asked_again_inside_a_call() -> None:
    bench = UserAgentBench()
    sent = invite()
    bench.feed(sent)
    (event,) = bench.take_events()
    assert isinstance(event, CallOffered)
    assert bench.asked == ["INVITE"]
    bench.admission = Silence("closed")
    assert statuses(bench.feed(sent)) == [100]
    assert statuses(bench.feed(request("CANCEL", branch=sent.via.branch))) == [200, 487]
    assert bench.take_events() == [CallCancelled(event.call)]
    assert bench.asked == ["INVITE"]


ALLOWED = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY"
STRANGER = Flow("udp", UDP.local, ("203.0.113.66", 5060))


def test_a_stranger_who_knows_the_tags_can_neither_end_nor_change_nor_move_a_call() -> None:
    bench = UserAgentBench()
    sent = invite()
    bench.feed(sent)
    (offered,) = bench.take_events()
    assert isinstance(offered, CallOffered)
    bench.ua.answer(offered.call, ANSWER, bench.now)
    (ok,) = bench.drain()
    assert isinstance(ok, Response)
    bench.admission = Silence("unknown_callers")
    messages = [
        ack_for(sent, ok),
        request("BYE", to_tag=ok.to.tag, cseq=2),
        invite(to_tag=ok.to.tag, cseq=3, contact="<sip:thief@203.0.113.66>"),
        request("OPTIONS", to_tag=ok.to.tag, cseq=4),
    ]
    for message in messages:
        assert bench.feed(message, STRANGER) == []
        assert bench.take_events() == [RequestRefused(message.method, STRANGER, None, "unknown_callers")]
    bench.feed(ack_for(sent, ok))
    assert bench.take_events() == [CallConfirmed(offered.call, None)], "the caller's own is heard as before"
    assert statuses(bench.feed(request("BYE", to_tag=ok.to.tag, cseq=2))) == [200]


def test_a_call_may_move_to_another_host_that_the_door_lets_in() -> None:
    bench = UserAgentBench()
    sent = invite()
    bench.feed(sent)
    (offered,) = bench.take_events()
    assert isinstance(offered, CallOffered)
    bench.ua.answer(offered.call, ANSWER, bench.now)
    (ok,) = bench.drain()
    assert isinstance(ok, Response)
    bench.feed(ack_for(sent, ok), STRANGER)
    assert bench.take_events() == [CallConfirmed(offered.call, None)]
    assert bench.asked == ["INVITE", "ACK"]


def test_refusals_whose_ack_has_not_come_are_counted_for_whoever_wants_to_leave() -> None:
    bench = UserAgentBench()
    sent = [invite(call_id=f"call-{number}") for number in range(3)]
    for message in sent:
        bench.feed(message)
    calls = [event.call for event in bench.take_events() if isinstance(event, CallOffered)]
    assert bench.ua.unfinished_refusals == 0
    bench.ua.answer(calls[0], ANSWER, bench.now)
    for call in calls[1:]:
        bench.ua.reject(call, 503, bench.now)
    _, refusal, _ = bench.drain()
    assert isinstance(refusal, Response)
    assert bench.ua.unfinished_refusals == 2
    bench.feed(ack_for(sent[1], refusal))
    assert bench.ua.unfinished_refusals == 1
    bench.advance(33)
    assert bench.ua.unfinished_refusals == 0


# What could not be sent


def placed(bench: UserAgentBench, flow: Flow) -> tuple[str, bytes]:
    call = bench.ua.invite(invitation(flow), bench.now)
    ((_, data),) = bench.ua.take_outgoing()
    return call, data


def test_a_response_that_could_not_be_sent_fails_no_call() -> None:
    for flow in (UDP, TCP):
        bench = UserAgentBench()
        placed(bench, flow)
        bench.ua.receive_message(request("OPTIONS").to_bytes(), flow, bench.now)
        ((way_back, response),) = bench.ua.take_outgoing()
        bench.ua.send_failed(way_back, response, bench.now)
        bench.drain()
        assert bench.take_events() == []
        assert bench.ua.calls == 1


def test_a_datagram_that_could_not_be_sent_fails_its_own_call_and_a_connection_all_of_its_calls() -> None:
    for flow, lost in ((UDP, 1), (TCP, 2)):
        bench = UserAgentBench()
        first, data = placed(bench, flow)
        second, _ = placed(bench, flow)
        bench.ua.send_failed(flow, data, bench.now)
        bench.drain()
        ended = [event for event in bench.take_events() if isinstance(event, CallEnded)]
        expected = [CallEnded(call, EndCause.FLOW_FAILED) for call in (first, second)[:lost]]
        assert sorted(ended, key=str) == sorted(expected, key=str)
        assert bench.ua.calls == 2 - lost


# Draining and limits


def test_draining_turns_new_calls_and_pings_away_and_lets_live_calls_go_on() -> None:
    bench = UserAgentBench(retry_after_s=9)
    sent = invite()
    bench.feed(sent)
    (offered,) = bench.take_events()
    assert isinstance(offered, CallOffered)
    bench.ua.answer(offered.call, ANSWER, bench.now)
    (ok,) = bench.drain()
    assert isinstance(ok, Response)
    bench.feed(ack_for(sent, ok))
    bench.take_events()
    bench.ua.draining = True
    for message in (invite(call_id="2"), request("OPTIONS", call_id="3")):
        response, event = refused(bench, message)
        assert response.status == 503
        assert response.headers.get("Retry-After") == "9"
        assert event.rule == "draining"
    assert statuses(bench.feed(request("OPTIONS", to_tag=ok.to.tag, cseq=2))) == [200]
    assert statuses(bench.feed(request("BYE", to_tag=ok.to.tag, cseq=3))) == [200]
    assert bench.take_events() == [CallEnded(offered.call, EndCause.BYE)]


def test_too_many_calls_get_503_and_the_others_are_not_touched() -> None:
    bench = UserAgentBench(max_calls=3)
    answers = [statuses(bench.feed(invite(call_id=f"call-{number}"))) for number in range(5)]
    assert answers == [[100], [100], [100], [503], [503]]
    assert bench.ua.calls == 3


def test_too_many_transactions_get_503_but_a_bye_still_ends_its_call() -> None:
    bench = UserAgentBench(max_transactions=1)
    bench.feed(invite())
    (offered,) = bench.take_events()
    assert isinstance(offered, CallOffered)
    bench.ua.ring(offered.call, bench.now)
    (ringing,) = bench.drain()
    assert bench.ua.transactions == 1
    (refusal,) = bench.feed(invite(call_id="other"))
    assert isinstance(refusal, Response)
    assert refusal.status == 503
    assert "Retry-After" in refusal.headers
    assert statuses(bench.feed(request("OPTIONS", call_id="ping"))) == [200]
    bench.take_events()
    assert statuses(bench.feed(request("BYE", to_tag=ringing.to.tag, cseq=2))) == [200, 487]
    assert bench.take_events() == [CallEnded(offered.call, EndCause.BYE)]
    assert bench.ua.transactions == 1, "the BYE was answered, but not remembered"


def test_a_flood_from_one_source_fills_no_more_than_the_tables() -> None:
    bench = UserAgentBench(max_calls=50, max_transactions=100)
    for number in range(1000):
        bench.feed(invite(call_id=f"call-{number}"))
        bench.feed(request("OPTIONS", call_id=f"ping-{number}"))
    assert bench.ua.transactions <= 100
    assert bench.ua.calls <= 50


def test_after_all_timers_ran_out_nothing_is_left() -> None:
    bench = UserAgentBench()
    for number in range(300):
        sent = invite(call_id=f"call-{number}")
        bench.feed(sent)
        (offered,) = bench.take_events()
        assert isinstance(offered, CallOffered)
        step = number % 6
        if step == 0:
            bench.ua.answer(offered.call, ANSWER, bench.now)
            (ok,) = bench.drain()
            assert isinstance(ok, Response)
            bench.feed(ack_for(sent, ok))
            bench.feed(request("BYE", to_tag=ok.to.tag, cseq=2, call_id=sent.call_id))
        elif step == 1:
            bench.ua.reject(offered.call, 486, bench.now)
        elif step == 2:
            bench.feed(request("CANCEL", branch=sent.via.branch, call_id=sent.call_id))
        elif step == 3:
            bench.ua.answer(offered.call, ANSWER, bench.now)
        elif step == 4:
            bench.ua.answer(offered.call, ANSWER, bench.now)
            bench.ua.hang_up(offered.call, bench.now)
        bench.drain()
        bench.advance(0.01)
        bench.take_events()
    bench.advance(400)
    assert bench.counts() == (0, 0, 0)
    assert bench.ua.next_deadline() is None
    context = bench.ua._context
    assert not context.calls
    assert not context.dialogs
    assert not context.table._initial
    assert not context.table._on_flow
    assert not context.table._asked_hosts
    assert len(context.deadlines._heap) == len(context.wire.deadlines._heap) == 0


def test_a_command_for_a_call_that_is_over_is_ours_to_mend() -> None:
    bench = UserAgentBench()
    with pytest.raises(LocalProtocolError):
        bench.ua.answer("gone", ANSWER, bench.now)


def test_answers_find_their_way_by_rport_and_by_connection() -> None:
    bench = UserAgentBench()
    nat = Flow("udp", UDP.local, ("198.51.100.7", 33333))
    bench.feed(request("OPTIONS", via="SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKnat;rport"), nat)
    assert bench.flows == [nat]
    assert bench.sent[0].via.rport == 33333
    assert bench.sent[0].via.received == "198.51.100.7"
    bench.feed(request("OPTIONS", via="SIP/2.0/TCP 198.51.100.7:5061;branch=z9hG4bKtcp", call_id="2"), TCP)
    assert bench.flows[-1] == TCP
    assert bench.flows[-1].fallback == ("198.51.100.7", 5061)


# Nothing raises


VALID = [
    invite().to_bytes(),
    request("BYE", to_tag="x").to_bytes(),
    request("CANCEL").to_bytes(),
    request("OPTIONS").to_bytes(),
    request("ACK", to_tag="x").to_bytes(),
    respond(invite(), 180).to_bytes(),
]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=600))
def test_no_bytes_raise(data: bytes) -> None:
    UserAgentBench().feed(data)


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(VALID),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 20), st.binary(max_size=12)), min_size=1, max_size=6),
)
def test_no_mutation_raises(data: bytes, edits: list[tuple[int, int, bytes]]) -> None:
    for at, length, replacement in edits:
        data = data[:at] + replacement + data[at + length :]
    bench = UserAgentBench()
    bench.feed(data)
    for event in bench.take_events():
        if isinstance(event, CallOffered):
            bench.ua.ring(event.call, bench.now)
            bench.ua.answer(event.call, ANSWER, bench.now)
            bench.advance(40)
    bench.advance(400)
    assert bench.counts() == (0, 0, 0)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([180, 200, 486]),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 20), st.binary(max_size=12)), min_size=1, max_size=6),
)
def test_no_mutated_response_raises_or_leaves_anything(status: int, edits: list[tuple[int, int, bytes]]) -> None:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(UDP), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    headers = [("Contact", "<sip:bob@203.0.113.9>"), ("Record-Route", "<sip:p.example.com;lr>")]
    data = respond(sent, status, to_tag="t", headers=headers).to_bytes()
    for at, length, replacement in edits:
        data = data[:at] + replacement + data[at + length :]
    bench.feed(data)
    bench.ua.hang_up(call, bench.now)
    bench.advance(400)
    assert bench.counts() == (0, 0, 0)


def test_what_is_still_being_said_is_counted() -> None:
    """A 2xx without its ACK at shutdown: the BYE waits, and so must who stops."""
    bench = UserAgentBench()
    sent = invite()
    bench.feed(sent)
    call = bench.take_events()[0].call  # type: ignore[union-attr]
    assert bench.ua.unfinished == 1
    bench.ua.answer(call, OFFER, bench.now)
    (ok,) = bench.drain()
    assert isinstance(ok, Response)
    bench.ua.hang_up(call, bench.now)
    assert bench.ua.unfinished == 1
    (bye,) = bench.feed(ack_for(sent, ok))
    assert isinstance(bye, Request)
    assert bench.ua.unfinished == 1
    bench.feed(respond(bye, 200))
    assert bench.ua.unfinished == 0
    refused_call = invite(call_id="2")
    bench.feed(refused_call)
    bench.ua.reject(bench.take_events()[-1].call, 486, bench.now)  # type: ignore[union-attr]
    (refusal,) = bench.drain()
    assert isinstance(refusal, Response)
    assert bench.ua.unfinished == 1
    bench.feed(ack_for(refused_call, refusal))
    assert bench.ua.unfinished == 0
