"""Requests of ours inside a dialog: one maker, one rising sequence of numbers, one way back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.base.errors import LocalProtocolError
from gateway.base.redact import Secret
from gateway.sip.admission import Allow
from gateway.sip.digest import Credentials
from gateway.sip.events import CallEnded, EndCause
from gateway.sip.flow import Flow
from gateway.sip.message import Request
from tests.support.calls import ALL_METHODS, ANSWER, OFFER, Talk, assert_nothing_is_left, inbound, outbound
from tests.support.sip_peer import TCP, UDP, UserAgentBench, invitation, respond, statuses

ROUTES = ("Record-Route", "<sip:edge.example.net;lr>, <sip:core.example.net;lr>")


@pytest.mark.parametrize("status", [200, 405, 501, 500])
def test_any_answer_to_a_ping_but_481_and_408_means_that_the_call_is_there(status: int) -> None:
    talk = inbound()
    talk.bench.ua.ping(talk.call, talk.bench.now)
    ping = talk.sent()
    assert ping.method == "OPTIONS"
    assert {"Allow", "Supported"} <= {name for name, _ in ping.headers}
    talk.reply(ping, status)
    assert talk.bench.ua.calls == 1
    assert talk.events() == []


@pytest.mark.parametrize("status", [481, 408])
def test_a_ping_finds_a_call_that_is_gone(status: int) -> None:
    talk = inbound()
    talk.bench.ua.ping(talk.call, talk.bench.now)
    assert statuses(talk.reply(talk.sent(), status)) == ["BYE"]
    assert talk.events() == [CallEnded(talk.call, EndCause.DIALOG_GONE)]


def test_a_ping_that_nobody_answers_ends_the_call() -> None:
    talk = inbound()
    talk.bench.ua.ping(talk.call, talk.bench.now)
    talk.bench.advance(33)
    assert talk.events() == [CallEnded(talk.call, EndCause.DIALOG_GONE)]
    assert_nothing_is_left(talk.bench)


def test_an_info_that_nobody_answers_does_not() -> None:
    talk = inbound()
    talk.bench.ua.info(talk.call, "application/dtmf-relay", b"Signal=1\r\nDuration=100\r\n", talk.bench.now)
    sent = talk.sent()
    assert (sent.method, sent.content_type, sent.body[:8]) == ("INFO", "application/dtmf-relay", b"Signal=1")
    talk.bench.advance(40)
    assert talk.events() == []
    assert talk.bench.ua.calls == 1


def test_a_call_that_is_over_or_not_yet_there_sends_none() -> None:
    talk = inbound()
    talk.ask("BYE")
    with pytest.raises(LocalProtocolError):
        talk.bench.ua.ping(talk.call, talk.bench.now)


def test_the_route_set_goes_with_each_of_them_and_the_flow_stays() -> None:
    talk = inbound(TCP, headers=[ROUTES])
    ua, now = talk.bench.ua, talk.bench.now
    ua.info(talk.call, "application/dtmf", b"1", now)
    ua.ping(talk.call, now)
    ua.refer(talk.call, "sip:carol@example.net", now)
    ua.reoffer(talk.call, OFFER, now)
    talk.bench.feed(b"", TCP)
    ua.hang_up(talk.call, now)
    for message in (*talk.bench.sent[-4:], *talk.bench.drain()):
        assert isinstance(message, Request)
        assert message.headers.split("Route") == ["<sip:edge.example.net;lr>", "<sip:core.example.net;lr>"]
        assert message.uri == "sip:caller@198.51.100.7:5060"
    assert set(talk.bench.flows[-5:]) == {TCP}


COMMANDS = ("info", "ping", "refer", "reoffer", "reoffer_update", "update", "answer", "time", "bye")


@given(st.lists(st.sampled_from(COMMANDS), max_size=25), st.booleans(), st.integers(0, 2**16))
@settings(max_examples=150, deadline=None)
def test_sequence_numbers_only_rise_whatever_is_sent(commands: list[str], is_outbound: bool, choice: int) -> None:
    talk = outbound(headers=[ALL_METHODS]) if is_outbound else inbound(headers=[ALL_METHODS, ("Supported", "timer")])
    numbers: list[int] = [talk.invite.cseq.number] if is_outbound else []
    seen = 0

    def look(bench: UserAgentBench) -> list[Request]:
        nonlocal seen
        bench.drain()
        fresh = [message for message in bench.sent[seen:] if isinstance(message, Request)]
        seen = len(bench.sent)
        return fresh

    look(talk.bench)
    waiting: list[Request] = []
    branches: set[str] = set()
    ua = talk.bench.ua
    actions: dict[str, Callable[[float], object]] = {
        "info": lambda now: ua.info(talk.call, "application/dtmf", b"1", now),
        "ping": lambda now: ua.ping(talk.call, now),
        "refer": lambda now: ua.refer(talk.call, "sip:carol@example.net", now),
        "reoffer": lambda now: ua.reoffer(talk.call, OFFER, now),
        "reoffer_update": lambda now: ua.reoffer(talk.call, OFFER, now, prefer_update=True),
        "update": lambda now: ua.update(talk.call, now),
        "bye": lambda now: ua.hang_up(talk.call, now),
        "time": lambda _now: talk.bench.advance(3),
        "answer": lambda _now: waiting and talk.reply(waiting.pop(), [200, 491, 500, 488, 405][choice % 5]),
    }
    for command in commands:
        try:
            actions[command](talk.bench.now)
        except LocalProtocolError:
            continue
        for request in look(talk.bench):
            if request.method == "ACK" or (request.via.branch or "") in branches:
                continue
            branches.add(request.via.branch or "")
            numbers.append(request.cseq.number)
            waiting.append(request)
    assert numbers == sorted(set(numbers)), "each number once, each above the last"


# Challenges inside a call


CREDENTIALS = Credentials("user", Secret("secret"))


def challenged_call() -> Talk:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(credentials=CREDENTIALS), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    answer = respond(
        sent, 200, to_tag="callee", headers=[("Contact", "<sip:bob@203.0.113.9>"), ALL_METHODS], body=ANSWER
    )
    bench.feed(answer)
    bench.take_events()
    return Talk(bench, call, sent.from_.tag or "", "callee", sent.call_id, sent, answer)


def challenge(nonce: str, header: str = "Proxy-Authenticate") -> tuple[str, str]:
    return (header, f'Digest realm="edge", nonce="{nonce}", algorithm=SHA-256, qop="auth"')


@pytest.mark.parametrize("command", ["reoffer", "update", "info", "ping", "refer", "hang_up"])
def test_a_challenge_inside_the_call_is_answered_once(command: str) -> None:
    talk = challenged_call()
    ua, now = talk.bench.ua, talk.bench.now
    {
        "reoffer": lambda: ua.reoffer(talk.call, OFFER, now),
        "update": lambda: ua.update(talk.call, now),
        "info": lambda: ua.info(talk.call, "application/dtmf", b"1", now),
        "ping": lambda: ua.ping(talk.call, now),
        "refer": lambda: ua.refer(talk.call, "sip:carol@example.net", now),
        "hang_up": lambda: ua.hang_up(talk.call, now),
    }[command]()
    first = talk.sent()
    assert "Proxy-Authorization" not in first.headers
    second = talk.reply(first, 407, headers=[challenge("n1")])[-1]
    assert isinstance(second, Request)
    assert second.method == first.method
    assert second.body == first.body
    assert second.cseq.number == first.cseq.number + 1
    value = second.headers.get("Proxy-Authorization") or ""
    assert f'uri="{second.uri}"' in value
    assert "nc=00000001" in value
    again = talk.reply(second, 407, headers=[challenge("n2")])
    assert [message for message in again if isinstance(message, Request) and message.method != "ACK"] == [], "refused"


CREDENTIALS = Credentials("acme", Secret("right"))
ANOTHER_HOST = Flow("udp", UDP.local, ("198.51.100.99", 5060))


@pytest.mark.parametrize("is_the_trunks", [True, False])
def test_a_call_that_moved_to_another_host_is_answered_there_only_where_it_is_the_trunks(is_the_trunks: bool) -> None:
    ours = {UDP.remote[0], ANOTHER_HOST.remote[0]} if is_the_trunks else {UDP.remote[0]}
    config = {
        "admission": Allow(trunk="itsp"),
        "credentials": lambda _, flow: CREDENTIALS if flow.remote[0] in ours else None,
    }
    talk = inbound(config=config, headers=[ALL_METHODS])
    bench = talk.bench
    bench.feed(talk.request("UPDATE", headers=[("Contact", "<sip:bob@198.51.100.99>")]), ANOTHER_HOST)
    bench.ua.hang_up(talk.call, bench.now)
    bye = talk.sent()
    again = bench.feed(respond(bye, 407, headers=[challenge("n1")]), ANOTHER_HOST)
    assert len(again) == is_the_trunks


def test_what_served_once_is_sent_at_once_with_the_next_count() -> None:
    talk = challenged_call()
    talk.bench.ua.ping(talk.call, talk.bench.now)
    (second,) = talk.reply(talk.sent(), 401, headers=[challenge("n1", "WWW-Authenticate")])
    assert isinstance(second, Request)
    talk.reply(second, 200)
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    bye = talk.sent()
    assert bye.method == "BYE"
    counts = [(message.headers.get("Authorization") or "").partition("nc=")[2][:8] for message in (second, bye)]
    assert counts[1] > counts[0] >= "00000001"


def test_without_credentials_a_challenge_is_a_refusal() -> None:
    talk = outbound()
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    assert talk.reply(talk.sent(), 407, headers=[challenge("n1")]) == []
    assert talk.bench.ua.calls == 0


@pytest.mark.parametrize("command", ["info", "refer"])
def test_nothing_is_tried_again_behind_our_bye_and_nothing_is_told(command: str) -> None:
    talk = challenged_call()
    ua, now = talk.bench.ua, talk.bench.now
    if command == "info":
        ua.info(talk.call, "application/dtmf", b"1", now)
    else:
        ua.refer(talk.call, "sip:carol@example.net", now)
    first = talk.sent()
    ua.hang_up(talk.call, now)
    talk.reply(talk.sent(), 100)
    talk.events()
    assert talk.reply(first, 407, headers=[challenge("n1")]) == []
    assert talk.events() == []


def test_a_challenge_in_a_call_that_came_in_is_answered_as_who_we_are_to_its_trunk() -> None:
    config = {
        "admission": Allow(trunk="carrier"),
        "credentials": lambda admission, _: CREDENTIALS if admission.trunk == "carrier" else None,
    }
    talk = inbound(config=config)
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    first = talk.sent()
    (second,) = talk.reply(first, 407, headers=[challenge("n1")])
    assert second.headers.get("Proxy-Authorization")
    assert second.cseq.number == first.cseq.number + 1
    talk.reply(second, 200)  # type: ignore[arg-type]
    assert_nothing_is_left(talk.bench)


def test_a_reinvite_asks_for_no_reliable_answers_for_nobody_would_acknowledge_them() -> None:
    talk = outbound(headers=[ALL_METHODS])
    talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now)
    assert "100rel" not in (talk.sent().headers.get("Supported") or "")
    talk.bench.ua.ping(talk.call, talk.bench.now)
    assert "100rel" in (talk.sent().headers.get("Supported") or "")
