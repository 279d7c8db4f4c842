from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.grammar import SipParseError
from gateway.sip.via import Via


def test_every_part_of_a_via() -> None:
    via = Via.parse("SIP/2.0/udp 192.0.2.1:5080;branch=z9hG4bKx;rport=5099;received=198.51.100.1")
    assert (via.protocol, via.transport, via.host, via.port) == ("SIP/2.0", "UDP", "192.0.2.1", 5080)
    assert (via.branch, via.rport, via.received) == ("z9hG4bKx", 5099, "198.51.100.1")
    assert via.wants_rport
    assert str(via) == "SIP/2.0/UDP 192.0.2.1:5080;branch=z9hG4bKx;rport=5099;received=198.51.100.1"


def test_blanks_may_stand_between_all_parts() -> None:
    via = Via.parse(" SIP  /\t2.0 / TCP   h.example.org : 5060  ; branch = z9hG4bKy ; rport ")
    assert str(via) == "SIP/2.0/TCP h.example.org:5060;branch=z9hG4bKy;rport"


def test_rport_is_asked_for_before_it_is_known() -> None:
    assert Via.parse("SIP/2.0/UDP h;rport").wants_rport
    assert Via.parse("SIP/2.0/UDP h;rport").rport is None
    assert Via.parse("SIP/2.0/UDP h;rport=").rport is None
    assert not Via.parse("SIP/2.0/UDP h").wants_rport
    with pytest.raises(SipParseError):
        _ = Via.parse("SIP/2.0/UDP h;rport=99999").rport


def test_ipv6_in_either_writing() -> None:
    via = Via.parse("SIP/2.0/TCP [2001:db8::9]:5060;received=[2001:db8::a]")
    assert (via.host, via.port, via.received) == ("2001:db8::9", 5060, "2001:db8::a")
    assert Via.parse("SIP/2.0/TCP h;received=2001:db8::a").received == "2001:db8::a"
    assert str(via).startswith("SIP/2.0/TCP [2001:db8::9]:5060;")


@pytest.mark.parametrize(
    ("branch", "is_unique"),
    [(";branch=z9hG4bKa", True), (";branch=z9hG4bK", False), (";branch=1", False), ("", False), (";branch", False)],
)
def test_only_a_branch_with_cookie_and_more_is_unique(branch: str, is_unique: bool) -> None:
    assert Via.parse("SIP/2.0/UDP h" + branch).has_unique_branch is is_unique


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 h",
        "SIP/2.0/UDPh",
        "/2.0/UDP h",
        "SIP/2.0/UDP h;;",
        "SIP/2.0/UDP h x",
        "SIP/2.0/UDP h;branch=a;branch=b",
        "SIP/2.0/UDP h, SIP/2.0/UDP i",
        "SIP/2.0/UDP :5060",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP h:70000",
        "SIP/2.0/U/DP h",
    ],
)
def test_what_is_no_via(text: str) -> None:
    with pytest.raises(SipParseError):
        Via.parse(text)


def test_what_a_server_fills_in_keeps_the_rest() -> None:
    via = Via.parse("SIP/2.0/UDP h;rport;branch=z9hG4bKz;x=1")
    filled = via.with_params(received="192.0.2.7", rport=5062)
    assert str(filled) == "SIP/2.0/UDP h;rport=5062;branch=z9hG4bKz;x=1;received=192.0.2.7"
    assert via.rport is None


@given(st.text(alphabet='SIP/2.0UDTC h:;=,"[]1a\t\0é', max_size=40))
def test_any_text_is_a_via_that_survives_or_an_error(text: str) -> None:
    for candidate in (text, "SIP/2.0/UDP " + text, "SIP/2.0/UDP h" + text):
        try:
            via = Via.parse(candidate)
        except SipParseError:
            continue
        assert Via.parse(str(via)) == via
