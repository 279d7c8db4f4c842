"""Bodies of several parts: the session description is found, and what its sender insists on is not passed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.events import CallAnswered, CallConfirmed, CallOffered, ReofferAnswered
from gateway.sip.message import Response
from gateway.sip.multipart import MAX_PARTS, body_parts, session_description
from tests.support.calls import offered
from tests.support.sip_peer import OFFER, UserAgentBench, ack_for, invitation, request, respond, statuses

ISUP = (
    b"Content-Type: application/ISUP;version=itu-t92+\r\n"
    b"Content-Disposition: signal;handling=%s\r\n"
    b"\r\n"
    b"\x01\x10\x00\r\n\x03"
)


def body(*parts: bytes, boundary: bytes = b"edge", end: bytes = b"\r\n") -> bytes:
    whole = b"".join(b"--" + boundary + end + part + end for part in parts)
    return b"a preamble" + end + whole + b"--" + boundary + b"--" + end + b"an epilogue"


def sdp(head: bytes = b"Content-Type: application/sdp\r\n\r\n") -> bytes:
    return head + OFFER


def invite(content: bytes, content_type: str = 'multipart/mixed; boundary="edge"') -> object:
    return request("INVITE", body=content, content_type=content_type)


def found(content: bytes, content_type: str = "multipart/mixed;boundary=edge") -> bytes | None:
    return session_description(invite(content, content_type))  # type: ignore[arg-type]


def test_the_description_is_found_before_and_behind_other_parts() -> None:
    isup = ISUP % b"optional"
    assert found(body(sdp(), isup)) == OFFER
    assert found(body(isup, sdp())) == OFFER
    assert found(body(isup)) is None
    parts = body_parts(invite(body(isup, sdp())))  # type: ignore[arg-type]
    assert [(part.content_type, part.handling) for part in parts] == [
        ("application/isup", "optional"),
        ("application/sdp", ""),
    ]
    assert parts[0].body == b"\x01\x10\x00\r\n\x03"


def test_spellings_that_are_seen() -> None:
    assert found(body(sdp(), boundary=b"a b, c"), 'Multipart/Mixed ; Boundary="a b, c"') == OFFER
    assert found(body(sdp(b"content-type : Application/SDP ; charset=utf-8\r\n\r\n"))) == OFFER
    assert found(body(sdp(b"Content-Type:\r\n application/sdp\r\nContent-Length: 3\r\n\r\n"))) == OFFER
    assert found(body(sdp().replace(b"\r\n", b"\n"), end=b"\n")) == OFFER.replace(b"\r\n", b"\n")
    assert found(body(sdp()).removeprefix(b"a preamble\r\n")) == OFFER
    assert found(body(sdp()).partition(b"--edge--")[0]) is not None, "the closing delimiter is missing"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (body(sdp()), "multipart/mixed"),
        (body(sdp()), "multipart/mixed;boundary="),
        (body(sdp()), 'multipart/mixed;boundary="edge'),
        (body(sdp()), "multipart/mixed;boundary=other"),
        (body(OFFER), "multipart/mixed;boundary=edge"),
        (body(b"\r\n" + OFFER), "multipart/mixed;boundary=edge"),
        (
            body(sdp(b"Content-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\n")),
            "multipart/x;boundary=edge",
        ),
        (b"", "multipart/mixed;boundary=edge"),
        (body(*[b"\r\nx"] * MAX_PARTS, sdp()), "multipart/mixed;boundary=edge"),
    ],
)
def test_nothing_is_found_where_nothing_can_be_read(content: bytes, content_type: str) -> None:
    assert found(content, content_type) is None


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (body(sdp(), ISUP % b"optional"), 100),
        (body(sdp(), b"Content-Type: application/pidf+xml\r\n\r\n<presence/>"), 100),
        (body(sdp(), ISUP % b"required"), 415),
        (body(ISUP % b"optional"), 415),
    ],
)
def test_an_invite_with_parts_is_a_call_unless_its_sender_insists_on_what_we_cannot_read(
    content: bytes, status: int
) -> None:
    bench = UserAgentBench()
    sent = bench.feed(invite(content))  # type: ignore[arg-type]
    assert statuses(sent) == [status]
    offers = [event.offer for event in bench.take_events() if isinstance(event, CallOffered)]
    assert offers == ([OFFER] if status == 100 else [])


@given(st.binary(max_size=300), st.text(max_size=40))
def test_no_body_raises(content: bytes, tail: str) -> None:
    made = request("INVITE", body=b"x", content_type="multipart/mixed;boundary=edge")
    made.body = content.replace(b"E", b"\r\n--edge\r\n") + b"--edge"
    made.headers.set("Content-Type", "multipart/mixed" + "".join(one for one in tail if one.isprintable()))
    body_parts(made)
    made.headers.set("Content-Type", "multipart/mixed;boundary=edge")
    body_parts(made)


@pytest.mark.parametrize("first", [OFFER, b""])
def test_an_answer_of_several_parts_to_our_invite_and_to_our_reinvite_is_read(first: bytes) -> None:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(body=first), bench.now)
    (sent,) = bench.drain()
    headers = [("Contact", "<sip:bob@203.0.113.9>"), ("Content-Type", "multipart/mixed;boundary=edge")]
    content = body(ISUP % b"optional", sdp())
    bench.feed(respond(sent, 200, to_tag="b", headers=headers, body=content))  # type: ignore[arg-type]
    assert bench.take_events() == [CallAnswered(call, OFFER)]
    if not first:
        bench.ua.answer_offer(call, OFFER, bench.now)
        bench.drain()
    bench.ua.reoffer(call, OFFER, bench.now)
    (sent,) = bench.drain()
    bench.feed(respond(sent, 200, headers=headers, body=content))  # type: ignore[arg-type]
    assert bench.take_events() == [ReofferAnswered(call, OFFER)]


def test_a_body_of_no_type_is_a_session_where_nobody_could_be_told_that_it_is_not() -> None:
    talk = offered(body=b"")
    talk.bench.ua.answer(talk.call, OFFER, talk.bench.now)
    (ok,) = talk.bench.drain()
    assert isinstance(ok, Response)
    talk.bench.feed(ack_for(talk.invite, ok, body=OFFER, content_type=None))
    assert talk.bench.take_events() == [CallConfirmed(talk.call, OFFER)]
    assert statuses(UserAgentBench().feed(request("INVITE", body=OFFER, content_type=None))) == [415]


def test_a_description_of_another_session_is_not_ours() -> None:
    early = sdp(b"Content-Type: application/sdp\r\nContent-Disposition: Early-Session;handling=optional\r\n\r\n")
    assert found(body(early)) is None
    other = OFFER.replace(b"4000", b"4002")
    assert found(body(early, b"Content-Type: application/sdp\r\nContent-Disposition: session\r\n\r\n" + other)) == other
    for disposition, is_ours in (("session", True), ("early-session", False)):
        alone = request("INVITE", body=OFFER, headers=[("Content-Disposition", disposition)])
        assert (session_description(alone) is not None) is is_ours
