"""The door is asked, and what it says is done: silence, refusal, challenge; inside calls too."""

from __future__ import annotations

import pytest

from gateway.sip.admission import Allow, Challenge, Refuse, Silence
from gateway.sip.events import CallCancelled, CallConfirmed, CallOffered, RequestRefused
from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response
from tests.support.sip_peer import (
    ANSWER,
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
