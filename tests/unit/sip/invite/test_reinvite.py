"""Our own re-INVITE (RFC 3261 §14.1): its answer, glare from both sides, and a dialog the peer has forgotten."""

from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.events import (
    CallAnswered,
    CallEnded,
    CallOffered,
    CallReoffered,
    EndCause,
    ReofferAnswered,
    ReofferRefused,
)
from gateway.sip.message import Request, Response
from tests.support.calls import ALL_METHODS, Talk, assert_nothing_is_left, inbound, outbound
from tests.support.sip_peer import ANSWER, OFFER, UDP, UserAgentBench, ack_for, invitation, invite, respond, statuses

SDP = ("Content-Type", "application/sdp")


def inbound_call(seed: int = 7) -> tuple[UserAgentBench, str, str]:
    """A call we answered; returns bench, call and our tag."""
    bench = UserAgentBench(seed=seed)
    sent = invite()
    bench.feed(sent)
    (event,) = bench.take_events()
    assert isinstance(event, CallOffered)
    bench.ua.answer(event.call, ANSWER, bench.now)
    (response,) = bench.drain()
    assert isinstance(response, Response)
    bench.feed(ack_for(sent, response))
    bench.take_events()
    return bench, event.call, response.to.tag or ""


def outbound_call(seed: int = 7) -> tuple[UserAgentBench, str]:
    bench = UserAgentBench(seed=seed)
    call = bench.ua.invite(invitation(UDP), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    bench.feed(respond(sent, 200, to_tag="callee", headers=[("Contact", "<sip:bob@203.0.113.9>"), SDP], body=ANSWER))
    assert bench.take_events() == [CallAnswered(call, ANSWER)]
    return bench, call


def reoffer(bench: UserAgentBench, call: str) -> Request:
    bench.ua.reoffer(call, OFFER, bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    assert sent.method == "INVITE"
    return sent


def test_an_accepted_reinvite_is_acknowledged_each_time_and_moves_the_target() -> None:
    bench, call, _ = inbound_call()
    sent = reoffer(bench, call)
    assert sent.to.tag == "caller-tag"
    assert sent.headers.get("Contact")
    assert sent.body == OFFER
    bench.feed(respond(sent, 100))
    ok = respond(sent, 200, headers=[("Contact", "<sip:caller@203.0.113.77>"), SDP], body=ANSWER)
    (ack,) = bench.feed(ok)
    assert isinstance(ack, Request)
    assert (ack.method, ack.uri, ack.cseq.number) == ("ACK", "sip:caller@203.0.113.77", sent.cseq.number)
    assert bench.take_events() == [ReofferAnswered(call, ANSWER)]
    (again,) = bench.feed(ok)
    assert again.to_bytes() == ack.to_bytes()
    assert bench.take_events() == []


@pytest.mark.parametrize(("status", "reason"), [(488, "Not Acceptable Here"), (300, "Multiple Choices")])
def test_a_refused_reinvite_leaves_the_call(status: int, reason: str) -> None:
    bench, call, _ = inbound_call()
    sent = reoffer(bench, call)
    assert statuses(bench.feed(respond(sent, status))) == ["ACK"]
    assert bench.take_events() == [ReofferRefused(call, status, reason)]
    assert bench.ua.calls == 1
    reoffer(bench, call)


@pytest.mark.parametrize("status", [481, 408])
def test_a_peer_that_has_forgotten_the_dialog_ends_the_call(status: int) -> None:
    bench, call, _ = inbound_call()
    sent = reoffer(bench, call)
    assert statuses(bench.feed(respond(sent, status))) == ["ACK", "BYE"]
    assert bench.take_events() == [CallEnded(call, EndCause.DIALOG_GONE)]
    bench.advance(100)
    assert bench.counts() == (0, 0, 0)


def test_a_peer_that_says_nothing_ends_the_call() -> None:
    bench, call, _ = inbound_call()
    reoffer(bench, call)
    bench.advance(32.1)
    assert bench.take_events() == [CallEnded(call, EndCause.DIALOG_GONE)]
    bench.advance(100)
    assert bench.counts() == (0, 0, 0)


def test_a_failed_flow_refuses_the_change_and_not_the_call() -> None:
    bench, call, _ = inbound_call()
    reoffer(bench, call)
    bench.ua.flow_failed(UDP, bench.now)
    bench.drain()
    assert bench.take_events() == [ReofferRefused(call, 503, "Service Unavailable")]
    assert bench.ua.calls == 1


def test_an_invite_of_the_peer_meanwhile_gets_491() -> None:
    bench, call, tag = inbound_call()
    reoffer(bench, call)
    assert statuses(bench.feed(invite(to_tag=tag, cseq=2))) == [491]


@pytest.mark.parametrize("seed", range(8))
def test_after_491_the_called_side_tries_again_within_two_seconds(seed: int) -> None:
    bench, call, _ = inbound_call(seed)
    sent = reoffer(bench, call)
    bench.feed(respond(sent, 491))
    ((at, again),) = [entry for entry in bench.advance(2.4) if entry[1].cseq.number > sent.cseq.number][:1]
    assert 0 <= at <= 2.0
    assert isinstance(again, Request)
    assert again.method == "INVITE"
    assert again.cseq.number == sent.cseq.number + 1


@pytest.mark.parametrize("seed", range(8))
def test_after_491_the_owner_of_the_call_id_waits_longer(seed: int) -> None:
    bench, call = outbound_call(seed)
    sent = reoffer(bench, call)
    bench.feed(respond(sent, 491))
    ((at, _),) = bench.advance(4.1)[:1]
    assert 2.1 <= at <= 4.0


def test_while_waiting_the_peers_own_invite_is_taken_and_ours_follows_it() -> None:
    bench, call, tag = inbound_call()
    sent = reoffer(bench, call)
    bench.feed(respond(sent, 491))
    theirs = invite(to_tag=tag, cseq=2)
    assert statuses(bench.feed(theirs)) == [100]
    assert bench.take_events() == [CallReoffered(call, OFFER)]
    assert all(isinstance(message, Response) for _, message in bench.advance(10)), "ours waits for theirs"
    bench.ua.answer_offer(call, ANSWER, bench.now)
    (response,) = bench.drain()
    assert isinstance(response, Response)
    bench.feed(ack_for(theirs, response))
    assert "INVITE" in statuses(message for _, message in bench.advance(2.1))


def test_endless_glare_is_a_refusal() -> None:
    bench, call, _ = inbound_call()
    sent = reoffer(bench, call)
    for _ in range(5):
        bench.feed(respond(sent, 491))
        fresh = [message for _, message in bench.advance(2.01) if message.cseq.number > sent.cseq.number]
        assert isinstance(fresh[0], Request)
        sent = fresh[0]
    bench.feed(respond(sent, 491))
    assert bench.take_events() == [ReofferRefused(call, 491, "Request Pending")]


def test_provisional_answers_alone_do_not_keep_it_open_for_ever() -> None:
    bench, call, _ = inbound_call()
    sent = reoffer(bench, call)
    bench.feed(respond(sent, 180))
    (at, cancel), *_ = bench.advance(180.1)
    assert (at, cancel.headers.get("Via"), cancel.headers.get("CSeq")) == (
        180,
        sent.headers.get("Via"),
        f"{sent.cseq.number} CANCEL",
    )
    assert bench.take_events() == []
    assert statuses(bench.feed(respond(sent, 487))) == ["ACK"]
    assert bench.take_events() == [ReofferRefused(call, 487, "Request Terminated")]
    bench.feed(respond(reoffer(bench, call), 488))
    bench.ua.hang_up(call, bench.now)
    bench.advance(100)
    assert bench.counts() == (0, 0, 0)


def test_a_cancelled_one_that_is_answered_all_the_same_is_in_force() -> None:
    bench, call, _ = inbound_call()
    sent = reoffer(bench, call)
    bench.feed(respond(sent, 180))
    bench.advance(180.1)
    assert statuses(bench.feed(respond(sent, 200, headers=[SDP], body=ANSWER))) == ["ACK"]
    assert bench.take_events() == [ReofferAnswered(call, ANSWER)]


def test_a_cancelled_one_that_is_never_answered_is_given_up_and_the_call_goes_on() -> None:
    bench, call, _ = inbound_call()
    bench.feed(respond(reoffer(bench, call), 180))
    bench.advance(180 + 32.1)
    assert bench.take_events() == [ReofferRefused(call, 408, "Request Timeout")]
    assert bench.ua.calls == 1


@pytest.mark.parametrize("who", ["we", "they"])
@pytest.mark.parametrize("status", [487, 200])
def test_an_answer_behind_the_bye_is_acknowledged_all_the_same(who: str, status: int) -> None:
    talk = outbound()
    talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now)
    sent = talk.sent()
    talk.reply(sent, 100)
    if who == "we":
        talk.bench.ua.hang_up(talk.call, talk.bench.now)
        talk.reply(talk.sent(), 200)
    else:
        assert statuses(talk.ask("BYE")) == [200]
    talk.events()
    assert talk.bench.ua.calls == 0
    assert statuses(talk.reply(sent, status)) == ["ACK"]
    assert talk.events() == []
    assert_nothing_is_left(talk.bench)


def test_behind_a_bye_it_is_not_repeated() -> None:
    talk = outbound()
    talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now)
    talk.sent()
    talk.ask("BYE")
    assert talk.bench.advance(40) == []
    assert_nothing_is_left(talk.bench)


