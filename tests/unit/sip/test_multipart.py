"""Bodies of several parts: the session description is found, and what its sender insists on is not passed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.events import CallOffered
from gateway.sip.multipart import MAX_PARTS, body_parts, session_description
from tests.support.sip_peer import OFFER, UserAgentBench, request, statuses

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
