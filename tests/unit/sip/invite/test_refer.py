"""Transfers we ask for: REFER out (RFC 3515), with Replaces (RFC 3891), and NOTIFYs as equipment really sends them."""

from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.events import CallEnded, EndCause, ReferProgress, ReferRefused
from gateway.sip.message import Request, Response
from tests.support.calls import Talk, assert_nothing_is_left, inbound, outbound
from tests.support.sip_peer import OFFER, invite, statuses

TARGET = "sip:carol@example.net"
REFER_EVENT = ("Event", "refer")


def referred(target: str = TARGET, **options: object) -> tuple[Talk, Request]:
    talk = inbound()
    talk.bench.ua.refer(talk.call, target, talk.bench.now, **options)  # type: ignore[arg-type]
    return talk, talk.sent()


def notify(
    talk: Talk, line: str = "SIP/2.0 200 OK", state: str | None = "terminated;reason=noresource", **changes: object
) -> list[Request | Response]:
    headers = [REFER_EVENT, *([("Subscription-State", state)] if state else [])]
    given = {"headers": headers, "body": line.encode(), "content_type": "message/sipfrag;version=2.0"}
    return talk.ask("NOTIFY", **{**given, **changes})


def progress(talk: Talk) -> list[tuple[int, bool]]:
    return [(event.status, event.is_final) for event in talk.events() if isinstance(event, ReferProgress)]


def test_a_blind_transfer_from_refer_to_the_last_notify() -> None:
    talk, sent = referred(headers=[("X-Why", "asked for")])
    assert (sent.method, sent.headers.get("Refer-To")) == ("REFER", f"<{TARGET}>")
    assert sent.headers.get("Referred-By") == "<sip:agent@example.com>"
    assert sent.headers.get("Contact")
    assert sent.headers.get("X-Why") == "asked for"
    talk.reply(sent, 202)
    assert statuses(notify(talk, "SIP/2.0 100 Trying", "active;expires=60")) == [200]
    assert statuses(notify(talk, "SIP/2.0 180 Ringing", "active;expires=50")) == [200]
    assert statuses(notify(talk)) == [200]
    assert talk.events() == [
        ReferProgress(talk.call, 202, "Accepted", is_final=False),
        ReferProgress(talk.call, 100, "Trying", is_final=False),
        ReferProgress(talk.call, 180, "Ringing", is_final=False),
        ReferProgress(talk.call, 200, "OK", is_final=True),
    ]
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    talk.reply(talk.sent(), 200)
    assert_nothing_is_left(talk.bench)


def test_an_attended_transfer_names_the_dialog_as_its_far_end_knows_it() -> None:
    talk = inbound()
    talk.bench.feed(invite(call_id="second@peer", from_tag="carol-tag", contact="<sip:carol@198.51.100.9>"))
    second = talk.bench.take_events()[0].call  # type: ignore[union-attr]
    talk.bench.ua.answer(second, OFFER, talk.bench.now)
    (ok,) = talk.bench.drain()
    talk.bench.ua.refer(talk.call, "", talk.bench.now, replaces=second)
    assert talk.sent().headers.get("Refer-To") == (
        f"<sip:carol@198.51.100.9?Replaces=second%40peer%3Bto-tag%3Dcarol-tag%3Bfrom-tag%3D{ok.to.tag}>"
    )


@pytest.mark.parametrize("status", [603, 405, 408, 481])
def test_a_refusal_is_told_with_its_status(status: int) -> None:
    talk, sent = referred()
    talk.reply(sent, status, headers=[("X-Why", "no")])
    refusal = talk.events()[0]
    assert isinstance(refusal, ReferRefused)
    assert refusal.status == status
    assert refusal.headers is not None
    assert refusal.headers.get("X-Why") == "no"
    assert talk.bench.ua.calls == 1
    if status != 481:
        talk.bench.ua.refer(talk.call, TARGET, talk.bench.now)
        assert talk.sent().method == "REFER", "it may be tried again"


def test_silence_on_a_refer_is_a_refusal_and_not_the_end_of_the_call() -> None:
    talk, _ = referred()
    talk.bench.advance(33)
    assert talk.events() == [ReferRefused(talk.call, 408, "Request Timeout")]
    assert talk.bench.ua.calls == 1


# As equipment differs


def test_a_notify_that_overtakes_the_202() -> None:
    talk, sent = referred()
    assert statuses(notify(talk, "SIP/2.0 100 Trying", "active")) == [200]
    talk.reply(sent, 202)
    notify(talk)
    assert progress(talk) == [(100, False), (202, False), (200, True)]


def test_a_final_notify_that_overtakes_the_202() -> None:
    talk, sent = referred()
    notify(talk)
    talk.reply(sent, 202)
    assert progress(talk) == [(200, True)]


