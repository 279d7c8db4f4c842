from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.grammar import SipParseError
from gateway.sip.headers import Headers
from gateway.sip.message import (
    MAX_HEAD_BYTES,
    MAX_HEADER_FIELDS,
    Request,
    Response,
    body_length,
    make_request,
    make_response,
    parse_message,
)

INVITE = (
    b"INVITE sip:+15550100@203.0.113.10 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKone;rport\r\n"
    b"v: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKtwo , SIP/2.0/TCP 10.0.0.2\r\n"
    b'f: "Ada \\"A\\"" <sip:ada@example.net>;tag=f1\r\n'
    b"To: <sip:+15550100@203.0.113.10>\r\n"
    b"Record-Route: <sip:198.51.100.7;lr>,<sip:198.51.100.8;lr>\r\n"
    b"Call-ID: c1@198.51.100.7\r\n"
    b"CSeq: 0102   INVITE\r\n"
    b"Timestamp: 54.1\r\n"
    b"Content-Length: 4\r\n"
    b"\r\n"
    b"v=0\r\n"
)


def invite() -> Request:
    message = parse_message(INVITE)
    assert isinstance(message, Request)
    return message


def with_head(*lines: bytes, ends: bytes = b"\r\n") -> bytes:
    return ends.join((b"OPTIONS sip:a SIP/2.0", *lines, b"", b""))


def test_a_request() -> None:
    message = invite()
    assert (message.method, message.uri, message.version) == ("INVITE", "sip:+15550100@203.0.113.10", "SIP/2.0")
    assert str(message.request_uri) == message.uri
    assert message.body == b"v=0\r"  # what lies behind Content-Length is not ours
    assert message.headers.get("from") == '"Ada \\"A\\"" <sip:ada@example.net>;tag=f1'


def test_a_response() -> None:
    message = parse_message(b"SIP/2.0 486 Busy Here\r\nl: 0\r\n\r\n")
    assert isinstance(message, Response)
    assert (message.status, message.reason, message.body) == (486, "Busy Here", b"")


@pytest.mark.parametrize("line", ["SIP/2.0 100 ", "SIP/2.0 100", "sip/2.0 100\t "])
def test_a_reason_phrase_may_be_missing(line: str) -> None:
    message = parse_message(line.encode() + b"\r\n\r\n")
    assert isinstance(message, Response)
    assert message.reason == ""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\r\n\r\n",
        b"INVITE sip:a SIP/2.0",
        b"INVITE sip:a SIP/2.0\r\nVia: half a li",
        b"INVITE sip:a\r\n\r\n",
        b"INVITE sip:a HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"IN\xffITE sip:a SIP/2.0\r\n\r\n",
        b"INVITE sip:a\r SIP/2.0\r\n\r\n",
        b" INVITE sip:a SIP/2.0\r\n\r\n",
        b"SIP/2.0\r\n\r\n",
        b"SIP/2.0 20 OK\r\n\r\n",
        b"SIP/2.0 2000 OK\r\n\r\n",
        b"SIP/2.0 099 OK\r\n\r\n",
        b"SIP/2.0 700 OK\r\n\r\n",
        "SIP/2.0 ٢٠٠ OK\r\n\r\n".encode(),
    ],
)
def test_what_is_no_message_cannot_be_answered(data: bytes) -> None:
    with pytest.raises(SipParseError) as caught:
        parse_message(data)
    assert caught.value.request is None


@pytest.mark.parametrize("data", [b"SIP/2.0 200 OK\r\nl: 6\r\n\r\nshort", b"SIP/2.0 200 OK\r\nno colon\r\n\r\n"])
def test_a_broken_response_cannot_be_answered(data: bytes) -> None:
    with pytest.raises(SipParseError) as caught:
        parse_message(data)
    assert caught.value.request is None


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ((b"no colon",), "malformed header line"),
        ((b": empty name",), "malformed header line"),
        ((b"a b: c",), "malformed header line"),
        (("é: c".encode(),), "malformed header line"),
        ((b"a\0: c",), "malformed header line"),
        ((b"a\r: c",), "malformed header line"),
        ((b"Subject: a\rVia: b",), "carriage return"),
        ((b"l: 1",), "Content-Length 1 but only 0"),
        ((b"l: 0", b"Content-Length: 0"), "more than one Content-Length"),
        ((b"l: -1",), "not a number"),
        ((b"l: 1e3",), "not a number"),
        ((b"l:",), "not a number"),
        ((b"l: " + b"9" * 5000,), "not a number"),
        ((b"a: b",) * (MAX_HEADER_FIELDS + 1), "more than 256 header fields"),
    ],
)
def test_a_broken_request_can_still_be_answered(lines: tuple[bytes, ...], fault: str) -> None:
    data = with_head(b"Via: SIP/2.0/UDP h", b"Call-ID: c", *lines)
    with pytest.raises(SipParseError, match=fault) as caught:
        parse_message(data)
    request = caught.value.request
    assert request is not None
    assert request.headers.get("Call-ID") == "c"
    response = make_response(request, caught.value.status, str(caught.value))
    assert isinstance(parse_message(response.to_bytes()), Response)


