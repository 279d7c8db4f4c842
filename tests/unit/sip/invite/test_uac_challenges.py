"""A call that we place and whose far end asks who we are (RFC 3261 §22.2, RFC 7616), and what follows in the call."""

from __future__ import annotations

import pytest

from gateway.sip.events import (
    CallAnswered,
    CallEnded,
    CallRefused,
    EndCause,
)
from gateway.sip.message import Request
from tests.support.placed_call import (
    CONTACT,
    CREDENTIALS,
    SDP,
    SECOND,
    assert_nothing_is_left,
    callee,
    challenge,
    last_invite,
    placed,
    placed_over,
)
from tests.support.sip_peer import (
    ANSWER,
    OFFER,
    UDP,
    UserAgentBench,
    respond,
    statuses,
)


@pytest.mark.parametrize(("status", "name"), [(401, "Authorization"), (407, "Proxy-Authorization")])
def test_a_challenge_is_answered_in_a_new_invite(status: int, name: str) -> None:
    bench, first, call = placed_over(UDP, SECOND, credentials=CREDENTIALS)
    ack, again = bench.feed(challenge(first, status))
    assert isinstance(ack, Request)
    assert isinstance(again, Request)
    assert ack.method == "ACK"
    assert again.headers.get(name)
    assert (again.call_id, again.from_, again.to) == (first.call_id, first.from_, first.to)
    assert again.cseq.number == first.cseq.number + 1
    assert again.via.branch != first.via.branch
    assert bench.flows[-1] == UDP, "the hop that asked"
    (ack,) = bench.feed(callee(again, 200, "callee", ANSWER))
    assert ack.headers.get(name) == again.headers.get(name), "RFC 3261 13.2.2.4: the ACK has the same credentials"
    assert bench.take_events() == [CallAnswered(call, ANSWER)]


def test_proxy_and_pbx_may_both_ask() -> None:
    bench, first, _ = placed_over(UDP, credentials=CREDENTIALS)
    bench.feed(challenge(first, 407, realm="proxy"))
    bench.feed(challenge(last_invite(bench), 401, realm="pbx"))
    last = last_invite(bench)
    assert "Authorization" in last.headers
    assert "Proxy-Authorization" in last.headers


def test_a_stale_nonce_is_renewed_and_a_wrong_password_is_not_tried_twice() -> None:
    bench, first, call = placed_over(UDP, credentials=CREDENTIALS)
    bench.feed(challenge(first))
    bench.feed(challenge(last_invite(bench), nonce="n2", extra=", stale=true"))
    last = last_invite(bench)
    assert 'nonce="n2"' in (last.headers.get("Authorization") or "")
    assert statuses(bench.feed(challenge(last, nonce="n3"))) == ["ACK"]
    assert bench.take_events() == [CallRefused(call, 401, "Unauthorized")]
    assert_nothing_is_left(bench)


def test_challenges_are_bounded() -> None:
    bench, sent, _ = placed_over(UDP, credentials=CREDENTIALS)
    for number in range(30):
        bench.feed(challenge(sent, nonce=f"n{number}", realm=f"realm{number}", extra=", stale=true"))
        sent = last_invite(bench)
    assert sum(isinstance(one, Request) and one.method == "INVITE" for one in bench.sent) <= 7
    assert isinstance(bench.take_events()[-1], CallRefused)


def test_without_credentials_a_challenge_is_a_refusal() -> None:
    bench, first, call = placed_over(UDP)
    assert statuses(bench.feed(challenge(first))) == ["ACK"]
    assert bench.take_events() == [CallRefused(call, 401, "Unauthorized")]


def test_cancel_while_the_challenge_is_answered() -> None:
    bench, first, call = placed_over(UDP, credentials=CREDENTIALS)
    bench.feed(challenge(first))
    again = last_invite(bench)
    bench.feed(callee(again, 180))
    bench.ua.hang_up(call, bench.now)
    (cancel,) = bench.drain()
    assert isinstance(cancel, Request)
    assert (cancel.cseq.number, cancel.via.branch) == (again.cseq.number, again.via.branch)


