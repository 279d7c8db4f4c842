"""Replaces (RFC 3891) as a header and inside a Refer-To."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.grammar import SipParseError
from gateway.sip.replaces import Replaces, check_refer_target, split_target, with_replaces
from gateway.sip.uri import parse_uri


def test_the_header_of_rfc_3891_section_6_1() -> None:
    text = "425928@bobster.example.org;to-tag=7743;from-tag=6472"
    assert Replaces.parse(text) == Replaces("425928@bobster.example.org", "7743", "6472")
    assert str(Replaces.parse(text)) == text
    assert Replaces.parse("a ; from-tag=1 ;early-only; to-tag=2") == Replaces("a", "2", "1", is_early_only=True)
    assert str(Replaces("a", "2", "1", is_early_only=True)).endswith(";early-only")


@pytest.mark.parametrize(
    "text", ["", "a", "a;to-tag=1", "a;from-tag=1", ";to-tag=1;from-tag=2", "a b;to-tag=1;from-tag=2"]
)
def test_what_is_no_replaces(text: str) -> None:
    with pytest.raises(SipParseError):
        Replaces.parse(text)


def test_in_a_refer_to_it_is_escaped() -> None:
    uri = with_replaces("sip:carol@example.net", Replaces("12@host", "t;1", "f=2"))
    assert uri == "sip:carol@example.net?Replaces=12%40host%3Bto-tag%3Dt%3B1%3Bfrom-tag%3Df%3D2"
    assert with_replaces("sip:c@h?X=1", Replaces("1", "2", "3")).startswith("sip:c@h?X=1&Replaces=1%3B")


@given(st.from_regex(r"[A-Za-z0-9.!%*_+`'~@<>:/\[\]{}?-]{1,40}", fullmatch=True))
def test_any_call_id_survives_the_way_through_a_refer_to(call_id: str) -> None:
    replaces = Replaces(call_id, "to", "from")
    target, found = split_target(parse_uri(with_replaces("sip:carol@example.net;user=phone", replaces)))
    assert target == "sip:carol@example.net;user=phone"
    assert found == str(replaces)


def test_other_headers_of_a_target_become_no_headers_of_ours() -> None:
    uri = parse_uri("sip:carol@example.net?Subject=x&X-Evil=a%0d%0ab")
    assert split_target(uri) == ("sip:carol@example.net", None)
    assert split_target(parse_uri("tel:+15550100")) == ("tel:+15550100", None)
    with pytest.raises(SipParseError):
        split_target(parse_uri("sip:c@h?Replaces=nonsense"))


def test_a_target_may_stand_in_angle_brackets() -> None:
    assert str(check_refer_target("<sip:a@b>")) == "sip:a@b"
    assert str(check_refer_target(" tel:+15550100 ")) == "tel:+15550100"
    for text in ("", "+15550100", "sip:a@b>;x", "sip:a b@c"):
        with pytest.raises(SipParseError):
            check_refer_target(text)
