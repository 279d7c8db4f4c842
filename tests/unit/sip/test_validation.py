from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.sip.grammar import SipParseError
from gateway.sip.headers import Headers
from gateway.sip.message import Request, Response, make_request, make_response, parse_message
from gateway.sip.validation import (
    Refusal,
    check_accept,
    check_body,
    check_hops,
    check_request,
    check_response,
)

METHODS = ("ACK", "BYE", "CANCEL", "INVITE", "OPTIONS")


def request(method: str = "INVITE", uri: str = "sip:a@h", **changed: str | None) -> Request:
    """A good request; ``changed`` replaces headers, None removes them."""
    fields = {
        "Via": "SIP/2.0/UDP h;branch=z9hG4bKa",
        "From": "<sip:b@h>;tag=f",
        "To": "<sip:a@h>",
        "Call-ID": "c",
        "CSeq": f"1 {method}",
        "Max-Forwards": "70",
        "Contact": "<sip:b@h>",
    }
    for name, value in changed.items():
        header = name.replace("_", "-")
        if value is None:
            del fields[header]
        else:
            fields[header] = value
    return make_request(method, uri, headers=fields.items())


def check(message: Request, **options: bool) -> Refusal | None:
    return check_request(message, supported_methods=METHODS, supported_extensions=("timer",), **options)


def test_a_good_request_passes() -> None:
    for method in METHODS:
        assert check(request(method)) is None


@pytest.mark.parametrize("uri", ["sip:h", "sips:a@h", "tel:+15550100"])
def test_schemes_that_pass(uri: str) -> None:
    assert check(request(uri=uri)) is None


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_mandatory_headers(name: str) -> None:
    for value in (None, ""):
        assert check(request(**{name: value})) == Refusal(400, f"Missing {name} header field", "missing_header")


@pytest.mark.parametrize("name", ["Max-Forwards", "Contact"])
def test_headers_that_older_senders_leave_out(name: str) -> None:
    assert check(request(**{name: None})) is None


@pytest.mark.parametrize("name", ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type", "Content-Length"])
def test_headers_that_come_once(name: str) -> None:
    message = request(Content_Type="application/sdp")
    value = message.headers.get(name)
    assert value is not None
    message.headers.add(name, value)
    assert check(message) == Refusal(400, f"More than one {name} header field", "duplicate_header")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Via", "SIP/2.0/UDP h;;"),
        ("Via", "SIP/2.0/UDP h,"),
        ("From", "<sip:b@h"),
        ("To", '"x <sip:a@h>'),
        ("Call-ID", "a b"),
        ("CSeq", "one INVITE"),
        ("CSeq", "4294967296 INVITE"),
        ("Record-Route", "<sip:p1>,,"),
        ("Contact", "sip:b@h?Route=x"),
    ],
)
def test_malformed_headers(name: str, value: str) -> None:
    message = request()
    message.headers.set(name, value)
    assert check(message) == Refusal(400, f"Malformed {name} header field", "malformed_header")


@pytest.mark.parametrize(
    ("name", "value"), [("Date", "yesterday"), ("Expires", "9" * 99), ("Max-Forwards", "300"), ("Subject", '"')]
)
def test_malformed_headers_that_nobody_needs_are_ignored(name: str, value: str) -> None:
    message = request()
    message.headers.set(name, value)
    assert check(message, will_forward=True) is None


def test_a_contact_matters_where_it_is_used() -> None:
    assert check(request("BYE", Contact="nonsense")) is None
    assert check(request("INVITE", Contact="nonsense")) is not None


@pytest.mark.parametrize(
    ("method", "status"), [("REGISTER", 405), ("PUBLISH", 405), ("TELEPORT", 501), ("invite", 501)]
)
def test_methods_that_are_not_supported(method: str, status: int) -> None:
    refusal = check(request(method))
    assert refusal is not None
    assert (refusal.status, refusal.rule) == (status, "method")
    assert refusal.headers == (("Allow", "ACK, BYE, CANCEL, INVITE, OPTIONS"),)


def test_cseq_names_the_method() -> None:
    refusal = check(request(CSeq="1 BYE"))
    assert refusal is not None
    assert (refusal.status, refusal.rule) == (400, "cseq_method")


@pytest.mark.parametrize(
    ("uri", "status", "rule"),
    [
        ("http://h", 416, "uri_scheme"),
        ("<sip:a@h>", 400, "request_uri"),
        ("sip:a@h;", 400, "request_uri"),
        ("nonsense", 400, "request_uri"),
        ("sip:a@h?Route=x", 400, "request_uri"),
    ],
)
def test_request_uris(uri: str, status: int, rule: str) -> None:
    refusal = check(request(uri=uri))
    assert refusal is not None
    assert (refusal.status, refusal.rule) == (status, rule)


def test_a_request_uri_with_a_blank_is_malformed() -> None:
    message = request()
    message.uri = "sip:a@h; lr"
    refusal = check(message)
    assert refusal is not None
    assert refusal.rule == "request_uri"