def talking_after_a_challenge() -> tuple[UserAgentBench, str]:
    bench, first, call = placed_over(UDP, credentials=CREDENTIALS)
    bench.feed(challenge(first, 407, nonce="n1"))
    bench.feed(callee(last_invite(bench), 200, "callee", ANSWER))
    bench.take_events()
    return bench, call


def test_requests_in_the_call_bring_the_credentials_with_them() -> None:
    bench, call = talking_after_a_challenge()
    bench.ua.reoffer(call, OFFER, bench.now)
    (again,) = bench.drain()
    value = again.headers.get("Proxy-Authorization") or ""
    assert "nc=00000002" in value
    assert 'nonce="n1"' in value
    (ack,) = bench.feed(respond(again, 200, headers=[CONTACT, SDP], body=ANSWER))  # type: ignore[arg-type]
    assert ack.headers.get("Proxy-Authorization") == value


def test_a_re_invite_whose_nonce_is_stale_is_sent_once_more() -> None:
    bench, call = talking_after_a_challenge()
    bench.ua.reoffer(call, OFFER, bench.now)
    (again,) = bench.drain()
    assert isinstance(again, Request)
    _, renewed = bench.feed(challenge(again, 407, nonce="n2", extra=", stale=true"))
    assert isinstance(renewed, Request)
    assert 'nonce="n2"' in (renewed.headers.get("Proxy-Authorization") or "")
    assert renewed.cseq.number == again.cseq.number + 1
    (ack,) = bench.feed(respond(renewed, 200, headers=[CONTACT, SDP], body=ANSWER))
    assert ack.cseq.number == renewed.cseq.number


def test_a_challenged_bye_is_sent_once_more_and_the_call_is_over_whatever_comes() -> None:
    bench, call = talking_after_a_challenge()
    bench.ua.hang_up(call, bench.now)
    (bye,) = bench.drain()
    assert isinstance(bye, Request)
    (again,) = bench.feed(challenge(bye, 407, nonce="n2", extra=", stale=true"))
    assert isinstance(again, Request)
    assert (again.method, again.cseq.number) == ("BYE", bye.cseq.number + 1)
    assert 'nonce="n2"' in (again.headers.get("Proxy-Authorization") or "")
    assert bench.feed(challenge(again, 407, nonce="n3")) == [], "refused: nothing more to say"
    assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)]
    assert_nothing_is_left(bench)


def test_without_credentials_a_challenged_bye_ends_the_call() -> None:
    bench, sent, call = placed()
    bench.feed(callee(sent, 200, "callee", ANSWER))
    bench.ua.hang_up(call, bench.now)
    (bye,) = bench.drain()
    assert isinstance(bye, Request)
    assert bench.feed(challenge(bye)) == []
    assert_nothing_is_left(bench)


def test_an_info_that_is_challenged_is_sent_once_more() -> None:
    bench, call = talking_after_a_challenge()
    bench.ua.info(call, "application/dtmf-relay", b"Signal=1", bench.now)
    (info,) = bench.drain()
    assert isinstance(info, Request)
    (again,) = bench.feed(challenge(info, 407, nonce="n2", extra=", stale=true"))
    assert isinstance(again, Request)
    assert (again.method, again.body) == ("INFO", b"Signal=1")
    assert again.cseq.number == info.cseq.number + 1
    bench.feed(respond(again, 200))
    assert bench.ua.calls == 1


@pytest.mark.parametrize("where", ["realm", "nonce", "opaque"])
@pytest.mark.parametrize("odd", ["a\x00b", "a\x01b", "a\x7fb", "caf\u00e9\udce9"])
def test_odd_characters_in_a_challenge_raise_nothing(where: str, odd: str) -> None:
    bench, sent, _ = placed_over(UDP, credentials=CREDENTIALS)
    values = {"realm": "r", "nonce": "n", "opaque": "o", where: odd}
    text = ", ".join(f'{name}="{value}"' for name, value in values.items())
    raw = respond(sent, 401, to_tag="x", headers=[("WWW-Authenticate", "CHALLENGE")]).to_bytes()
    raw = raw.replace(b"CHALLENGE", f'Digest {text}, qop="auth"'.encode("utf-8", "surrogateescape"))
    sent_by_us = statuses(bench.feed(raw))
    assert sent_by_us == ([] if "\0" in odd else ["ACK", "INVITE"])
