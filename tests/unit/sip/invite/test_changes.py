"""Changes of a session beyond one re-INVITE or UPDATE: delayed offers, an INVITE right behind the ACK, refusals."""

from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.events import (
    CallAnswered,
    CallConfirmed,
    CallEnded,
    CallReoffered,
    EndCause,
    ReofferAnswered,
    ReofferRefused,
)
from gateway.sip.message import Request, Response
from tests.support.calls import ALL_METHODS, ANSWER, OFFER, SDP, Talk, assert_nothing_is_left, inbound, outbound
from tests.support.sip_peer import UserAgentBench, ack_for, invitation, invite, respond, statuses


def test_an_immediate_second_invite_is_served_like_any_other() -> None:
    """IMS trunks send it right behind the ACK, with the same offer."""
    talk = inbound()
    talk.ask("INVITE", body=OFFER, headers=[("Supported", "timer"), ("Session-Expires", "1800;refresher=uac")])
    assert talk.events() == [CallReoffered(talk.call, OFFER)]
    talk.bench.ua.answer_offer(talk.call, ANSWER, talk.bench.now)
    (ok,) = talk.bench.drain()
    assert ok.headers.get("Session-Expires") == "1800;refresher=uac"
    talk.acknowledge()
    assert talk.events() == [CallConfirmed(talk.call, None, is_reoffer=True)]
    assert talk.bench.ua.calls == 1


def test_a_reinvite_without_a_session_asks_us_for_the_offer() -> None:
    talk = inbound()
    talk.ask("INVITE")
    assert talk.events() == [CallReoffered(talk.call, None)]
    talk.bench.ua.answer_offer(talk.call, OFFER, talk.bench.now)
    (ok,) = talk.bench.drain()
    assert ok.body == OFFER
    talk.acknowledge(body=ANSWER)
    assert talk.events() == [CallConfirmed(talk.call, ANSWER, is_reoffer=True)]


def test_ours_without_a_session_is_answered_with_an_offer_and_acknowledged_with_our_answer() -> None:
    talk = outbound()
    talk.bench.ua.reoffer(talk.call, b"", talk.bench.now)
    sent = talk.sent()
    assert (sent.method, sent.body, sent.content_type) == ("INVITE", b"", None)
    ok = {"headers": [("Contact", "<sip:bob@203.0.113.9>"), SDP], "body": OFFER}
    assert talk.reply(sent, 200, **ok) == []
    assert talk.events() == [ReofferAnswered(talk.call, OFFER)]
    assert talk.reply(sent, 200, **ok) == [], "repeated: the answer is not made yet"
    assert statuses(talk.ask("INVITE", body=OFFER)) == [491]
    talk.bench.ua.answer_offer(talk.call, ANSWER, talk.bench.now)
    ack = talk.sent()
    assert (ack.method, ack.body, ack.content_type) == ("ACK", ANSWER, "application/sdp")
    (again,) = talk.reply(sent, 200, **ok)
    assert again.to_bytes() == ack.to_bytes()
    with pytest.raises(LocalProtocolError):
        talk.bench.ua.answer_offer(talk.call, ANSWER, talk.bench.now)


@pytest.mark.parametrize("status", [400, 403, 415, 488, 500, 503, 606])
def test_a_rejected_reinvite_never_kills_the_call(status: int) -> None:
    talk = inbound()
    talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now)
    assert statuses(talk.reply(talk.sent(), status)) == ["ACK"]
    assert [type(event) for event in talk.events()] == [ReofferRefused]
    assert statuses(talk.ask("OPTIONS")) == [200]
    talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now)
    assert talk.sent().method == "INVITE"


def test_a_reinvite_of_the_peer_that_we_reject_never_kills_the_call() -> None:
    talk = inbound()
    talk.ask("INVITE", body=OFFER)
    talk.bench.ua.refuse_offer(talk.call, 488, talk.bench.now, [("Warning", '304 gateway "Media type not available"')])
    (refusal,) = talk.bench.drain()
    assert isinstance(refusal, Response)
    assert refusal.headers.get("Warning")
    talk.acknowledge(branch=refusal.via.branch)
    assert talk.bench.ua.calls == 1
    assert statuses(talk.ask("BYE")) == [200]
    assert_nothing_is_left(talk.bench)


def test_the_far_ends_bye_on_a_call_of_ours_is_never_481() -> None:
    talk = outbound()
    talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now)
    sent = talk.sent()
    talk.reply(sent, 200, headers=[SDP, ("Contact", "<sip:elsewhere@203.0.113.10>")], body=ANSWER)
    talk.events()
    assert statuses(talk.ask("BYE")) == [200]
    assert talk.events() == [CallEnded(talk.call, EndCause.BYE)]
    assert_nothing_is_left(talk.bench)


def test_nothing_is_changed_in_a_call_that_rings() -> None:
    talk = inbound()
    talk.bench.feed(invite(call_id="2", from_tag="2"))
    second = talk.bench.take_events()[0].call  # type: ignore[union-attr]
    for command in (
        lambda: talk.bench.ua.reoffer(second, OFFER, talk.bench.now),
        lambda: talk.bench.ua.update(second, talk.bench.now),
        lambda: talk.bench.ua.answer_offer(second, OFFER, talk.bench.now),
        lambda: talk.bench.ua.refuse_offer(second, 488, talk.bench.now),
    ):
        with pytest.raises(LocalProtocolError):
            command()


