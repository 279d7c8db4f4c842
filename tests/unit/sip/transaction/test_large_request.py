"""RFC 3261 §18.1.1: long requests go by TCP, and by UDP after all where TCP is refused."""

from __future__ import annotations

from gateway.sip.flow import Flow
from gateway.sip.message import Request
from gateway.sip.transaction.large_request import MAX_PEERS, MEMORY_S, TcpFirst
from gateway.sip.transaction.machine import TimerValues
from tests.support.sip_peer import (
    ANSWER,
    OFFER,
    TCP,
    UDP,
    UserAgentBench,
    invitation,
    invite,
    request,
    respond,
    statuses,
)

LONG = OFFER + b"a=x:" + b"y" * 1300 + b"\r\n"
OVER_TCP = Flow("tcp", UDP.local, UDP.remote)
CONTACT = ("Contact", "<sip:callee@203.0.113.9:5066>")
SDP = ("Content-Type", "application/sdp")


def placed(**changes: object) -> tuple[UserAgentBench, Request, str]:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(UDP, body=LONG, **changes), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    return bench, sent, call


def test_a_short_request_stays_a_datagram() -> None:
    short = invite()
    assert TcpFirst().choose(short, UDP, 0) is UDP
    assert short.via.transport == "UDP"
    assert TcpFirst().choose(invite(body=LONG), TCP, 0) is TCP


def test_a_long_invite_goes_by_tcp_and_says_so() -> None:
    bench, sent, _ = placed()
    assert bench.flows == [OVER_TCP]
    assert sent.via.transport == "TCP"
    assert sent.headers.get("Contact") == "<sip:gateway@192.0.2.1:5060>", "the call itself lives on UDP"
    assert bench.advance(1.5) == [], "a connection repeats by itself"


def test_refused_tcp_falls_back_to_udp_within_the_same_transaction() -> None:
    bench, sent, call = placed()
    bench.ua.send_failed(OVER_TCP, sent.to_bytes(), bench.now)
    (again,) = bench.drain()
    assert isinstance(again, Request)
    assert bench.flows[-1] == UDP
    assert again.via.transport == "UDP"
    assert again.via.branch == sent.via.branch
    assert bench.take_events() == [], "the hop has not failed"
    assert len(bench.advance(1.6)) == 2, "it is repeated like any datagram"
    bench.feed(respond(again, 100), UDP)
    bench.ua.hang_up(call, bench.now)
    (cancel,) = bench.drain()
    assert cancel.headers.get("Via") == again.headers.get("Via")
    assert bench.flows[-1] == UDP


def test_a_peer_that_refused_tcp_is_not_asked_again_for_a_while() -> None:
    bench, sent, _ = placed()
    bench.ua.send_failed(OVER_TCP, sent.to_bytes(), bench.now)
    bench.drain()
    bench.ua.invite(invitation(UDP, body=LONG), bench.now)
    bench.drain()
    assert bench.flows[-1] == UDP
    bench.now += MEMORY_S + 1
    bench.ua.invite(invitation(UDP, body=LONG), bench.now)
    bench.drain()
    assert bench.flows[-1] == OVER_TCP


def test_silence_on_tcp_falls_back_too() -> None:
    bench, _, _ = placed()
    sent = bench.advance(2.1)
    assert statuses(message for _, message in sent) == ["INVITE"]
    assert bench.flows[-1] == UDP


def test_cancel_and_the_ack_to_a_refusal_go_where_the_invite_went() -> None:
    bench, sent, call = placed()
    bench.feed(respond(sent, 180, to_tag="x", headers=[CONTACT]))
    bench.ua.hang_up(call, bench.now)
    (cancel,) = bench.drain()
    assert isinstance(cancel, Request)
    assert cancel.headers.get("Via") == sent.headers.get("Via")
    assert bench.flows[-1] == OVER_TCP
    assert statuses(bench.feed(respond(sent, 487, to_tag="x"))) == ["ACK"]
    assert bench.flows[-1] == OVER_TCP


def test_a_connection_that_breaks_after_the_answer_does_not_send_it_again() -> None:
    bench, sent, _ = placed()
    bench.feed(respond(sent, 100))
    bench.ua.flow_failed(OVER_TCP, bench.now)
    assert bench.drain() == []


def test_a_long_request_inside_a_call_goes_by_tcp_as_well() -> None:
    bench = UserAgentBench(timers=TimerValues())
    call = bench.ua.invite(invitation(UDP), bench.now)
    (sent,) = bench.drain()
    bench.feed(respond(sent, 200, to_tag="callee", headers=[CONTACT, SDP], body=ANSWER))  # type: ignore[arg-type]
    bench.ua.reoffer(call, LONG, bench.now)
    (again,) = bench.drain()
    assert bench.flows[-1] == OVER_TCP
    bench.ua.send_failed(OVER_TCP, again.to_bytes(), bench.now)
    (datagram,) = bench.drain()
    assert bench.flows[-1] == UDP
    assert datagram.via.transport == "UDP"


def test_zero_means_never() -> None:
    bench, _, _ = placed(tries_tcp_above=0)
    assert bench.flows == [UDP]


def test_memory_is_bounded() -> None:
    tcp_first = TcpFirst()
    for number in range(MAX_PEERS + 50):
        long = request("OPTIONS", body=LONG)
        flow = Flow("udp", UDP.local, ("198.51.100.7", number + 1))
        tcp_first.refused(long, tcp_first.choose(long, flow, 0), 0)
    assert len(tcp_first._without_tcp) == MAX_PEERS
