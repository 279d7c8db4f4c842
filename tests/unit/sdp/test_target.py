"""Connection addresses: what may be sent to, what means hold, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sdp.target import TargetKind, address_type, classify_target


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("198.51.100.7", TargetKind.UNICAST),
        ("127.0.0.1", TargetKind.UNICAST),
        ("2001:db8::7", TargetKind.UNICAST),
        ("::1", TargetKind.UNICAST),
        ("fe80::1", TargetKind.UNICAST),
        ("::ffff:198.51.100.7", TargetKind.UNICAST),
        ("0.0.0.0", TargetKind.HOLD),
        ("::", TargetKind.HOLD),
        ("::ffff:0.0.0.0", TargetKind.HOLD),
        ("anything.invalid", TargetKind.HOLD),
        ("ANYTHING.Invalid.", TargetKind.HOLD),
        ("media.example.net", TargetKind.HOST_NAME),
        ("media_1.example.net.", TargetKind.HOST_NAME),
        ("pbx", TargetKind.HOST_NAME),
        ("224.2.1.1", TargetKind.MULTICAST),
        ("239.255.255.255", TargetKind.MULTICAST),
        ("ff02::1", TargetKind.MULTICAST),
        ("::ffff:224.0.0.1", TargetKind.MULTICAST),
        ("255.255.255.255", TargetKind.BROADCAST),
        ("999.1.1.1", TargetKind.INVALID),
        ("1.2.3", TargetKind.INVALID),
        ("fe80::1%eth0", TargetKind.INVALID),
        ("-a.example.net", TargetKind.INVALID),
        ("a..example.net", TargetKind.INVALID),
        (".", TargetKind.INVALID),
        ("", TargetKind.INVALID),
        ("a" * 64 + ".example.net", TargetKind.INVALID),
        ("a." * 130 + "net", TargetKind.INVALID),
        ("host:5060", TargetKind.INVALID),
        ("hôte.example.net", TargetKind.INVALID),
    ],
)
def test_classify_target(address: str, kind: TargetKind) -> None:
    assert classify_target(address) is kind


@given(st.text(max_size=300))
def test_any_text_is_classified(text: str) -> None:
    assert classify_target(text) in TargetKind


@given(st.ip_addresses())
def test_every_address_is_recognised_as_one(address: object) -> None:
    text = str(address).partition("%")[0]
    assert classify_target(text) not in {TargetKind.INVALID, TargetKind.HOST_NAME}
    assert address_type(text) == ("IP6" if ":" in text else "IP4")