def test_a_refresh_by_command_repeats_the_session_where_the_peer_takes_no_update() -> None:
    talk = inbound()
    talk.bench.ua.update(talk.call, talk.bench.now)
    sent = talk.sent()
    assert (sent.method, sent.body) == ("INVITE", ANSWER)
    talk.reply(sent, 200, headers=[SDP], body=OFFER)
    assert talk.events() == []


def test_an_ack_that_was_overtaken_by_an_update_still_confirms() -> None:
    talk = inbound()
    talk.ask("INVITE", body=OFFER)
    talk.bench.ua.answer_offer(talk.call, ANSWER, talk.bench.now)
    (ok,) = talk.bench.drain()
    number = talk.cseq
    assert statuses(talk.ask("UPDATE")) == [200]
    talk.cseq = number
    talk.acknowledge()
    assert talk.bench.advance(40) == []
    assert isinstance(ok, Response)
    assert ack_for(talk.invite, ok)
    assert isinstance(talk.invite, Request)


# A call of ours without an offer


def asked_for_an_offer() -> tuple[Talk, Request]:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(body=b""), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    ok = respond(sent, 200, to_tag="callee", headers=[("Contact", "<sip:bob@203.0.113.9>"), SDP], body=OFFER)
    assert bench.feed(ok) == [], "the ACK waits for the answer"
    assert bench.take_events() == [CallAnswered(call, OFFER)]
    assert bench.feed(ok) == []
    return Talk(bench, call, sent.from_.tag or "", "callee", sent.call_id, sent, ok), sent


def test_an_invite_without_an_offer_is_acknowledged_with_our_answer() -> None:
    talk, sent = asked_for_an_offer()
    assert (sent.body, sent.content_type) == (b"", None)
    assert "100rel" not in (sent.headers.get("Supported") or "")
    assert statuses(talk.ask("UPDATE", body=OFFER)) == [491]
    with pytest.raises(LocalProtocolError):
        talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now)
    talk.bench.ua.answer_offer(talk.call, ANSWER, talk.bench.now)
    ack = talk.sent()
    assert (ack.method, ack.body, ack.cseq.number) == ("ACK", ANSWER, sent.cseq.number)
    (again,) = talk.bench.feed(talk.answer)
    assert again.to_bytes() == ack.to_bytes()
    with pytest.raises(LocalProtocolError):
        talk.bench.ua.answer_offer(talk.call, ANSWER, talk.bench.now)
    talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now)
    assert talk.sent().method == "INVITE"


def test_an_offer_that_does_not_suit_us_is_acknowledged_and_ended() -> None:
    talk, _ = asked_for_an_offer()
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    sent = talk.bench.drain()
    assert statuses(sent) == ["ACK", "BYE"]
    assert isinstance(sent[1], Request)
    talk.reply(sent[1], 200)
    assert_nothing_is_left(talk.bench)


def test_an_answer_without_an_offer_is_acknowledged_at_once() -> None:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(body=b""), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    answer = respond(sent, 200, to_tag="callee", headers=[("Contact", "<sip:bob@203.0.113.9>")])
    assert statuses(bench.feed(answer)) == ["ACK"]
    assert bench.take_events() == [CallAnswered(call, b"")]


def test_our_contact_keeps_its_user_in_the_answer_to_their_reinvite() -> None:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(contact_user="acme"), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    answer = respond(sent, 200, to_tag="callee", headers=[("Contact", "<sip:bob@203.0.113.9>"), SDP], body=ANSWER)
    bench.feed(answer)
    talk = Talk(bench, call, sent.from_.tag or "", "callee", sent.call_id, sent, answer)
    talk.ask("INVITE", body=OFFER)
    bench.ua.answer_offer(call, ANSWER, bench.now)
    (ok,) = bench.drain()
    assert ok.headers.get("Contact") == sent.headers.get("Contact")


def forked() -> tuple[UserAgentBench, str, Request, Talk]:
    """A call of ours that two ring for, each with a session agreed on; the talk is with the first."""
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    for tag in "ab":
        early = [("Contact", f"<sip:{tag}@203.0.113.9>"), SDP, ("Require", "100rel"), ("RSeq", "1"), ALL_METHODS]
        (prack,) = bench.feed(respond(sent, 183, to_tag=tag, headers=early, body=ANSWER))
        bench.feed(respond(prack, 200))  # type: ignore[arg-type]
    return bench, call, sent, Talk(bench, call, sent.from_.tag or "", "a", sent.call_id, sent, respond(sent, 183))


def test_what_one_fork_was_changing_ends_when_another_answers() -> None:
    bench, call, sent, talk = forked()
    talk.ask("UPDATE", body=OFFER)
    bench.take_events()
    answer = respond(sent, 200, to_tag="b", headers=[("Contact", "<sip:b@203.0.113.9>"), SDP], body=ANSWER)
    assert statuses(bench.feed(answer)) == ["ACK", 487]
    bench.take_events()
    with pytest.raises(LocalProtocolError):
        bench.ua.answer_offer(call, ANSWER, bench.now)
    bench.ua.reoffer(call, OFFER, bench.now)
    assert talk.sent().to.tag == "b"
