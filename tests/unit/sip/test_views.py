from __future__ import annotations

import pytest

from gateway.sip.grammar import SipParseError
from gateway.sip.headers import Headers
from gateway.sip.message import Request
from gateway.sip.views import CSeq


def request(*fields: tuple[str, str]) -> Request:
    return Request("INVITE", "sip:a@h", Headers(fields))


def test_each_header_has_its_view() -> None:
    message = request(
        ("Via", "SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP b"),
        ("Via", "SIP/2.0/TLS c"),
        ("From", '"Ada" <sip:ada@h>;tag=f'),
        ("To", "sip:grace@h"),
        ("Call-ID", "x@y"),
        ("CSeq", "7 INVITE"),
        ("Contact", "<sip:1@h>, <sip:2@h>"),
        ("Route", "<sip:r1;lr>"),
        ("Record-Route", "<sip:p1;lr>,<sip:p2;lr>"),
        ("Max-Forwards", "70"),
        ("Content-Type", "Application/SDP ; charset=utf-8"),
    )
    assert [via.host for via in message.vias] == ["a", "b", "c"]
    assert message.via.branch == "z9hG4bK1"
    assert (message.from_.display_name, message.from_.tag) == ("Ada", "f")
    assert message.to.tag is None
    assert message.call_id == "x@y"
    assert message.cseq == CSeq(7, "INVITE")
    assert [str(contact.uri) for contact in message.contacts] == ["sip:1@h", "sip:2@h"]
    assert [str(route.uri) for route in message.routes] == ["sip:r1;lr"]
    assert [str(route.uri) for route in message.record_routes] == ["sip:p1;lr", "sip:p2;lr"]
    assert message.max_forwards == 70
    assert message.content_type == "application/sdp"


def test_what_is_absent() -> None:
    message = request()
    assert message.vias == message.contacts == message.routes == message.record_routes == ()
    assert message.max_forwards is None
    assert message.content_type is None
    for view in ("via", "from_", "to", "call_id", "cseq"):
        with pytest.raises(SipParseError, match="Missing"):
            getattr(message, view)


@pytest.mark.parametrize(
    ("view", "header", "value"),
    [
        ("vias", "Via", "SIP/2.0/UDP a,"),
        ("via", "Via", "SIP/2.0/UDP a;;"),
        ("from_", "From", "<sip:a@h"),
        ("to", "To", '"a'),
        ("call_id", "Call-ID", "a b"),
        ("cseq", "CSeq", "INVITE"),
        ("contacts", "Contact", "<sip:a@h>,,"),
        ("contacts", "Contact", "*, <sip:a@h>"),
        ("routes", "Route", "x"),
        ("record_routes", "Record-Route", "<>"),
        ("max_forwards", "Max-Forwards", "256"),
        ("max_forwards", "Max-Forwards", "many"),
    ],
)
def test_what_is_malformed(view: str, header: str, value: str) -> None:
    message = request((header, value))
    for _ in range(2):
        with pytest.raises(SipParseError):
            getattr(message, view)


def test_the_topmost_via_can_be_read_when_a_lower_one_is_broken() -> None:
    message = request(("Via", "SIP/2.0/UDP a"), ("Via", "nonsense"))
    assert message.via.host == "a"
    with pytest.raises(SipParseError):
        _ = message.vias


def test_all_contacts_at_once() -> None:
    message = request(("Contact", "*"))
    assert message.contacts == ()
    assert message.headers.get("Contact") == "*"


def test_a_view_follows_its_header() -> None:
    message = request(("To", "<sip:a@h>"))
    first = message.to
    assert message.to is first
    message.headers.set("To", "<sip:a@h>;tag=1")
    assert message.to.tag == "1"


@pytest.mark.parametrize(
    ("text", "cseq"),
    [("1 INVITE", CSeq(1, "INVITE")), ("0009\t \tBYE", CSeq(9, "BYE")), ("4294967295 A!b", CSeq(2**32 - 1, "A!b"))],
)
def test_cseq(text: str, cseq: CSeq) -> None:
    assert CSeq.parse(text) == cseq
    assert CSeq.parse(str(cseq)) == cseq


@pytest.mark.parametrize("text", ["", "1", "INVITE", "1INVITE", "-1 INVITE", "4294967296 INVITE", "1 IN VITE", "1  "])
def test_what_is_no_cseq(text: str) -> None:
    with pytest.raises(SipParseError):
        CSeq.parse(text)


def test_seconds_are_read_without_comment_and_parameters_and_senseless_ones_are_none() -> None:
    fields = [("Retry-After", "18000;duration=3600"), ("Min-Expires", " 60 (at least)"), ("Flow-Timer", "x")]
    message = request(*fields)
    assert message.seconds("Retry-After") == 18000
    assert message.seconds("Min-Expires") == 60
    assert message.seconds("Flow-Timer") is None
    assert message.seconds("Expires") is None
