"""The called side of RFC 3261 §13.3 on virtual time: ringing, answering, repetition until ACK, refusing."""

from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.events import CallConfirmed, CallEnded, CallOffered, EndCause
from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response
from tests.support.sip_peer import (
    ANSWER,
    OFFER,
    TCP,
    UDP,
    UserAgentBench,
    ack_for,
    invite,
    request,
    respond,
    statuses,
    times,
)


def offered(flow: Flow = UDP, **changes: object) -> tuple[UserAgentBench, Request, str]:
    bench = UserAgentBench()
    sent = invite(**changes)
    assert statuses(bench.feed(sent, flow)) == [100]
    (event,) = bench.take_events()
    assert isinstance(event, CallOffered)
    return bench, sent, event.call


def answered(flow: Flow = UDP, **changes: object) -> tuple[UserAgentBench, Request, str, Response]:
    bench, sent, call = offered(flow, **changes)
    bench.ua.answer(call, ANSWER, bench.now)
    (response,) = bench.drain()
    assert isinstance(response, Response)
    return bench, sent, call, response


def test_an_invite_becomes_an_offer_with_its_request_and_flow() -> None:
    bench = UserAgentBench()
    bench.feed(invite())
    (event,) = bench.take_events()
    assert isinstance(event, CallOffered)
    assert event.offer == OFFER
    assert event.flow == UDP
    assert event.request.headers.get("From") == "<sip:caller@example.com>;tag=caller-tag"


def test_100_has_no_to_tag_and_180_opens_the_dialog() -> None:
    bench, _, call = offered(headers=[("Record-Route", "<sip:p.example.com;lr>")])
    trying = bench.sent[0]
    bench.ua.ring(call, bench.now)
    (ringing,) = bench.drain()
    assert trying.to.tag is None
    assert isinstance(ringing, Response)
    assert (ringing.status, ringing.reason) == (180, "Ringing")
    assert ringing.to.tag
    assert ringing.headers.get("Contact") == "<sip:gateway@192.0.2.1:5060>"
    assert ringing.headers.get("Record-Route") == "<sip:p.example.com;lr>"


def test_ringing_is_repeated_each_minute_for_the_proxies_on_the_way() -> None:
    bench, _, call = offered()
    bench.ua.ring(call, bench.now, status=183)
    bench.drain()
    assert times(bench.advance(150)) == [60, 120]


def test_a_repeated_invite_gets_the_last_answer_and_makes_no_second_call() -> None:
    bench, sent, call = offered()
    assert statuses(bench.feed(sent)) == [100]
    bench.ua.ring(call, bench.now)
    bench.drain()
    assert statuses(bench.feed(sent)) == [180]
    bench.ua.reject(call, 486, bench.now)
    bench.drain()
    assert statuses(bench.feed(sent)) == [486]
    assert bench.take_events() == [CallEnded(call, EndCause.REJECTED)]
    assert bench.ua.stats.requests_repeated == 3


def test_the_200_carries_what_rfc_3261_wants() -> None:
    bench, sent, call = offered()
    bench.ua.answer(call, ANSWER, bench.now, headers=[("X-Call", "7")])
    (response,) = bench.drain()
    assert isinstance(response, Response)
    assert response.status == 200
    assert response.body == ANSWER
    assert response.content_type == "application/sdp"
    assert response.headers.get("Contact") == "<sip:gateway@192.0.2.1:5060>"
    assert response.headers.get("Allow") == "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY"
    assert "Server" in response.headers
    assert response.headers.get("Supported") == "100rel, timer, replaces, norefersub"
    assert response.headers.get("X-Call") == "7"
    assert response.headers.get_all("Via") == sent.headers.get_all("Via")


@pytest.mark.parametrize("flow", [UDP, TCP])
def test_the_200_is_repeated_t1_to_t2_until_64_t1_then_bye(flow: Flow) -> None:
    bench, _, call, response = answered(flow)
    repeated = bench.advance(31.9)
    assert times(repeated) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert all(message.to_bytes() == response.to_bytes() for _, message in repeated)
    assert bench.take_events() == []
    last = bench.advance(0.2)
    assert statuses(message for _, message in last) == ["BYE"]
    assert bench.take_events() == [CallEnded(call, EndCause.ACK_TIMEOUT)]
    assert bench.ua.stats.acks_missing == 1
    assert bench.ua.stats.answers_repeated == 10
    bench.advance(100)
    assert bench.counts() == (0, 0, 0)
    assert bench.ua.next_deadline() is None


def test_the_ack_stops_the_repetition_and_confirms_the_call() -> None:
    bench, sent, call, response = answered()
    assert times(bench.advance(2)) == [0.5, 1.5], "the first ACK is lost"
    assert bench.feed(ack_for(sent, response)) == []
    assert bench.take_events() == [CallConfirmed(call, None)]
    assert bench.advance(100) == []
    assert bench.feed(ack_for(sent, response)) == [], "late repetitions are absorbed"
    assert bench.take_events() == []
    assert bench.ua.stats.stray_acks == 1


def test_an_ack_of_another_invite_confirms_nothing() -> None:
    bench, sent, _, response = answered(cseq=4)
    bench.feed(ack_for(sent, response, cseq=3))
    bench.feed(ack_for(sent, response, from_tag="other"))
    bench.feed(ack_for(sent, response, to_tag="other"))
    assert bench.take_events() == []
    assert bench.ua.stats.stray_acks == 3