HOLD = OFFER.replace(b"- 1 1", b"- 1 2") + b"a=sendonly\r\n"
HELD = ANSWER.replace(b"- 2 1", b"- 2 2") + b"a=recvonly\r\n"
NEWER = ANSWER.replace(b"- 2 1", b"- 2 3")


def held_meanwhile(talk: Talk) -> None:
    """The peer puts us on hold."""
    talk.ask("INVITE", body=HOLD)
    talk.bench.ua.answer_offer(talk.call, HELD, talk.bench.now)
    talk.bench.drain()
    talk.acknowledge()


@pytest.mark.parametrize("by_update", [False, True])
def test_an_offer_that_waits_after_glare_is_made_anew_from_what_has_come_first(by_update: bool) -> None:
    talk = outbound(headers=[ALL_METHODS])
    talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now, renew=lambda: NEWER, prefer_update=by_update)
    talk.reply(talk.sent(), 491)
    held_meanwhile(talk)
    ((_, again),) = talk.bench.advance(4.1)[:1]
    assert (again.body, statuses([again])) == (NEWER, ["UPDATE" if by_update else "INVITE"])


def test_a_refresh_that_waits_after_glare_repeats_the_session_as_it_then_stands() -> None:
    talk = inbound(headers=[("Supported", "timer"), ("Session-Expires", "90;refresher=uas")])
    ((_, refresh),) = talk.bench.advance(45.1)
    assert refresh.body == ANSWER
    talk.reply(refresh, 491)  # type: ignore[arg-type]
    held_meanwhile(talk)
    ((_, again),) = talk.bench.advance(2.1)[:1]
    assert again.body == HELD


