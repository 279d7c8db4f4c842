"""A peer inside a call that sends anything at all: nothing raises, and nothing is left when the call is over."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.base.errors import LocalProtocolError
from gateway.sip.events import CallReferred, CallReoffered
from gateway.sip.message import Request
from tests.support.calls import ALL_METHODS, ANSWER, OFFER, Talk, assert_nothing_is_left, inbound, offered, outbound
from tests.support.sip_peer import respond

TIMER = ("Supported", "timer, 100rel")
HEADERS: list[tuple[str, str]] = [
    ALL_METHODS,
    TIMER,
    ("Session-Expires", "90;refresher=uas"),
    ("Session-Expires", "1;refresher=uac;refresher=uas"),
    ("Session-Expires", "4294967295"),
    ("Min-SE", "90000"),
    ("Min-SE", "-1"),
    ("RAck", "1 1 INVITE"),
    ("RAck", "99999999999 x y"),
    ("RSeq", "1"),
    ("Refer-To", "<sip:carol@example.net?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>"),
    ("Refer-To", "carol"),
    ("Refer-To", "<sip:a@b?Replaces=%0d%0aEvil:%20x>"),
    ("Refer-Sub", "false"),
    ("Referred-By", "<<"),
    ("Event", "refer"),
    ("Event", "refer;id=77"),
    ("Event", ";;;"),
    ("Subscription-State", "terminated;reason=timeout"),
    ("Subscription-State", "active;expires=0"),
    ("Info-Package", "x"),
    ("Contact", "*"),
    ("Contact", "<sip:moved@198.51.100.9:1;transport=tcp>"),
    ("Require", "timer"),
    ("Require", "precondition"),
    ("Retry-After", "0"),
    ("Allow", ""),
    ("Replaces", "a;to-tag=b;from-tag=c"),
    ("Record-Route", "<sip:evil.example;lr>"),
]
METHODS = ("UPDATE", "PRACK", "REFER", "NOTIFY", "INFO", "INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "ACK", "CANCEL")
BODIES = (b"", OFFER, b"SIP/2.0 200 OK\r\n", b"SIP/2.0 9", b"Signal=\r\n", b"\xff\x00\r\n\r\n")
TYPES = ("application/sdp", "message/sipfrag", "application/dtmf-relay", "text/plain", ";;", None)

Step = tuple[str, list[tuple[str, str]], bytes, str | None, int]
STEPS = st.tuples(
    st.sampled_from((*METHODS, "reply", "reply", "time", "ours", "bytes")),
    st.lists(st.sampled_from(HEADERS), max_size=5),
    st.sampled_from(BODIES),
    st.sampled_from(TYPES),
    st.integers(0, 699),
)


def talk_of(kind: int) -> Talk:
    if kind == 0:
        return outbound(headers=[ALL_METHODS, ("Session-Expires", "90;refresher=uac")])
    if kind == 1:
        return inbound(headers=[ALL_METHODS, TIMER, ("Session-Expires", "90;refresher=uas")])
    talk = offered(headers=[TIMER, ALL_METHODS], body=OFFER if kind == 2 else b"")
    talk.bench.ua.ring(talk.call, talk.bench.now, 183, body=ANSWER, is_reliable=True)
    talk.our_tag = talk.bench.drain()[0].to.tag or ""
    return talk


@given(st.integers(0, 3), st.lists(STEPS, max_size=14), st.data())
@settings(max_examples=200, deadline=None)
def test_whatever_a_peer_sends_inside_a_call(kind: int, steps: list[Step], data: st.DataObject) -> None:
    talk = talk_of(kind)
    bench = talk.bench
    seen = len(bench.sent)
    for what, headers, body, content_type, number in steps:
        if what == "time":
            bench.advance(number / 10)
        elif what == "ours":
            command(talk, number)
        elif what == "reply":
            for sent in [message for message in bench.sent[seen:] if isinstance(message, Request)][-2:]:
                if sent.method != "ACK":
                    bench.feed(respond(sent, max(100, number), to_tag="x", headers=headers, body=body))
            seen = len(bench.sent)
        else:
            message = talk.request(
                what if what != "bytes" else "UPDATE", headers=headers, body=body, content_type=content_type
            )
            raw = message.to_bytes()
            if what == "bytes":
                at = data.draw(st.integers(0, len(raw) - 1))
                raw = raw[:at] + data.draw(st.binary(max_size=6)) + raw[at + number % 9 :]
            bench.feed(raw)
        decide(talk, number)
    bench.ua.hang_up(talk.call, bench.now)
    bench.drain()
    assert_nothing_is_left(bench)


def command(talk: Talk, number: int) -> None:
    ua, now = talk.bench.ua, talk.bench.now
    commands = (
        lambda: ua.reoffer(talk.call, OFFER, now, prefer_update=bool(number & 1)),
        lambda: ua.update(talk.call, now),
        lambda: ua.refer(talk.call, "sip:carol@example.net", now, limit_s=5),
        lambda: ua.ping(talk.call, now),
        lambda: ua.answer(talk.call, ANSWER, now),
        lambda: ua.reoffer(talk.call, b"", now),
    )
    with contextlib.suppress(LocalProtocolError):
        commands[number % len(commands)]()
    talk.bench.drain()


def decide(talk: Talk, number: int) -> None:
    """What a call layer would do with what it is told."""
    ua, now = talk.bench.ua, talk.bench.now
    for event in talk.bench.take_events():
        try:
            if isinstance(event, CallReoffered) and number % 3:
                ua.answer_offer(event.call, ANSWER, now)
            elif isinstance(event, CallReferred) and number % 3:
                ua.accept_refer(event.call, event.refer_id, now)
                ua.notify_refer(event.call, event.refer_id, 100 + number % 500, None, now)
        except LocalProtocolError:
            pass
    talk.bench.drain()
