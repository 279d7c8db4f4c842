"""What opens a call, what belongs to one, what keeps no state, and what is dropped."""

from __future__ import annotations

import pytest

from gateway.sip.events import RequestRefused
from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response
from tests.support.sip_peer import (
    ALLOWED,
    OFFER,
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
