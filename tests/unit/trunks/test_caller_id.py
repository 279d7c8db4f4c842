"""What a trunk is told of who calls."""

from __future__ import annotations

import pytest

from gateway.trunks.caller_id import MAX_HEADERS, CallerId, check_own_headers
from gateway.trunks.destination import OutboundRefused


def test_a_caller_who_hides_nothing_is_named_in_from_alone() -> None:
    caller = CallerId("+15550100", "gw.example", "Front Desk")
    assert caller.from_ == '"Front Desk" <sip:+15550100@gw.example>'
    assert caller.headers == ()


def test_an_asserted_caller() -> None:
    caller = CallerId("+15550100", "gw.example", is_asserted=True)
    assert caller.headers == (("P-Asserted-Identity", "<sip:+15550100@gw.example>"),)


def test_a_private_caller_is_nobody_in_from_and_known_to_the_trunk() -> None:
    caller = CallerId("+15550100", "gw.example", "Secret", is_private=True, is_asserted=True)
    assert caller.from_ == '"Anonymous" <sip:anonymous@anonymous.invalid>'
    assert caller.headers == (("P-Asserted-Identity", '"Secret" <sip:+15550100@gw.example>'), ("Privacy", "id"))


def test_odd_users_and_hosts_make_sound_addresses() -> None:
    assert CallerId("a b>", "2001:db8::1", 'say "hi"').from_ == '"say \\"hi\\"" <sip:a%20b%3E@[2001:db8::1]>'


def test_own_headers_pass_as_they_are() -> None:
    own = (("Diversion", "<sip:+1@x>;reason=unconditional"), ("History-Info", "<sip:a@b>;index=1"), ("X-Id", "7"))
    assert check_own_headers(own) == own


@pytest.mark.parametrize(
    "headers",
    [
        (("Via", "SIP/2.0/UDP x"),),
        (("v", "SIP/2.0/UDP x"),),
        (("contact", "<sip:x>"),),
        (("P-Asserted-Identity", "<sip:the-bank@x>"),),
        (("X-A", "1\r\nVia: x"),),
        (("X-A", "y" * 2000),),
        tuple(("X-A", "1") for _ in range(MAX_HEADERS + 1)),
    ],
)
def test_what_a_call_may_not_bring(headers: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(OutboundRefused) as refused:
        check_own_headers(headers)
    assert refused.value.rule == "headers"
