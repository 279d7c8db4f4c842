"""RFC 3261 §12: state from both ends, routing of in-dialog requests, sequence numbers, target refresh."""

from __future__ import annotations

import pytest

from gateway.base.ids import IdSource
from gateway.sip.dialog import Dialog, contact_uri
from gateway.sip.grammar import SipParseError
from gateway.sip.identity import Identity
from gateway.sip.message import Request, make_response, parse_message
from tests.support.sip_peer import UDP, invite, request, respond

IDENTITY = Identity("gateway", "test", lambda flow: flow.local)
ROUTES = [
    ("Record-Route", "<sip:p2.example.com;lr>, <sip:p1.example.com;lr>"),
    ("Record-Route", "<sip:p0.example.com;lr>"),
]


def uas_dialog(sent: Request | None = None) -> Dialog:
    return Dialog.of_uas(sent or invite(), "ours", UDP, local_cseq=10)


def make(dialog: Dialog, method: str = "BYE", **options: object) -> Request:
    made = dialog.make_request(method, IdSource(1).branch(), IDENTITY, **options)  # type: ignore[arg-type]
    parsed = parse_message(made.to_bytes())
    assert isinstance(parsed, Request)
    return parsed


def test_the_called_side_swaps_from_and_to() -> None:
    dialog = uas_dialog(invite(headers=ROUTES))
    assert dialog.id == ("call-1@peer", "ours", "caller-tag")
    bye = make(dialog)
    assert bye.uri == "sip:caller@198.51.100.7:5060"
    assert bye.headers.get("From") == "<sip:agent@example.com>;tag=ours"
    assert bye.headers.get("To") == "<sip:caller@example.com>;tag=caller-tag"
    assert bye.call_id == "call-1@peer"
    assert bye.cseq == (11, "BYE")
    assert bye.max_forwards == 70
    assert bye.headers.get("User-Agent") == "test"
    assert bye.via.host == "192.0.2.1"
    assert bye.via.wants_rport
    assert [str(route.uri.host) for route in bye.routes] == ["p2.example.com", "p1.example.com", "p0.example.com"]  # type: ignore[union-attr]


def test_the_calling_side_reverses_the_record_routes() -> None:
    sent = invite(from_tag="ours", cseq=5)
    response = make_response(sent, 200, to_tag="theirs", headers=[*ROUTES, ("Contact", "<sip:callee@203.0.113.9>")])
    dialog = Dialog.of_uac(sent, response, UDP)
    assert dialog.id == ("call-1@peer", "ours", "theirs")
    ack = make(dialog, "ACK", cseq=5)
    assert ack.uri == "sip:callee@203.0.113.9"
    assert ack.cseq == (5, "ACK")
    assert [str(route.uri.host) for route in ack.routes] == ["p0.example.com", "p1.example.com", "p2.example.com"]  # type: ignore[union-attr]
    assert ack.headers.get("From") == sent.headers.get("From")
    assert ack.to.tag == "theirs"
    assert make(dialog, "BYE").cseq.number == 6


def test_a_strict_router_gets_the_request_uri_and_the_target_travels_last() -> None:
    strict = [("Record-Route", "<sip:strict.example.com;transport=udp;method=INVITE>, <sip:p0.example.com;lr>")]
    bye = make(uas_dialog(invite(headers=strict)))
    assert bye.uri == "sip:strict.example.com;transport=udp", "a method parameter may not stand in a Request-URI"
    assert bye.headers.split("Route") == ["<sip:p0.example.com;lr>", "<sip:caller@198.51.100.7:5060>"]


def test_route_parameters_come_back_as_the_proxy_wrote_them() -> None:
    route = "<sip:p0.example.com:5080;lr=on;ftag=abc>;x=1"
    assert make(uas_dialog(invite(headers=[("Record-Route", route)]))).headers.get("Route") == route


def test_sequence_numbers_grow_by_one() -> None:
    dialog = uas_dialog()
    assert [make(dialog).cseq.number for _ in range(3)] == [11, 12, 13]
    assert make(dialog, "ACK", cseq=4).cseq.number == 4
    assert make(dialog).cseq.number == 14


@pytest.mark.parametrize(
    ("method", "number", "is_late"),
    [("BYE", 6, True), ("INVITE", 6, True), ("BYE", 7, False), ("INVITE", 7, True), ("INVITE", 8, False)],
)
def test_requests_out_of_order(method: str, number: int, is_late: bool) -> None:
    dialog = uas_dialog(invite(cseq=7))
    assert dialog.is_out_of_order(request(method, to_tag="ours", cseq=number)) is is_late


