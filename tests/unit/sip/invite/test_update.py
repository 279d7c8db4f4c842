"""UPDATE (RFC 3311) from both sides, before and after the answer, and the glare of offers."""

from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.events import CallEnded, CallReoffered, EndCause, ReofferAnswered, ReofferCancelled, ReofferRefused
from gateway.sip.message import Request, Response
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
from tests.support.sip_peer import UDP, UserAgentBench, invitation, request, respond, statuses

CONTACT = ("Contact", "<sip:moved@198.51.100.8:5070>")
ELSEWHERE = OFFER.replace(b"4000", b"4800")


# From the peer


def test_without_a_body_it_refreshes_the_target_and_nothing_else() -> None:
    talk = inbound()
    (ok,) = talk.ask("UPDATE", headers=[CONTACT])
    assert isinstance(ok, Response)
    assert ok.status == 200
    assert ok.body == b""
    assert {"Contact", "Allow", "Supported"} <= {name for name, _ in ok.headers}
    assert talk.events() == []
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    assert talk.sent().uri == "sip:moved@198.51.100.8:5070"


def test_with_an_offer_it_is_answered_like_a_reinvite() -> None:
    talk = inbound()
    update = talk.request("UPDATE", body=ELSEWHERE, headers=[CONTACT])
    assert talk.bench.feed(update) == []
    assert talk.events() == [CallReoffered(talk.call, ELSEWHERE)]
    assert talk.bench.feed(update) == [], "repeated while we think"
    talk.bench.ua.answer_offer(talk.call, ANSWER, talk.bench.now)
    (ok,) = talk.bench.drain()
    assert isinstance(ok, Response)
    assert (ok.status, ok.body, ok.content_type) == (200, ANSWER, "application/sdp")
    assert ok.headers.get("Contact")
    assert statuses(talk.bench.feed(update)) == [200]


def test_an_offer_may_be_refused_with_a_warning_and_the_call_goes_on() -> None:
    talk = inbound()
    talk.ask("UPDATE", body=ELSEWHERE)
    warning = ("Warning", '305 gateway "Incompatible media format"')
    talk.bench.ua.refuse_offer(talk.call, 488, talk.bench.now, [warning])
    (refused,) = talk.bench.drain()
    assert isinstance(refused, Response)
    assert (refused.status, refused.headers.get("Warning")) == (488, warning[1])
    assert talk.bench.ua.calls == 1
    with pytest.raises(LocalProtocolError):
        talk.bench.ua.refuse_offer(talk.call, 488, talk.bench.now)
    with pytest.raises(LocalProtocolError):
        talk.bench.ua.answer_offer(talk.call, ANSWER, talk.bench.now)


def test_an_offer_that_nobody_answers_is_refused_in_time() -> None:
    talk = inbound()
    talk.ask("UPDATE", body=ELSEWHERE)
    talk.events()
    (early, trying), (at, refused) = talk.bench.advance(20)
    assert (early, at, statuses([trying, refused])) == (3.5, 15, [100, 488])
    assert talk.events() == [ReofferCancelled(talk.call)]


def test_a_second_one_meanwhile_gets_500_and_may_come_again() -> None:
    talk = inbound()
    talk.ask("UPDATE", body=ELSEWHERE)
    for body in (b"", OFFER):
        (refused,) = talk.ask("UPDATE", body=body)
        assert isinstance(refused, Response)
        assert refused.status == 500
        assert 0 <= int(refused.headers.get("Retry-After") or "") <= 10
    (refused,) = talk.ask("INVITE", body=OFFER)
    assert statuses([refused]) == [500]


def test_an_offer_meets_ours_and_gets_491_but_a_refresh_passes() -> None:
    talk = inbound()
    talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now)
    talk.sent()
    assert statuses(talk.ask("UPDATE", body=ELSEWHERE)) == [491]
    assert statuses(talk.ask("UPDATE")) == [200]


