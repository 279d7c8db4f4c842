"""A call that we place and that is sent elsewhere (RFC 3261 §8.1.3.4)."""

from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.events import (
    CallAnswered,
    CallEnded,
    CallRedirected,
    CallRefused,
    EndCause,
)
from gateway.sip.message import Request
from tests.support.placed_call import (
    CREDENTIALS,
    SECOND,
    assert_nothing_is_left,
    callee,
    challenge,
    last_invite,
    moved,
    placed_over,
    redirected,
)
from tests.support.sip_peer import (
    ANSWER,
    UDP,
    respond,
    statuses,
)


def test_a_redirect_is_told_and_followed() -> None:
    bench, first, call = redirected(302, "<sip:home@192.0.2.50>;q=0.2", "<sip:desk@192.0.2.60?X=y>;q=0.9")
    (event,) = bench.take_events()
    contacts = ("sip:desk@192.0.2.60", "sip:home@192.0.2.50")
    assert event == CallRedirected(call, contacts, 302, "Moved Temporarily")
    bench.ua.redirect(call, contacts[0], [SECOND], bench.now)
    (again,) = bench.drain()
    assert isinstance(again, Request)
    assert again.uri == contacts[0]
    assert again.call_id == first.call_id
    assert again.from_ == first.from_
    assert again.to == first.to
    assert again.cseq.number == first.cseq.number + 1
    assert again.via.branch != first.via.branch
    bench.feed(callee(again, 200, "desk", ANSWER), SECOND)
    assert bench.take_events() == [CallAnswered(call, ANSWER)]


def test_the_next_contact_is_told_when_the_first_one_refuses() -> None:
    bench, _, call = redirected(300, "<sip:a@192.0.2.50>", "<sip:b@192.0.2.60>")
    bench.ua.redirect(call, "sip:a@192.0.2.50", [SECOND], bench.now)
    bench.drain()
    bench.take_events()
    bench.feed(respond(last_invite(bench), 486, to_tag="x"), SECOND)
    assert bench.take_events() == [CallRedirected(call, ("sip:b@192.0.2.60",), 300, "Multiple Choices")]
    bench.ua.give_up(call)
    bench.drain()
    assert bench.take_events() == [CallRefused(call, 486, "Busy Here")]
    assert_nothing_is_left(bench)


def test_a_6xx_ends_the_search() -> None:
    bench, _, call = redirected(300, "<sip:a@192.0.2.50>", "<sip:b@192.0.2.60>")
    bench.ua.redirect(call, "sip:a@192.0.2.50", [SECOND], bench.now)
    bench.drain()
    bench.feed(respond(last_invite(bench), 603, to_tag="x"), SECOND)
    assert bench.take_events()[-1] == CallRefused(call, 603, "Decline")


def test_a_redirect_loop_is_refused() -> None:
    bench, _, call = redirected(302, "<sip:a@192.0.2.50>")
    bench.ua.redirect(call, "sip:a@192.0.2.50", [SECOND], bench.now)
    bench.drain()
    bench.feed(moved(last_invite(bench), 302, "<sip:bob@EXAMPLE.net>", "<sip:a@192.0.2.50>"), SECOND)
    assert bench.take_events()[-1] == CallRefused(call, 302, "Moved Temporarily")
    assert_nothing_is_left(bench)


def test_a_call_is_not_sent_around_for_ever() -> None:
    bench, sent, call = placed_over(UDP)
    for number in range(20):
        bench.feed(moved(sent, 302, f"<sip:next-{number}@192.0.2.50>"))
        (event,) = bench.take_events()
        if isinstance(event, CallRefused):
            break
        bench.ua.redirect(call, f"sip:next-{number}@192.0.2.50", [UDP], bench.now)
        bench.drain()
        sent = last_invite(bench)
    assert bench.ua.stats.redirects_followed == 5
    assert_nothing_is_left(bench)


def test_redirects_are_refusals_when_they_are_not_wanted_or_lead_nowhere() -> None:
    for status, contact, changes in (
        (302, "<sip:a@192.0.2.50>", {"follows_redirects": False}),
        (302, "<mailto:bob@example.net>", {}),
        (302, "not an address <", {}),
        (380, "<sip:a@192.0.2.50>", {}),
    ):
        bench, *_ = redirected(status, contact, **changes)  # type: ignore[arg-type]
        (event,) = bench.take_events()
        assert isinstance(event, CallRefused), contact
        assert event.status == status


def test_use_proxy_keeps_the_request_uri() -> None:
    bench, first, call = redirected(305, "<sip:proxy.example.net;lr>", route=("<sip:old.example.net;lr>",))
    (event,) = bench.take_events()
    assert isinstance(event, CallRedirected)
    assert event.status == 305
    contact = event.contacts[0]
    bench.ua.redirect(call, first.uri, [SECOND], bench.now, contact=contact, route=(f"<{contact}>",))
    (again,) = bench.drain()
    assert isinstance(again, Request)
    assert again.uri == first.uri
    assert again.headers.get("Route") == "<sip:proxy.example.net;lr>"


def test_a_call_given_up_while_its_redirect_is_resolved() -> None:
    bench, _, call = redirected(302, "<sip:a@192.0.2.50>")
    bench.take_events()
    bench.ua.hang_up(call, bench.now)
    assert bench.drain() == [], "there is no INVITE to take back"
    assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)]
    bench.ua.redirect(call, "sip:a@192.0.2.50", [SECOND], bench.now)
    bench.ua.give_up(call)
    assert bench.drain() == []
    assert_nothing_is_left(bench)


def test_a_redirect_nobody_decides_ends_with_the_ringing_time() -> None:
    bench, _, call = redirected(302, "<sip:a@192.0.2.50>", ring_timeout_s=10)
    bench.advance(10.1)
    assert bench.take_events()[-1] == CallEnded(call, EndCause.NO_ANSWER)
    assert_nothing_is_left(bench)


def test_a_redirect_to_what_is_no_uri_leaves_the_call_as_it_was() -> None:
    bench, _, call = redirected(302, "<sip:a@192.0.2.50>")
    for hops, uri in (([], "sip:a@192.0.2.50"), ([SECOND], "sip:a b")):
        with pytest.raises(LocalProtocolError):
            bench.ua.redirect(call, uri, hops, bench.now)
    bench.ua.redirect(call, "sip:a@192.0.2.50", [SECOND], bench.now)
    assert statuses(bench.drain()) == ["INVITE"]


def test_a_redirect_to_strangers_shows_them_no_credentials() -> None:
    for hop, expected in ((SECOND, ["ACK"]), (UDP, ["ACK", "INVITE"])):
        bench, first, call = placed_over(UDP, credentials=CREDENTIALS)
        bench.feed(moved(first, 302, "<sip:a@192.0.2.50>"))
        bench.ua.redirect(call, "sip:a@192.0.2.50", [hop], bench.now)
        bench.drain()
        assert statuses(bench.feed(challenge(last_invite(bench)), hop)) == expected
