"""Whom a call is for, however it was written."""

from __future__ import annotations

import pytest

from gateway.sip.uri import SipUri
from gateway.trunks.destination import Destination, OutboundRefused, parse_destination


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("+1 (555) 010-0100", "+15550100100"),
        (" +44.20.7946.0000 ", "+442079460000"),
        ("tel:+1-555-010-0100", "+15550100100"),
        ("tel:1001;phone-context=example.com", "1001"),
        ("sip:+15550100", "+15550100"),
        ("sip:1001;user=phone", "1001"),
        ("1001", "1001"),
        ("*72#", "*72#"),
        ("alice", "alice"),
        ("j.doe", "j.doe"),
    ],
)
def test_numbers_and_users(text: str, user: str) -> None:
    assert parse_destination(text) == Destination(user)


def test_a_whole_uri_keeps_its_host() -> None:
    uri = "sip:+1-555-0100@example.net;transport=tcp"
    assert parse_destination(uri) == Destination("+15550100", SipUri.parse(uri))
    assert parse_destination("sips:b%6Fb@example.net").user == "bob"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "a b",
        "bob@example.net",
        "mailto:bob@example.net",
        "sip:",
        "sip:bob:secret@example.net",
        "sip:bob@example.net?Replaces=x",
        "sip:@example.net",
        "sip:+15550100@sip.carrier.example;maddr=10.0.0.5",
        "sip:+15550100@sip.carrier.example;MADDR=10.0.0.5",
        "tel:",
        "1555\r\nX-Evil: 1",
        "<sip:a@b>",
        "1" * 300,
        "http://169.254.169.254/",
    ],
)
def test_what_nobody_can_be_called_by(text: str) -> None:
    with pytest.raises(OutboundRefused) as refused:
        parse_destination(text)
    assert refused.value.rule == "destination"


def test_kinds_of_numbers() -> None:
    assert Destination("+15550100100").is_number
    assert Destination("1001").is_number
    assert not Destination("alice").is_number
