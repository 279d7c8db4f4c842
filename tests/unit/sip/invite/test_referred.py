"""REFER in (RFC 3515): what the call layer is asked, and what the peer is told."""

from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.events import CallReferred
from gateway.sip.message import Request, Response
from tests.support.calls import Talk, assert_nothing_is_left, inbound, offered
from tests.support.sip_peer import statuses

TO_CAROL = ("Refer-To", "<sip:carol@example.net>")


def asked(*headers: tuple[str, str], **changes: object) -> tuple[Talk, CallReferred]:
    talk = inbound()
    assert talk.ask("REFER", headers=headers or (TO_CAROL,), **changes) == []
    (event,) = talk.events()
    assert isinstance(event, CallReferred)
    return talk, event


def notified(message: Request | Response) -> tuple[str, str, bytes]:
    assert isinstance(message, Request)
    assert message.method == "NOTIFY"
    assert message.content_type == "message/sipfrag"
    return message.headers.get("Event") or "", message.headers.get("Subscription-State") or "", message.body


def test_it_is_told_with_what_a_new_call_needs() -> None:
    _, event = asked(
        ("r", '"Carol" <sip:carol@example.net?Replaces=1%40h%3Bto-tag%3Da%3Bfrom-tag%3Db&Subject=x>'),
        ("Referred-By", "<sip:caller@example.com>;cid=x"),
    )
    assert event.target == "sip:carol@example.net"
    assert event.replaces == "1@h;to-tag=a;from-tag=b"
    assert event.referred_by == "sip:caller@example.com"


def test_accepted_it_is_told_of_until_the_last_word() -> None:
    talk, event = asked()
    ua, now = talk.bench.ua, talk.bench.now
    ua.accept_refer(talk.call, event.refer_id, now)
    accepted, first = talk.bench.drain()
    assert statuses([accepted]) == [202]
    assert accepted.headers.get("Contact")
    name = f"refer;id={event.refer_id}"
    assert notified(first) == (name, "active;expires=180", b"SIP/2.0 100 Trying\r\n")
    ua.notify_refer(talk.call, event.refer_id, 180, None, now + 10)
    assert notified(talk.sent()) == (name, "active;expires=170", b"SIP/2.0 180 Ringing\r\n")
    ua.notify_refer(talk.call, event.refer_id, 200, "Fine", now)
    assert notified(talk.sent()) == (name, "terminated;reason=noresource", b"SIP/2.0 200 Fine\r\n")
    ua.notify_refer(talk.call, event.refer_id, 200, None, now)
    assert talk.bench.drain() == []
    talk.ask("BYE")
    assert_nothing_is_left(talk.bench)


def test_refused() -> None:
    talk, event = asked()
    talk.bench.ua.refuse_refer(talk.call, event.refer_id, talk.bench.now)
    assert statuses(talk.bench.drain()) == [603]
    with pytest.raises(LocalProtocolError):
        talk.bench.ua.accept_refer(talk.call, event.refer_id, talk.bench.now)


def test_nobody_decides_it_is_declined() -> None:
    talk, _ = asked()
    (_, trying), (at, declined) = talk.bench.advance(20)
    assert (at, statuses([trying, declined])) == (15, [100, 603])


def test_a_sender_that_wants_no_notify_gets_none() -> None:
    talk, event = asked(TO_CAROL, ("Refer-Sub", "false"), ("Require", "norefersub"))
    talk.bench.ua.accept_refer(talk.call, event.refer_id, talk.bench.now)
    (accepted,) = talk.bench.drain()
    assert accepted.headers.get("Refer-Sub") == "false"
    talk.bench.ua.notify_refer(talk.call, event.refer_id, 200, None, talk.bench.now)
    assert talk.bench.drain() == []


@pytest.mark.parametrize(
    "headers",
    [[], [TO_CAROL, TO_CAROL], [("Refer-To", "<sip:a@b")], [("Refer-To", "<sip:a@b?Replaces=x>")]],
)
def test_without_one_target_it_is_400(headers: list[tuple[str, str]]) -> None:
    talk = inbound()
    assert statuses(talk.ask("REFER", headers=headers)) == [400]
    assert talk.events()[0].status == 400  # type: ignore[attr-defined]
    assert talk.bench.ua.calls == 1


def test_a_second_one_before_the_first_is_decided_must_wait() -> None:
    talk, _ = asked()
    assert statuses(talk.ask("REFER", headers=[TO_CAROL])) == [500]


def test_before_the_call_is_answered_it_must_wait() -> None:
    talk = offered()
    talk.bench.ua.ring(talk.call, talk.bench.now)
    talk.our_tag = talk.bench.drain()[0].to.tag or ""
    assert statuses(talk.ask("REFER", headers=[TO_CAROL])) == [500]


def test_a_subscription_that_runs_out_is_ended() -> None:
    talk, event = asked()
    talk.bench.ua.accept_refer(talk.call, event.refer_id, talk.bench.now)
    _, first = talk.bench.drain()
    assert isinstance(first, Request)
    talk.reply(first, 200)
    ((at, last),) = talk.bench.advance(180.1)
    assert at == 180
    assert notified(last)[1] == "terminated;reason=timeout"


def test_a_bye_meanwhile_refuses_what_is_undecided() -> None:
    talk, _ = asked()
    assert statuses(talk.ask("BYE")) == [200, 481]
    assert_nothing_is_left(talk.bench)


def test_a_notify_that_is_refused_is_not_the_end_of_the_call() -> None:
    talk, event = asked()
    talk.bench.ua.accept_refer(talk.call, event.refer_id, talk.bench.now)
    _, first = talk.bench.drain()
    assert isinstance(first, Request)
    talk.reply(first, 481)
    assert talk.bench.ua.calls == 1