def test_a_notify_without_subscription_state() -> None:
    talk, sent = referred()
    talk.reply(sent, 202)
    notify(talk, "SIP/2.0 180 Ringing", None)
    notify(talk, "SIP/2.0 486 Busy Here", None)
    assert progress(talk) == [(202, False), (180, False), (486, True)]


def test_several_finals_are_answered_and_told_once() -> None:
    talk, sent = referred()
    talk.reply(sent, 202)
    for line in ("SIP/2.0 200 OK", "SIP/2.0 200 OK", "SIP/2.0 503 Service Unavailable"):
        assert statuses(notify(talk, line)) == [200]
    assert progress(talk) == [(202, False), (200, True)]


@pytest.mark.parametrize(
    ("state", "status"),
    [("terminated;reason=timeout", 408), ("terminated;reason=rejected", 603), ("terminated", 500)],
)
def test_a_subscription_that_ends_without_a_word_on_the_outcome(state: str, status: int) -> None:
    talk, sent = referred()
    talk.reply(sent, 202)
    assert statuses(notify(talk, "", state)) == [200]
    assert progress(talk) == [(202, False), (status, True)]


def test_a_peer_that_ends_with_100_leaves_the_outcome_open() -> None:
    talk, sent = referred()
    talk.reply(sent, 202)
    notify(talk, "SIP/2.0 100 Trying", "terminated;reason=noresource")
    assert progress(talk) == [(202, False), (100, True)]


def test_a_peer_that_will_not_notify_says_so_in_its_202() -> None:
    talk, sent = referred()
    talk.reply(sent, 202, headers=[("Refer-Sub", "false")])
    assert progress(talk) == [(202, True)]


def test_a_notify_after_the_bye_is_answered() -> None:
    talk, sent = referred()
    talk.reply(sent, 202)
    assert statuses(talk.ask("BYE")) == [200]
    assert talk.events()[-1] == CallEnded(talk.call, EndCause.BYE)
    assert talk.bench.ua.calls == 0
    assert statuses(notify(talk)) == [200]
    assert talk.events() == [], "the id of an ended call means nothing any more"
    talk.bench.now += 500
    assert statuses(notify(talk)) == [481]
    assert_nothing_is_left(talk.bench)


def test_a_notify_between_our_bye_and_its_answer_is_answered() -> None:
    talk, sent = referred()
    talk.reply(sent, 202)
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    talk.sent()
    assert statuses(notify(talk)) == [200]


def test_a_refer_that_succeeds_after_its_caller_gave_up() -> None:
    talk, sent = referred(limit_s=10.0)
    talk.reply(sent, 202)
    notify(talk, "SIP/2.0 180 Ringing", "active")
    talk.bench.advance(11)
    notify(talk, "SIP/2.0 183 Session Progress", "active")
    notify(talk)
    assert progress(talk) == [(202, False), (180, False), (408, True), (200, True)]


def test_after_our_limit_another_one_may_be_tried() -> None:
    talk, sent = referred(limit_s=10.0)
    with pytest.raises(LocalProtocolError):
        talk.bench.ua.refer(talk.call, TARGET, talk.bench.now)
    talk.reply(sent, 202)
    talk.bench.advance(11)
    talk.bench.ua.refer(talk.call, TARGET, talk.bench.now)
    assert talk.sent().method == "REFER"


# Notifications that are none of ours


def test_a_notify_that_nobody_subscribed_to() -> None:
    talk = outbound()
    assert statuses(notify(talk)) == [481]
    assert statuses(talk.ask("NOTIFY", headers=[("Event", "talk")])) == [489]
    assert talk.bench.ua.calls == 1


@pytest.mark.parametrize("target", ["", "carol", "sip:", "sip:a@b>;evil"])
def test_targets_that_are_none(target: str) -> None:
    talk = inbound()
    with pytest.raises(LocalProtocolError):
        talk.bench.ua.refer(talk.call, target, talk.bench.now)
    assert talk.bench.drain() == []


def test_a_notify_of_the_transfer_before_says_nothing_of_this_one() -> None:
    talk = inbound()
    numbers = []
    for _ in range(2):
        talk.bench.ua.refer(talk.call, TARGET, talk.bench.now)
        sent = talk.sent()
        numbers.append(sent.cseq.number)
        talk.reply(sent, 202)
        if len(numbers) == 1:
            talk.ask("NOTIFY", headers=[REFER_EVENT], body=b"SIP/2.0 486 Busy\r\n", content_type="message/sipfrag")
    talk.events()
    for number, told in ((numbers[0], []), (numbers[1], [ReferProgress(talk.call, 200, "OK", is_final=True)])):
        event = ("Event", f"refer;id={number}")
        answer = talk.ask("NOTIFY", headers=[event], body=b"SIP/2.0 200 OK\r\n", content_type="message/sipfrag")
        assert statuses(answer) == [200]
        assert talk.events() == told
