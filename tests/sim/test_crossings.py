"""Messages that cross, come late or come twice: one user agent on virtual time, its peer made of messages."""

from __future__ import annotations

import pytest

from gateway.base.redact import Secret
from gateway.sip.digest import Credentials
from gateway.sip.events import CallEnded, CallOffered, CallRedirected, CallReoffered, EndCause, ReferProgress
from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response
from gateway.sip.transaction.machine import TimerValues
from tests.support.calls import (
    ALL_METHODS,
    ANSWER,
    OFFER,
    PEER_CONTACT,
    SDP,
    assert_nothing_is_left,
    inbound,
    offered,
    outbound,
)
from tests.support.sip_peer import TCP, UDP, UserAgentBench, ack_for, invitation, invite, respond, statuses

HOLD = OFFER.replace(b"- 1 1", b"- 1 2") + b"a=sendonly\r\n"
HELD = ANSWER.replace(b"- 2 1", b"- 2 2") + b"a=recvonly\r\n"
OURS = ("Session-Expires", "90;refresher=uas")
TIMER = ("Supported", "timer")


def placed(*hops: Flow, **changes: object) -> tuple[UserAgentBench, str, Request]:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(*hops, **changes), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    return bench, call, sent


# Refreshes


def test_a_refresh_of_ours_crosses_their_hold_and_the_session_lives_on() -> None:
    talk = inbound(headers=[TIMER, OURS, ALL_METHODS])
    ((_, refresh),) = talk.bench.advance(45.1)
    assert statuses(talk.ask("INVITE", body=HOLD)) == [100], "an UPDATE without an offer stands in nobody's way"
    assert talk.events() == [CallReoffered(talk.call, HOLD)]
    talk.reply(refresh, 491)  # type: ignore[arg-type]
    talk.bench.ua.answer_offer(talk.call, HELD, talk.bench.now)
    assert statuses(talk.bench.drain()) == [200]
    talk.acknowledge()
    assert statuses(message for _, message in talk.bench.advance(4))[0] == "UPDATE"


def test_who_refreshes_may_change_with_each_refresh() -> None:
    talk = inbound(headers=[TIMER, OURS, ALL_METHODS])
    (ok,) = talk.ask("UPDATE", headers=[TIMER, ("Session-Expires", "90;refresher=uac")])
    assert ok.headers.get("Session-Expires") == "90;refresher=uac"
    assert talk.bench.advance(50) == [], "theirs to do"
    talk.ask("UPDATE", headers=[TIMER, OURS])
    ((_, refresh),) = talk.bench.advance(45.1)
    assert refresh.headers.get("Session-Expires") == "90;refresher=uac", "ours, as the side that asks"
    talk.reply(refresh, 200, headers=[OURS, ("Require", "timer")])  # type: ignore[arg-type]
    talk.events()
    sent = talk.bench.advance(61)
    assert (sent[0][0], statuses([sent[0][1]])) == (60, ["BYE"]), "theirs again, and they did not"
    assert talk.events() == [CallEnded(talk.call, EndCause.SESSION_EXPIRED)]


def test_422_between_a_challenge_and_the_answer() -> None:
    bench, _, first = placed(credentials=Credentials("u", Secret("p")))
    challenge = ("WWW-Authenticate", 'Digest realm="r", nonce="n1", qop="auth"')
    _, second = bench.feed(respond(first, 401, to_tag="x", headers=[challenge]))
    assert isinstance(second, Request)
    ack, third = bench.feed(respond(second, 422, to_tag="x", headers=[("Min-SE", "3600")]))
    assert isinstance(third, Request)
    assert (statuses([ack]), third.headers.get("Session-Expires")) == (["ACK"], "3600")
    assert "nc=00000002" in (third.headers.get("Authorization") or "")
    assert third.cseq.number == first.cseq.number + 2
    (ack,) = bench.feed(respond(third, 200, to_tag="x", headers=[PEER_CONTACT, SDP], body=ANSWER))
    assert ack.cseq.number == third.cseq.number
    assert ack.headers.get("Authorization") == third.headers.get("Authorization")