def test_the_remote_number_never_goes_back() -> None:
    dialog = uas_dialog(invite(cseq=7))
    dialog.take_cseq(request("OPTIONS", cseq=9))
    dialog.take_cseq(request("BYE", cseq=8))
    assert dialog.remote_cseq == 9


def test_the_calling_side_learns_the_remote_number_from_the_first_request() -> None:
    sent = invite(from_tag="ours")
    dialog = Dialog.of_uac(sent, make_response(sent, 180, to_tag="theirs"), UDP)
    first = request("BYE", cseq=1)
    assert not dialog.is_out_of_order(first)
    dialog.take_cseq(first)
    assert dialog.is_out_of_order(request("BYE", cseq=0))


def test_a_reinvite_moves_the_target_and_keeps_it_when_it_names_none() -> None:
    dialog = uas_dialog()
    dialog.refresh_target(invite(contact="<sip:caller@203.0.113.5:5090>"))
    assert make(dialog).uri == "sip:caller@203.0.113.5:5090"
    dialog.refresh_target(invite(contact=None))
    assert make(dialog).uri == "sip:caller@203.0.113.5:5090"


def test_a_caller_of_rfc_2543_without_contact_and_tag_is_reached_at_its_from() -> None:
    dialog = uas_dialog(invite(contact=None, from_tag=None))
    assert dialog.id == ("call-1@peer", "ours", "")
    assert make(dialog).uri == "sip:caller@example.com"


@pytest.mark.parametrize("contact", ["*", "<sip:a@b>, <sip:c@d>", "<sip:broken"])
def test_senseless_contacts_are_refused_in_requests(contact: str) -> None:
    with pytest.raises(SipParseError):
        uas_dialog(invite(contact=contact))


@pytest.mark.parametrize(
    "headers",
    [
        [("Contact", "*")],
        [("Contact", "<sip:broken")],
        [("Contact", "<sip:a@b>, <sip:c@d>")],
        [("Record-Route", '<sip:p0.example.com;lr>, "')],
        [("Record-Route", "nonsense")],
        [],
    ],
)
def test_a_2xx_with_senseless_headers_still_gets_its_ack(headers: list[tuple[str, str]]) -> None:
    sent = invite(from_tag="ours", uri="sip:agent@192.0.2.1")
    dialog = Dialog.of_uac(sent, make_response(sent, 200, to_tag="theirs", headers=headers), UDP)
    assert make(dialog, "ACK", cseq=1).uri == sent.uri


def test_a_nul_in_a_display_name_is_not_sent_on() -> None:
    data = invite().to_bytes().replace(b"<sip:caller@example.com>", b'"A \\\x00 B" <sip:caller@example.com>')
    sent = parse_message(data)
    assert isinstance(sent, Request)
    assert make(uas_dialog(sent)).headers.get("To") == "<sip:caller@example.com>;tag=caller-tag"


def test_a_nul_where_it_cannot_be_left_out_is_refused() -> None:
    sent = parse_message(invite(call_id="abcd").to_bytes().replace(b"abcd", b"ab\x00d"))
    assert isinstance(sent, Request)
    with pytest.raises(SipParseError):
        uas_dialog(sent)


def test_the_contact_of_a_message() -> None:
    assert contact_uri(invite(contact='"Bob" <sip:bob@host;transport=tcp>;expires=5')) == "sip:bob@host;transport=tcp"
    assert contact_uri(respond(invite(), 200)) is None


def test_a_contact_leaves_behind_what_may_not_stand_in_a_request_uri() -> None:
    contact = "<sip:bob@host:5070;method=INVITE;transport=tcp;x=y?Replaces=a&Subject=b>"
    assert contact_uri(invite(contact=contact)) == "sip:bob@host:5070;transport=tcp;x=y"


@pytest.mark.parametrize("contact", ["<tel:+15550100>", "<mailto:bob@host>", "<http://host/>"])
def test_a_contact_must_be_a_sip_uri(contact: str) -> None:
    with pytest.raises(SipParseError, match="Contact"):
        contact_uri(invite(contact=contact))
    assert contact_uri(invite(contact="<sips:bob@host>")) == "sips:bob@host"