def test_an_ack_that_reuses_the_branch_of_its_invite_is_understood() -> None:
    bench, sent, call, response = answered()
    bench.feed(ack_for(sent, response, branch=sent.via.branch))
    assert bench.take_events() == [CallConfirmed(call, None)]


def test_an_ack_to_the_address_of_record_is_matched_by_its_tags() -> None:
    bench, sent, call, response = answered()
    bench.advance(1)
    bench.feed(ack_for(sent, response, uri="sip:agent@example.com"))
    assert bench.take_events() == [CallConfirmed(call, None)]


def test_a_delayed_offer_takes_its_answer_from_the_ack() -> None:
    bench, sent, call = offered(body=b"")
    bench.ua.answer(call, OFFER, bench.now)
    (response,) = bench.drain()
    assert isinstance(response, Response)
    bench.feed(ack_for(sent, response, body=ANSWER))
    assert bench.take_events() == [CallConfirmed(call, ANSWER)]


def test_a_repeated_invite_after_the_200_is_absorbed() -> None:
    bench, sent, _, _ = answered()
    assert bench.feed(sent) == []


def test_a_refusal_is_acknowledged_hop_by_hop() -> None:
    bench, sent, call = offered()
    bench.ua.reject(call, 503, bench.now, reason="Agent away", headers=[("Retry-After", "10")])
    (refusal,) = bench.drain()
    assert isinstance(refusal, Response)
    assert (refusal.status, refusal.reason) == (503, "Agent away")
    assert refusal.headers.get("Retry-After") == "10"
    assert refusal.to.tag
    assert times(bench.advance(2)) == [0.5, 1.5]
    bench.feed(ack_for(sent, refusal))
    assert bench.advance(100) == []
    assert bench.counts() == (0, 0, 0)


def test_nobody_answers_within_the_ring_limit() -> None:
    bench, _, call = offered()
    bench.ua.ring(call, bench.now)
    bench.drain()
    sent = bench.advance(180)
    assert statuses(message for _, message in sent if isinstance(message, Response))[-1] == 480
    assert bench.take_events() == [CallEnded(call, EndCause.RING_LIMIT)]
    bench.advance(100)
    assert bench.counts() == (0, 0, 0)


def test_an_invite_that_expires_by_its_own_word_gets_487() -> None:
    bench, _, call = offered(headers=[("Expires", "20")])
    assert bench.advance(19.9) == []
    assert statuses(message for _, message in bench.advance(0.2)) == [487]
    assert bench.take_events() == [CallEnded(call, EndCause.RING_LIMIT)]


@pytest.mark.parametrize("expires", ["soon", "-1", "3600", ""])
def test_an_expiry_that_is_senseless_or_long_changes_nothing(expires: str) -> None:
    bench, _, _ = offered(headers=[("Expires", expires)])
    assert bench.advance(179.9) == []
    assert statuses(message for _, message in bench.advance(0.2)) == [480]


def test_commands_the_state_does_not_allow_are_ours_to_mend() -> None:
    bench, _, call, _ = answered()
    with pytest.raises(LocalProtocolError):
        bench.ua.answer(call, ANSWER, bench.now)
    with pytest.raises(LocalProtocolError):
        bench.ua.ring(call, bench.now)
    with pytest.raises(LocalProtocolError):
        bench.ua.reject(call, 486, bench.now)


def test_an_answered_call_has_no_limit_of_ringing() -> None:
    bench, sent, call, response = answered()
    bench.feed(ack_for(sent, response))
    assert bench.advance(3600) == []
    assert bench.take_events() == [CallConfirmed(call, None)]
    assert bench.ua.calls == 1


@pytest.mark.parametrize("status", [101, 199])
def test_every_provisional_status_rings(status: int) -> None:
    bench, _, call = offered()
    bench.ua.ring(call, bench.now, status=status)
    assert statuses(bench.drain()) == [status]


@pytest.mark.parametrize("status", [300, 699])
def test_every_status_from_300_on_refuses(status: int) -> None:
    bench, _, call = offered()
    bench.ua.reject(call, status, bench.now)
    assert statuses(bench.drain()) == [status]


@pytest.mark.parametrize("status", [100, 200, 99])
def test_ringing_takes_101_to_199(status: int) -> None:
    bench, _, call = offered()
    with pytest.raises(LocalProtocolError):
        bench.ua.ring(call, bench.now, status=status)


@pytest.mark.parametrize("status", [200, 180, 700])
def test_refusing_takes_300_to_699(status: int) -> None:
    bench, _, call = offered()
    with pytest.raises(LocalProtocolError):
        bench.ua.reject(call, status, bench.now)


def test_the_answer_goes_out_on_the_flow_of_the_invite() -> None:
    bench, _, call = offered(TCP, via="SIP/2.0/TCP 198.51.100.7:5062;branch=z9hG4bKtcp")
    bench.ua.answer(call, ANSWER, bench.now)
    (response,) = bench.drain()
    assert bench.flows[-1] == TCP
    assert bench.flows[-1].fallback == ("198.51.100.7", 5062)
    assert response.headers.get("Contact") == "<sip:gateway@192.0.2.1:5060;transport=tcp>"


def test_requests_while_ringing_are_answered_within_the_early_dialog() -> None:
    bench, _, call = offered()
    bench.ua.ring(call, bench.now)
    (ringing,) = bench.drain()
    options = request("OPTIONS", to_tag=ringing.to.tag, cseq=2)
    assert statuses(bench.feed(options)) == [200]
    assert respond(options, 200).to.tag == ringing.to.tag