def test_a_request_without_a_uri_can_be_answered() -> None:
    with pytest.raises(SipParseError, match="no Request-URI") as caught:
        parse_message(b"INVITE  SIP/2.0\r\nCall-ID: c\r\n\r\n")
    assert caught.value.request is not None


def test_a_head_beyond_its_limit_is_too_large() -> None:
    data = with_head(b"Call-ID: c", b"Subject: " + b"x" * MAX_HEAD_BYTES)
    with pytest.raises(SipParseError, match="longer than 65536") as caught:
        parse_message(data)
    assert caught.value.status == 513
    assert caught.value.request is not None
    assert caught.value.request.headers.get("Call-ID") == "c"


def test_a_head_at_its_limits_is_read() -> None:
    data = with_head(*[b"a: b"] * MAX_HEADER_FIELDS)
    assert len(parse_message(data).headers) == MAX_HEADER_FIELDS
    frame = len(with_head(b"Subject: "))
    data = with_head(b"Subject: " + b"x" * (MAX_HEAD_BYTES - frame))
    assert len(data) == MAX_HEAD_BYTES
    assert parse_message(data + b"body").body == b"body"


def test_no_headers_at_all() -> None:
    message = parse_message(b"OPTIONS sip:a SIP/2.0\r\n\r\nrest")
    assert len(message.headers) == 0
    assert message.body == b"rest"


def test_blanks_and_line_ends_that_are_tolerated() -> None:
    message = parse_message(
        b"\r\n\r\nOPTIONS   sip:a\t SIP/2.0 \t\nTo \t:\t <sip:b>\nSubject: one\n \ttwo\r\n\tthree \nEmpty:\nZ:y\n\nbody"
    )
    assert isinstance(message, Request)
    assert message.uri == "sip:a"
    assert list(message.headers) == [("To", "<sip:b>"), ("Subject", "one two three"), ("Empty", ""), ("Z", "y")]
    assert message.body == b"body"


def test_a_head_may_end_with_the_datagram() -> None:
    message = parse_message(b"OPTIONS sip:a SIP/2.0\r\nTo: <sip:b>\r\n")
    assert message.headers.get("To") == "<sip:b>"
    assert message.body == b""


def test_octets_that_are_no_text_survive() -> None:
    data = with_head(b"Subject: \xff\xfe\0\x80 \xd0\xb0", b"Content-Length: 0")
    message = parse_message(data)
    assert message.to_bytes() == data


def test_a_message_is_written_as_it_was_read() -> None:
    message = invite()
    assert message.to_bytes().split(b"\r\n\r\n")[1] == b"v=0\r"
    again = parse_message(message.to_bytes())
    assert again == message
    assert again.to_bytes() == message.to_bytes()


def test_content_length_is_set_right_where_it_stood() -> None:
    request = Request("OPTIONS", "sip:a", Headers([("To", "t"), ("l", "99"), ("From", "f"), ("l", "7")]), b"four")
    assert request.to_bytes() == b"OPTIONS sip:a SIP/2.0\r\nTo: t\r\nContent-Length: 4\r\nFrom: f\r\n\r\nfour"
    request = Request("OPTIONS", "sip:a", Headers([("To", "t")]), b"x")
    assert request.to_bytes() == b"OPTIONS sip:a SIP/2.0\r\nTo: t\r\nContent-Length: 1\r\n\r\nx"


def test_a_request_of_ours() -> None:
    request = make_request("BYE", "sip:a@h", headers=[("v", "SIP/2.0/UDP h"), ("Subject", "é")], body=b"b")
    assert list(request.headers) == [("Via", "SIP/2.0/UDP h"), ("Subject", "é"), ("Content-Length", "1")]
    assert parse_message(request.to_bytes()) == request