def test_an_offer_while_theirs_in_a_reinvite_is_open_gets_500() -> None:
    talk = inbound()
    talk.ask("INVITE", body=OFFER)
    assert statuses(talk.ask("UPDATE", body=ELSEWHERE)) == [500]


def test_an_offer_while_ours_in_a_2xx_is_open_gets_491() -> None:
    talk = offered(body=b"")
    talk.bench.ua.answer(talk.call, ANSWER, talk.bench.now)
    (ok,) = talk.bench.drain()
    talk.our_tag = ok.to.tag or ""
    assert statuses(talk.ask("UPDATE", body=ELSEWHERE)) == [491]


def test_before_the_answer_an_offer_must_wait_for_the_first_exchange() -> None:
    talk = offered()
    talk.bench.ua.ring(talk.call, talk.bench.now)
    (ringing,) = talk.bench.drain()
    talk.our_tag = ringing.to.tag or ""
    assert statuses(talk.ask("UPDATE", body=ELSEWHERE)) == [500]
    assert statuses(talk.ask("UPDATE", headers=[CONTACT])) == [200]
    talk.bench.ua.answer(talk.call, ANSWER, talk.bench.now)
    assert statuses(talk.bench.drain()) == [200]


def test_a_body_that_is_no_session_gets_415() -> None:
    talk = inbound()
    assert statuses(talk.ask("UPDATE", body=b"x", content_type="text/plain")) == [415]


def test_it_moves_the_call_to_another_flow() -> None:
    talk = inbound()
    moved = type(UDP)("udp", UDP.local, ("198.51.100.7", 6070))
    update = talk.request("UPDATE", via="SIP/2.0/UDP 198.51.100.7:6070;rport;branch=z9hG4bKmoved", headers=[CONTACT])
    talk.bench.feed(update, moved)
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    talk.sent()
    assert talk.bench.flows[-1].remote == ("198.51.100.7", 6070)


def test_hanging_up_refuses_what_is_open() -> None:
    talk = inbound()
    talk.ask("UPDATE", body=ELSEWHERE)
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    assert statuses(talk.bench.drain()) == [487, "BYE"]
    assert_nothing_is_left(talk.bench)


# Ours


def test_ours_with_an_offer_where_it_is_preferred() -> None:
    talk = outbound(headers=[ALL_METHODS])
    talk.bench.ua.reoffer(talk.call, ELSEWHERE, talk.bench.now, prefer_update=True)
    update = talk.sent()
    assert (update.method, update.body, update.content_type) == ("UPDATE", ELSEWHERE, "application/sdp")
    assert update.headers.get("Contact")
    talk.reply(update, 200, headers=[CONTACT, SDP], body=ANSWER)
    assert talk.events() == [ReofferAnswered(talk.call, ANSWER)]
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    assert talk.sent().uri == "sip:moved@198.51.100.8:5070"


def test_a_peer_that_never_said_update_gets_a_reinvite() -> None:
    talk = outbound()
    talk.bench.ua.reoffer(talk.call, ELSEWHERE, talk.bench.now, prefer_update=True)
    assert talk.sent().method == "INVITE"


@pytest.mark.parametrize("status", [405, 501])
def test_a_peer_that_takes_no_update_gets_the_offer_in_a_reinvite(status: int) -> None:
    talk = outbound(headers=[ALL_METHODS])
    talk.bench.ua.reoffer(talk.call, ELSEWHERE, talk.bench.now, prefer_update=True)
    (again,) = talk.reply(talk.sent(), status)
    assert isinstance(again, Request)
    assert (again.method, again.body) == ("INVITE", ELSEWHERE)
    talk.reply(again, 200, headers=[SDP], body=ANSWER)
    assert talk.events() == [ReofferAnswered(talk.call, ANSWER)]


def test_a_refused_one_leaves_the_call() -> None:
    talk = outbound(headers=[ALL_METHODS])
    talk.bench.ua.reoffer(talk.call, ELSEWHERE, talk.bench.now, prefer_update=True)
    talk.reply(talk.sent(), 488)
    assert talk.events() == [ReofferRefused(talk.call, 488, "Not Acceptable Here")]
    assert talk.bench.ua.calls == 1