def test_one_invite_at_a_time() -> None:
    bench, call, tag = inbound_call()
    reoffer(bench, call)
    with pytest.raises(LocalProtocolError):
        bench.ua.reoffer(call, OFFER, bench.now)
    other, call, tag = inbound_call()
    other.feed(invite(to_tag=tag, cseq=2))
    with pytest.raises(LocalProtocolError):
        other.ua.reoffer(call, OFFER, other.now)


def test_a_call_that_is_not_answered_has_nothing_to_change() -> None:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(UDP), bench.now)
    with pytest.raises(LocalProtocolError):
        bench.ua.reoffer(call, OFFER, bench.now)


def test_hanging_up_meanwhile_still_acknowledges_the_2xx_and_tells_nobody() -> None:
    bench, call, _ = inbound_call()
    sent = reoffer(bench, call)
    bench.ua.hang_up(call, bench.now)
    bench.drain()
    bench.take_events()
    ok = respond(sent, 200, headers=[("Contact", "<sip:caller@203.0.113.77>"), SDP], body=ANSWER)
    assert statuses(bench.feed(ok)) == ["ACK"]
    assert bench.take_events() == []
    bench.advance(100)
    assert bench.counts() == (0, 0, 0)


def test_hanging_up_while_waiting_after_glare_leaves_no_timer() -> None:
    bench, call, _ = inbound_call()
    sent = reoffer(bench, call)
    bench.feed(respond(sent, 491))
    bench.ua.hang_up(call, bench.now)
    bench.drain()
    bench.advance(100)
    assert bench.counts() == (0, 0, 0)
    assert bench.ua.next_deadline() is None


def test_a_bye_while_the_peer_only_says_trying_leaves_nothing() -> None:
    bench, call, _ = inbound_call()
    sent = reoffer(bench, call)
    bench.feed(respond(sent, 100))
    bench.ua.hang_up(call, bench.now)
    (bye,) = bench.drain()
    assert isinstance(bye, Request)
    bench.feed(respond(bye, 200))
    bench.advance(100)
    assert bench.counts() == (0, 0, 0)


def test_a_cancelled_one_is_not_tried_again() -> None:
    bench, call, _ = inbound_call()
    sent = reoffer(bench, call)
    bench.feed(respond(sent, 180))
    bench.advance(180.1)
    assert statuses(bench.feed(respond(sent, 491))) == ["ACK"]
    assert bench.take_events() == [ReofferRefused(call, 491, "Request Pending")]
    assert "INVITE" not in statuses(message for _, message in bench.advance(10))


def test_a_500_with_retry_after_is_obeyed_and_without_it_is_a_refusal() -> None:
    bench, call, _ = inbound_call()
    bench.feed(respond(reoffer(bench, call), 500, headers=[("Retry-After", "3")]))
    assert bench.take_events() == []
    ((at, again),) = bench.advance(3.1)
    assert (at, statuses([again])) == (3, ["INVITE"])
    bench.feed(respond(again, 500))  # type: ignore[arg-type]
    assert bench.take_events() == [ReofferRefused(call, 500, "Server Internal Error")]