# Ends


@pytest.mark.parametrize("flow", [UDP, TCP])
def test_taken_back_before_anybody_has_said_anything_and_answered_all_the_same(flow: Flow) -> None:
    bench, call, sent = placed(flow)
    bench.ua.hang_up(call, bench.now)
    assert bench.drain() == [], "RFC 3261 §9.1: no CANCEL before a provisional answer"
    answer = respond(sent, 200, to_tag="a", headers=[PEER_CONTACT, SDP], body=ANSWER)
    ack, bye = bench.feed(answer, flow)
    assert statuses([ack, bye]) == ["ACK", "BYE"]
    assert isinstance(bye, Request)
    bench.feed(respond(bye, 200), flow)
    assert statuses(bench.feed(answer, flow)) == ["ACK"], "repeated, for its ACK was lost"
    assert_nothing_is_left(bench)


def test_an_answer_that_is_repeated_behind_our_bye_is_acknowledged() -> None:
    talk = outbound()
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    talk.reply(talk.sent(), 200)
    assert statuses(talk.bench.feed(talk.answer)) == ["ACK"]
    assert_nothing_is_left(talk.bench)


def test_a_bye_that_overtakes_the_ack_ends_the_repetition_and_the_late_ack_harms_nobody() -> None:
    talk = offered()
    talk.bench.ua.answer(talk.call, ANSWER, talk.bench.now)
    (ok,) = talk.bench.drain()
    assert isinstance(ok, Response)
    talk.our_tag = ok.to.tag or ""
    assert statuses(talk.ask("BYE")) == [200]
    assert talk.bench.feed(ack_for(talk.invite, ok)) == []
    assert talk.bench.advance(40) == []
    assert_nothing_is_left(talk.bench)


def test_a_redirect_behind_early_media_forgets_the_early_dialog() -> None:
    bench, call, sent = placed()
    bench.feed(respond(sent, 183, to_tag="a", headers=[PEER_CONTACT, SDP], body=ANSWER))
    moved = respond(sent, 302, to_tag="a", headers=[("Contact", "<sip:c@198.51.100.9>")])
    assert statuses(bench.feed(moved)) == ["ACK"]
    assert isinstance(bench.take_events()[-1], CallRedirected)
    assert bench.ua.dialogs == 0
    bench.ua.redirect(call, "sip:c@198.51.100.9", [UDP], bench.now)
    (second,) = bench.drain()
    assert isinstance(second, Request)
    assert (second.cseq.number, second.call_id, second.from_.tag, second.to.tag) == (
        sent.cseq.number + 1,
        sent.call_id,
        sent.from_.tag,
        None,
    )


# Transfers


def test_a_transfer_is_asked_for_while_a_change_is_open() -> None:
    talk = inbound()
    talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now)
    change = talk.sent()
    talk.bench.ua.refer(talk.call, "sip:carol@example.net", talk.bench.now)
    refer = talk.sent()
    assert refer.cseq.number == change.cseq.number + 1
    talk.reply(refer, 202)
    assert statuses(talk.reply(change, 200, headers=[SDP], body=ANSWER)) == ["ACK"]
    talk.events()
    fragment = [("Event", "refer"), ("Subscription-State", "terminated;reason=noresource")]
    told = talk.ask("NOTIFY", headers=fragment, body=b"SIP/2.0 200 OK\r\n", content_type="message/sipfrag")
    assert statuses(told) == [200]
    assert talk.events() == [ReferProgress(talk.call, 200, "OK", is_final=True)]


def test_a_call_that_still_rings_is_taken_over_and_its_ringing_cancelled() -> None:
    bench, call, sent = placed()
    bench.feed(respond(sent, 180, to_tag="a", headers=[PEER_CONTACT]))
    bench.take_events()
    names = f"{sent.call_id};to-tag={sent.from_.tag};from-tag=a;early-only"
    bench.feed(invite(call_id="new", headers=[("Replaces", names)]))
    (event,) = bench.take_events()
    assert isinstance(event, CallOffered)
    assert event.replaces == call
    bench.ua.answer(event.call, ANSWER, bench.now)
    assert set(statuses(bench.drain())) == {200, "CANCEL"}