def test_after_491_it_is_sent_again_within_the_time_of_the_rule() -> None:
    talk = outbound(headers=[ALL_METHODS])
    talk.bench.ua.reoffer(talk.call, ELSEWHERE, talk.bench.now, prefer_update=True)
    talk.reply(talk.sent(), 491)
    ((at, again),) = talk.bench.advance(4.0)[:1]
    assert 2.1 <= at <= 4.0
    assert isinstance(again, Request)
    assert again.method == "UPDATE"


def test_a_500_with_retry_after_is_obeyed_and_without_it_is_a_refusal() -> None:
    talk = outbound(headers=[ALL_METHODS])
    talk.bench.ua.reoffer(talk.call, ELSEWHERE, talk.bench.now, prefer_update=True)
    talk.reply(talk.sent(), 500, headers=[("Retry-After", "7 (busy)")])
    ((at, again),) = talk.bench.advance(7.1)
    assert (at, statuses([again])) == (7, ["UPDATE"])
    assert isinstance(again, Request)
    talk.reply(again, 500)
    assert talk.events() == [ReofferRefused(talk.call, 500, "Server Internal Error")]


@pytest.mark.parametrize("status", [481, 408])
def test_a_forgotten_dialog_ends_the_call(status: int) -> None:
    talk = outbound(headers=[ALL_METHODS])
    talk.bench.ua.update(talk.call, talk.bench.now)
    assert statuses(talk.reply(talk.sent(), status)) == ["BYE"]
    assert CallEnded(talk.call, EndCause.DIALOG_GONE) in talk.events()
    assert_nothing_is_left(talk.bench)


def test_silence_ends_the_call() -> None:
    talk = outbound(headers=[ALL_METHODS])
    talk.bench.ua.update(talk.call, talk.bench.now)
    talk.bench.advance(33)
    assert CallEnded(talk.call, EndCause.DIALOG_GONE) in talk.events()
    assert_nothing_is_left(talk.bench)


def test_one_change_at_a_time() -> None:
    talk = outbound(headers=[ALL_METHODS])
    talk.bench.ua.update(talk.call, talk.bench.now)
    for command in (
        lambda: talk.bench.ua.update(talk.call, talk.bench.now),
        lambda: talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now),
    ):
        with pytest.raises(LocalProtocolError):
            command()


def test_an_answer_that_comes_behind_our_bye_is_told_to_nobody() -> None:
    for status in (200, 491, 488):
        talk = outbound(headers=[ALL_METHODS])
        talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now, prefer_update=True)
        sent = talk.sent()
        talk.bench.ua.hang_up(talk.call, talk.bench.now)
        talk.reply(talk.sent(), 100)
        talk.events()
        talk.reply(sent, status, headers=[SDP], body=ANSWER)
        assert talk.events() == []
        assert {message.method for _, message in talk.bench.advance(400) if isinstance(message, Request)} == {"BYE"}
        assert_nothing_is_left(talk.bench)


def test_one_that_waits_while_the_invite_is_refused_leaves_nothing() -> None:
    bench = UserAgentBench()
    bench.ua.invite(invitation(), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    early = [PEER_CONTACT, SDP, ("Require", "100rel"), ("RSeq", "1")]
    (prack,) = bench.feed(respond(sent, 183, to_tag="callee", headers=early, body=ANSWER))
    bench.feed(respond(prack, 200))  # type: ignore[arg-type]
    bench.feed(request("UPDATE", from_tag="callee", to_tag=sent.from_.tag, call_id=sent.call_id, body=OFFER, cseq=5))
    assert isinstance(bench.take_events()[-1], CallReoffered)
    bench.feed(respond(sent, 486, to_tag="callee"))
    assert_nothing_is_left(bench)