def test_versions() -> None:
    message = request()
    message.version = "sip/2.0"
    assert check(message) is None
    message.version = "SIP/3.0"
    assert check(message) == Refusal(505, "Version Not Supported", "version")


def test_extensions() -> None:
    assert check(request(Require="timer, Timer")) is None
    refusal = check(request(Require="timer, precondition,, 100rel"))
    assert refusal == Refusal(420, "Bad Extension", "require", (("Unsupported", "precondition, 100rel"),))
    assert check(request(Proxy_Require="anything")) is None
    for method in ("ACK", "CANCEL"):
        assert check(request(method, Require="precondition")) is None


@pytest.mark.parametrize("value", ["a b", '"a', "a\0b", ",".join(["timer"] * 257)])
def test_nothing_but_option_tags_is_echoed_as_unsupported(value: str) -> None:
    message = request()
    message.headers = Headers.from_wire([*message.headers, ("Require", value)])
    refusal = check(message)
    assert refusal is not None
    assert (refusal.status, refusal.rule, refusal.headers) == (400, "malformed_header", ())


def test_hops_bind_only_who_forwards() -> None:
    message = request(Max_Forwards="0")
    assert check(message) is None
    assert check(message, will_forward=True) == Refusal(483, "Too Many Hops", "max_forwards")
    assert check_hops(request(Max_Forwards="1")) is None
    assert check_hops(request(Max_Forwards=None)) is None
    assert check_hops(request(Max_Forwards="none")) is None


def with_body(**headers: str) -> Request:
    message = request(**headers)
    message.body = b"x"
    return message


def test_bodies() -> None:
    types = ("application/sdp",)
    assert check_body(request(), types) is None
    assert check_body(with_body(Content_Type="Application/SDP;charset=x"), types) is None
    assert check_body(with_body(Content_Type="application/sdp", Content_Encoding="identity"), types) is None
    assert check_body(with_body(Content_Type="text/plain"), types) == Refusal(
        415, "Unsupported Media Type", "content_type", (("Accept", "application/sdp"),)
    )
    assert check_body(with_body(), types) is not None
    assert check_body(with_body(Content_Type="application/sdp", Content_Encoding="gzip"), types) == Refusal(
        415, "Unsupported Media Type", "content_encoding", (("Accept-Encoding", "identity"),)
    )
    optional = with_body(Content_Type="text/plain", Content_Disposition="render ; Handling = optional")
    assert check_body(optional, types) is None
    required = with_body(Content_Type="text/plain", Content_Disposition="render;handling=required")
    assert check_body(required, types) is not None


@pytest.mark.parametrize(
    ("accept", "passes"),
    [
        (None, True),
        ("application/sdp", True),
        ("text/plain, application/SDP;level=1", True),
        ("*/*", True),
        ("application / *", True),
        ("text/plain", False),
        ("", False),
        ("application/sdp;q=0.0", False),
        ("application/sdp;q=0.1", True),
    ],
)
def test_what_the_sender_accepts(accept: str | None, passes: bool) -> None:
    message = request() if accept is None else request(Accept=accept)
    refusal = check_accept(message, "application/sdp")
    assert refusal == (None if passes else Refusal(406, "Not Acceptable", "accept"))


def test_a_refusal_can_be_made_of_a_parse_error() -> None:
    with pytest.raises(SipParseError) as caught:
        parse_message(b"OPTIONS sip:a SIP/2.0\r\nl: 9\r\n\r\n")
    refusal = Refusal.from_error(caught.value)
    assert (refusal.status, refusal.rule) == (400, "malformed_message")
    assert refusal.reason == "Bad Request"
    assert refusal.headers == (("Warning", '399 gateway "Content-Length 9 but only 0 octets of body"'),)
    assert caught.value.request is not None
    assert make_response(caught.value.request, refusal.status, refusal.reason).status == 400


def response() -> Response:
    return make_response(request(), 200, to_tag="t")


def test_a_good_response_passes() -> None:
    assert check_response(response())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda message: message.headers.remove("Via"),
        lambda message: message.headers.set("Via", "nonsense"),
        lambda message: message.headers.add("Via", "SIP/2.0/UDP other"),
        lambda message: message.headers.set("Via", "SIP/2.0/UDP h, SIP/2.0/UDP other"),
        lambda message: message.headers.remove("From"),
        lambda message: message.headers.set("To", '"'),
        lambda message: message.headers.add("To", "<sip:a@h>"),
        lambda message: message.headers.remove("Call-ID"),
        lambda message: message.headers.set("CSeq", "99999999999 INVITE"),
        lambda message: setattr(message, "version", "SIP/3.0"),
        lambda message: setattr(message, "status", 700),
    ],
)
def test_responses_that_are_dropped(spoil: Callable[[Response], None]) -> None:
    message = response()
    spoil(message)
    assert not check_response(message)
