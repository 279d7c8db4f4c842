"""Calls of half an hour and more with peers that are none of ours: whoever refreshes, however, the call stays up."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from gateway.sip.events import CallEnded, CallReoffered, EndCause
from gateway.sip.message import Request, Response
from tests.support.calls import ALL_METHODS, ANSWER, OFFER, SDP, Talk, inbound, outbound

TIMER = ("Supported", "timer")
OLD_METHODS = ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS")


def serve(talk: Talk, seconds: float, answer: Iterable[tuple[str, str]]) -> list[tuple[float, str]]:
    """Let time pass; the peer accepts each refresh at once. Returns when which request of ours came."""
    requests: list[tuple[float, str]] = []
    end = talk.bench.now + seconds
    seen: set[str] = set()
    while talk.bench.now < end:
        step = min(1.0, end - talk.bench.now)
        for at, message in talk.bench.advance(step):
            if not isinstance(message, Request) or message.method == "ACK" or (message.via.branch or "") in seen:
                continue
            seen.add(message.via.branch or "")
            requests.append((round(talk.bench.now - step + at - 1000), message.method))
            body = OFFER if message.method == "INVITE" else b""
            headers = [*answer, *([SDP] if body else [])]
            talk.reply(message, 200, headers=headers, body=body)
    return requests


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
@pytest.mark.parametrize("refresher", ["uac", "uas"])
@pytest.mark.parametrize("is_outbound", [False, True])
def test_a_31_minute_call(method: str, refresher: str, is_outbound: bool) -> None:
    """refresher=uac: the caller does it; uas: the called side. By UPDATE where it is allowed, else by re-INVITE."""
    allow = ALL_METHODS if method == "UPDATE" else OLD_METHODS
    session = ("Session-Expires", f"1800;refresher={refresher}")
    talk = (
        outbound(headers=[allow, session, ("Require", "timer")])
        if is_outbound
        else inbound(headers=[allow, TIMER, session])
    )
    if is_outbound == (refresher == "uac"):
        sent = serve(talk, 31 * 60, [("Session-Expires", "1800;refresher=uac")])
        assert sent == [(900, method), (1800, method)]
    else:
        for _ in range(2):
            assert serve(talk, 900, []) == []
            refresh(talk, method, 1800)
        assert serve(talk, 60, []) == []
    assert not [event for event in talk.events() if isinstance(event, CallEnded)]
    assert talk.bench.ua.calls == 1


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
@pytest.mark.parametrize("is_outbound", [False, True])
def test_a_carrier_that_refreshes_every_15_minutes(method: str, is_outbound: bool) -> None:
    session = ("Session-Expires", f"1800;refresher={'uas' if is_outbound else 'uac'}")
    talk = outbound(headers=[session]) if is_outbound else inbound(headers=[TIMER, session])
    for _ in range(8):
        assert serve(talk, 900, []) == []
        refresh(talk, method, 1800)
    assert talk.bench.ua.calls == 1
    assert serve(talk, 1800, [])[0] == (7200 + 1800 - 32, "BYE"), "and then it forgets to"
    assert CallEnded(talk.call, EndCause.SESSION_EXPIRED) in talk.events()


def refresh(talk: Talk, method: str, seconds: int) -> None:
    """The peer refreshes; what we say of the session stays as it was."""
    body = OFFER if method == "INVITE" else b""
    talk.events()
    answers = talk.ask(method, body=body, headers=[TIMER, ("Session-Expires", f"{seconds};refresher=uac")])
    if method == "INVITE":
        assert talk.events() == [CallReoffered(talk.call, OFFER)]
        talk.bench.ua.answer_offer(talk.call, ANSWER, talk.bench.now)
        answers = talk.bench.drain()
    ok = answers[-1]
    assert isinstance(ok, Response)
    assert (ok.status, ok.headers.get("Session-Expires")) == (200, f"{seconds};refresher=uac")
    assert ok.headers.get("Require") == "timer"
    if method == "INVITE":
        talk.acknowledge()


def test_a_lost_refresh_ends_the_call_in_time() -> None:
    talk = inbound(headers=[ALL_METHODS, TIMER, ("Session-Expires", "600;refresher=uas")])
    talk.bench.advance(300)
    talk.bench.drain()
    before = talk.bench.now
    talk.bench.advance(33)
    assert talk.events() == [CallEnded(talk.call, EndCause.DIALOG_GONE)]
    assert talk.bench.now < before + 300, "long before the session would have run out"
