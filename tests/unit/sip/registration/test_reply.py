"""What registrars answer, and what we take it for."""

from __future__ import annotations

import pytest

from gateway.sip.message import Response
from gateway.sip.registration.reply import read_grant, seen_as
from tests.support.sip_peer import request, respond

OURS = "<sip:trunk@192.0.2.1:5060>"
FLOW = '<sip:trunk@192.0.2.1:5060>;+sip.instance="<urn:uuid:1>";reg-id=1'


def ok(*headers: tuple[str, str]) -> Response:
    return respond(request("REGISTER"), 200, headers=headers)


@pytest.mark.parametrize(
    ("headers", "granted"),
    [
        ([("Contact", f"{OURS};expires=600")], 600),
        ([("Contact", f"<sip:other@h>;expires=1, {OURS};expires=600")], 600),
        ([("Contact", f"<sip:other@h>;expires=1, {OURS};q=1"), ("Expires", "900")], 900),
        ([("Contact", "<sip:rewritten@sbc:5080>;expires=300")], 300),
        ([("Contact", "<sip:a@h>;expires=1, <sip:b@h>;expires=2")], 3600),
        ([("Contact", OURS)], 3600),
        ([("Expires", "120")], 120),
        ([], 3600),
        ([("Contact", f"{OURS};expires=0")], 0),
        ([("Contact", f'{OURS};expires="60"')], 60),
        ([("Contact", f"{OURS};expires=soon")], 3600),
        ([("Contact", "broken <"), ("Expires", "60")], 60),
        ([("Contact", f"{OURS};expires=4294967295")], 604_800),
    ],
)
def test_the_grant_is_that_of_our_own_contact(headers: list[tuple[str, str]], granted: int) -> None:
    assert read_grant(ok(*headers), OURS, 3600).expires_s == granted


def test_our_flow_among_those_of_our_device() -> None:
    listed = f"{FLOW.replace('reg-id=1', 'reg-id=2')};expires=1, {FLOW.replace('192.0.2.1', '203.0.113.5')};expires=77"
    assert read_grant(ok(("Contact", listed)), FLOW, 3600).expires_s == 77


@pytest.mark.parametrize(
    ("value", "route"),
    [
        ("<sip:a;lr>, <sip:b;lr>", ("<sip:a;lr>", "<sip:b;lr>")),
        ("<tel:+1>", ()),
        ("nonsense", ()),
        (", ".join(["<sip:a;lr>"] * 11), ()),
        (f"<sip:{'a' * 3000};lr>", ()),
    ],
)
def test_a_service_route_that_is_no_route_is_left_out(value: str, route: tuple[str, ...]) -> None:
    assert read_grant(ok(("Service-Route", value)), OURS, 60).service_route == route


def test_where_we_are_seen() -> None:
    assert seen_as(ok()) is None
    for via, seen in (
        ("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport=1024;received=203.0.113.9", ("203.0.113.9", 1024)),
        ("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport=5060;received=192.0.2.1", None),
        ("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport=99999", None),
    ):
        response = ok()
        response.headers.set("Via", via)
        assert seen_as(response) == seen
