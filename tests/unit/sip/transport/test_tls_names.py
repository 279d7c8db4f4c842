"""RFC 5922 §7: which names a certificate speaks for."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.sip.transport.tls_names import covers, names_of


def certificate(*alternatives: tuple[str, str], common_name: str = "cn.example") -> dict[str, Any]:
    found: dict[str, Any] = {"subject": ((("commonName", common_name),),)}
    if alternatives:
        found["subjectAltName"] = alternatives
    return found


def test_sip_domains_stand_first_and_the_common_name_counts_only_alone() -> None:
    many = certificate(("DNS", "GW.example"), ("URI", "sip:Example.com"), ("IP Address", "192.0.2.1"))
    assert names_of(many) == ("example.com", "gw.example", "192.0.2.1")
    assert names_of(certificate()) == ("cn.example",)
    assert names_of({}) == ()


@pytest.mark.parametrize(
    ("alternative", "name", "expected"),
    [
        (("DNS", "gw.example"), "GW.Example.", True),
        (("DNS", "gw.example"), "cn.example", False),
        (("DNS", "gw.example"), "a.gw.example", False),
        (("URI", "sip:example.com"), "example.com", True),
        (("URI", "sips:example.com"), "example.com", True),
        (("URI", "sip:alice@example.com"), "example.com", False),
        (("URI", "https://example.com"), "example.com", False),
        (("DNS", "*.pstn.example"), "a.pstn.example", True),
        (("DNS", "*.pstn.example"), "a.b.pstn.example", False),
        (("DNS", "*.pstn.example"), "pstn.example", False),
        (("DNS", "*.example"), "gw.example", False),
        (("DNS", "g*.pstn.example"), "gw.pstn.example", False),
        (("IP Address", "192.0.2.1"), "192.0.2.1", True),
        (("IP Address", "2001:DB8:0:0:0:0:0:1"), "2001:db8::1", True),
        (("IP Address", "192.0.2.1"), "192.0.2.2", False),
        (("DNS", "*.0.2.1"), "192.0.2.1", False),
    ],
)
def test_a_certificate_covers_its_names_and_one_label_of_a_wildcard(
    alternative: tuple[str, str], name: str, expected: bool
) -> None:
    assert covers(certificate(alternative), name) is expected