# Ways


def test_a_strict_router_stands_in_the_request_uri_of_the_reinvite_and_of_its_ack() -> None:
    talk = inbound(headers=[("Record-Route", "<sip:strict.example.net>, <sip:second.example.net;lr>")])
    talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now)
    sent = talk.sent()
    assert sent.uri == "sip:strict.example.net"
    assert sent.headers.split("Route") == ["<sip:second.example.net;lr>", "<sip:caller@198.51.100.7:5060>"]
    moved = [SDP, ("Contact", "<sip:new@198.51.100.7>")]
    (ack,) = talk.reply(sent, 200, headers=moved, body=ANSWER)
    assert isinstance(ack, Request)
    assert ack.uri == "sip:strict.example.net"
    assert ack.headers.split("Route") == ["<sip:second.example.net;lr>", "<sip:new@198.51.100.7>"]


def test_a_bye_too_long_for_a_datagram_goes_by_tcp_with_its_whole_route() -> None:
    proxies = ", ".join(f"<sip:proxy{n}.example.net;lr;did={'x' * 60}>" for n in range(12))
    talk = inbound(headers=[("Record-Route", proxies)])
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    bye = talk.sent()
    assert (talk.bench.flows[-1].transport, bye.via.transport) == ("tcp", "TCP")
    assert len(bye.headers.split("Route")) == 12


# Estimates of the round trip


FAST = TimerValues(t1=0.1, t2=0.8, t4=1.0)


def test_every_timer_follows_the_estimate_of_the_round_trip() -> None:
    talk = offered(config={"timers": FAST}, headers=[("Supported", "100rel")])
    talk.bench.ua.ring(talk.call, talk.bench.now, 183, body=ANSWER)
    talk.bench.drain()
    sent = talk.bench.advance(6.5)
    repeated = [at for at, message in sent if message.status == 183]  # type: ignore[union-attr]
    assert repeated == pytest.approx([0.1, 0.3, 0.7, 1.5, 3.1, 6.3])
    at, refused = next((at, message) for at, message in sent if message.status == 504)  # type: ignore[union-attr]
    assert (at, statuses([refused])) == (pytest.approx(6.4), [504])
    assert talk.events() == [CallEnded(talk.call, EndCause.PRACK_TIMEOUT)]


def test_an_update_and_the_answers_to_theirs_follow_it_too() -> None:
    talk = inbound(config={"timers": FAST}, headers=[ALL_METHODS])
    talk.ask("UPDATE", body=HOLD)
    ((at, trying),) = talk.bench.advance(1)
    assert (at, statuses([trying])) == (pytest.approx(0.7), [100])
    talk.bench.ua.answer_offer(talk.call, HELD, talk.bench.now)
    talk.bench.drain()
    talk.events()
    talk.bench.ua.update(talk.call, talk.bench.now)
    talk.sent()
    sent = [at for at, message in talk.bench.advance(6.5) if statuses([message]) == ["UPDATE"]]
    assert sent == pytest.approx([0.1, 0.3, 0.7, 1.5, 2.3, 3.1, 3.9, 4.7, 5.5, 6.3])
    assert talk.events() == [CallEnded(talk.call, EndCause.DIALOG_GONE)]


def test_the_ack_to_a_refusal_is_repeated_as_long_as_the_refusal_is() -> None:
    bench = UserAgentBench(timers=FAST)
    bench.ua.invite(invitation(), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    refused = respond(sent, 486, to_tag="a")
    for _ in range(3):
        assert statuses(bench.feed(refused)) == ["ACK"]
        bench.advance(2)
    bench.advance(1)
    assert bench.feed(refused) == [], "timer D is over"
    assert bench.counts() == (0, 0, 0)
