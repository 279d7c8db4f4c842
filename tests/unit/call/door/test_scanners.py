"""Scanners are known by what they call themselves and what they dial; customers who call Israel are not scanners."""

from __future__ import annotations

import pytest

from gateway.call.door.scanners import dials_like_scanner, names_scanner
from tests.support.sip_peer import request


@pytest.mark.parametrize(
    "name",
    [
        "friendly-scanner",
        "sipvicious",
        "sipcli/v1.8",
        "sip-scan",
        "VaxSIPUserAgent/3.1",
        "VaxIPUserAgent/3.5",
        "sundayddr",
        "friendly-request",
        "pplsip",
        "SIPVicious OSS",
    ],
)
def test_scanners_that_name_themselves(name: str) -> None:
    assert names_scanner(request("OPTIONS", headers=[("User-Agent", name)]))


@pytest.mark.parametrize("name", ["baresip v3.14.0", "Yealink SIP-T46S 66.86.0.15", "Asterisk PBX 20.6.0", "", "SIPp"])
def test_telephones_are_none(name: str) -> None:
    assert not names_scanner(request("OPTIONS", headers=[("User-Agent", name)]))


def test_one_that_names_itself_as_the_caller() -> None:
    sent = request("OPTIONS")
    sent.headers.set("From", '"sipvicious"<sip:100@1.1.1.1>;tag=x')
    assert names_scanner(sent)
    sent.headers.set("From", "broken <")
    assert not names_scanner(sent)


@pytest.mark.parametrize(
    "user",
    [
        "00972592277524",
        "+972592277524",
        "900972592277524",
        "011972595301123",
        "9011972595301123",
        "000000972595301123",
        "00441904911000",
        "+441904911023",
        "nm",
    ],
)
def test_numbers_that_scanners_dial(user: str) -> None:
    assert dials_like_scanner(request("INVITE", uri=f"sip:{user}@192.0.2.1"))


@pytest.mark.parametrize(
    "uri",
    [
        "sip:+97235551234@gw",
        "sip:100@gw",
        "sip:+441904551234@gw",
        "sip:+15550100@gw",
        "sip:gw",
        "tel:+15550100",
        "x:y",
        "b",
    ],
)
def test_numbers_that_people_dial(uri: str) -> None:
    assert not dials_like_scanner(request("INVITE", uri=uri))


def test_a_long_number_costs_no_time() -> None:
    assert not dials_like_scanner(request("INVITE", uri=f"sip:{'0' * 60_000}@gw"))