@pytest.mark.parametrize(
    ("method", "uri", "name", "value"),
    [
        ("BYE\r\n", "sip:a", "To", "t"),
        ("B YE", "sip:a", "To", "t"),
        ("", "sip:a", "To", "t"),
        ("BYE", "", "To", "t"),
        ("BYE", "sip:a b", "To", "t"),
        ("BYE", "sip:a\r\nVia: x", "To", "t"),
        ("BYE", "sip:a\0", "To", "t"),
        ("BYE", "sip:a", "To\r\nVia", "t"),
        ("BYE", "sip:a", "To:", "t"),
        ("BYE", "sip:a", "To", "t\r\nVia: x"),
        ("BYE", "sip:a", "To", "t\nx"),
        ("BYE", "sip:a", "To", "t\rx"),
        ("BYE", "sip:a", "To", "t\0"),
        ("BYE", "sip:a", "To", "\ud800"),
    ],
)
def test_nothing_we_write_can_begin_a_line_of_its_own(method: str, uri: str, name: str, value: str) -> None:
    with pytest.raises(LocalProtocolError):
        make_request(method, uri, headers=[(name, value)])


def test_a_response_echoes_what_its_request_said_byte_for_byte() -> None:
    response = make_response(invite(), 180, to_tag="t1", headers=[("Contact", "<sip:gateway@203.0.113.10>")])
    assert response.to_bytes() == (
        b"SIP/2.0 180 Ringing\r\n"
        b"Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKone;rport\r\n"
        b"Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKtwo , SIP/2.0/TCP 10.0.0.2\r\n"
        b"Record-Route: <sip:198.51.100.7;lr>,<sip:198.51.100.8;lr>\r\n"
        b'From: "Ada \\"A\\"" <sip:ada@example.net>;tag=f1\r\n'
        b"To: <sip:+15550100@203.0.113.10>;tag=t1\r\n"
        b"Call-ID: c1@198.51.100.7\r\n"
        b"CSeq: 0102   INVITE\r\n"
        b"Contact: <sip:gateway@203.0.113.10>\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("status", "has_route", "has_timestamp"),
    [(100, False, True), (183, True, False), (200, True, False), (302, False, False), (486, False, False)],
)
def test_what_is_echoed_depends_on_the_status(status: int, has_route: bool, has_timestamp: bool) -> None:
    response = make_response(invite(), status)
    assert ("Record-Route" in response.headers) is has_route
    assert ("Timestamp" in response.headers) is has_timestamp
    assert response.to.tag is None


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("<sip:a@h>", "<sip:a@h>;tag=new"),
        ("sip:a@h", "sip:a@h;tag=new"),
        ("<sip:a@h;tag=uri>", "<sip:a@h;tag=uri>;tag=new"),
        ("<sip:a@h>;Tag=old", "<sip:a@h>;Tag=old"),
        ('"broken <sip:a@h>', '"broken <sip:a@h>;tag=new'),
    ],
)
def test_a_tag_is_added_only_where_none_is(to: str, expected: str) -> None:
    request = invite()
    request.headers.set("To", to)
    assert make_response(request, 200, to_tag="new").headers.get("To") == expected


def test_a_request_with_too_much_or_too_little_still_gets_a_response() -> None:
    request = Request("INVITE", "sip:a", Headers([("Via", "v"), ("To", "1"), ("To", "2"), ("Call-ID", "c")]))
    response = make_response(request, 400, "Missing From header field")
    assert list(response.headers) == [("Via", "v"), ("To", "1"), ("Call-ID", "c"), ("Content-Length", "0")]
    assert response.reason == "Missing From header field"


@pytest.mark.parametrize("reason", ["a\r\nVia: x", "a\nb", "a\rb", "a\0b", "\ud800"])
def test_a_reason_phrase_stays_on_its_line(reason: str) -> None:
    with pytest.raises(LocalProtocolError):
        make_response(invite(), 400, reason)


@pytest.mark.parametrize("status", [0, 99, 700])
def test_a_status_of_ours_is_one(status: int) -> None:
    with pytest.raises(LocalProtocolError):
        make_response(invite(), status)


def test_a_response_carries_its_body() -> None:
    response = make_response(invite(), 200, headers=[("Content-Type", "application/sdp")], body=b"v=0\r\n")
    again = parse_message(response.to_bytes())
    assert again == response
    assert again.body == b"v=0\r\n"


def test_a_stream_needs_a_content_length() -> None:
    assert body_length(with_head(b"l:\r\n 12 ")) == 12
    for lines in ((), (b"l: 1", b"l: 1"), (b"l: x",)):
        with pytest.raises(SipParseError):
            body_length(with_head(*lines))
