"""The core's face: what fails when something cannot be sent, draining, and that every table is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.base.errors import LocalProtocolError
from gateway.sip.events import CallEnded, CallOffered, EndCause
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
    refused,
    request,
    respond,
    statuses,
)


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
