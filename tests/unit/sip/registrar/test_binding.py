"""What is read of a Contact, and how a binding is listed."""

from __future__ import annotations

import pytest

from gateway.sip.address import Address
from gateway.sip.grammar import SipParseError
from gateway.sip.registrar.binding import BAD_EXPIRES_S, Binding, WantedContact, parse_expires
from tests.support.sip_peer import UDP


def wanted(text: str, *, is_outbound: bool = True) -> WantedContact:
    return WantedContact.of(Address.parse(text), is_outbound=is_outbound)


@pytest.mark.parametrize(
    ("q", "value"), [("0", 0.0), ("0.25", 0.25), ("1.000", 1.0), ("1.5", 1.0), ("-1", 1.0), ("0.1234", 1.0), ("x", 1.0)]
)
def test_a_q_that_is_none_counts_as_1(q: str, value: float) -> None:
    assert wanted(f"<sip:a@b>;q={q}").q == value


def test_expires_of_its_own() -> None:
    assert wanted("<sip:a@b>;expires=7").expires_s == 7
    assert wanted("<sip:a@b>").expires_s is None
    assert parse_expires("soon") == BAD_EXPIRES_S
    assert parse_expires("9" * 5000) == BAD_EXPIRES_S


def test_device_and_flow() -> None:
    text = '<sip:a@b>;+sip.instance="<urn:uuid:1>";reg-id=2'
    assert (wanted(text).instance, wanted(text).reg_id) == ("<urn:uuid:1>", 2)
    assert wanted(text, is_outbound=False).reg_id is None
    assert wanted("<sip:a@b>;reg-id=2").reg_id is None, "a flow of no device"


def test_what_cannot_be_called_is_no_contact() -> None:
    for text in ("<tel:+1555>", "<http://a>", f"<sip:{'u' * 1100}@b>", '<sip:a@b>;+sip.instance="\0"'):
        with pytest.raises(SipParseError):
            wanted(text)


def test_a_contact_is_the_same_by_device_and_flow_or_else_by_uri() -> None:
    plain = Binding("1", "sip:a@b", UDP, 10.0)
    flow = Binding("1", "sip:a@b", UDP, 10.0, instance="i", reg_id=1)
    assert plain.is_of(wanted("<sip:a@B>"))
    assert not plain.is_of(wanted("<sip:a@c>"))
    assert not plain.is_of(wanted('<sip:a@b>;+sip.instance="i";reg-id=1'))
    assert flow.is_of(wanted('<sip:other@c>;+sip.instance="i";reg-id=1'))
    assert not flow.is_of(wanted('<sip:a@b>;+sip.instance="i";reg-id=2'))


def test_as_the_200_lists_it() -> None:
    binding = Binding("1", "sip:a@b", UDP, 110.4, q=0.5, instance="<urn:x>", reg_id=3)
    assert binding.contact(100.0) == '<sip:a@b>;expires=10;q=0.5;+sip.instance="<urn:x>";reg-id=3'
    assert Binding("1", "sip:a@b", UDP, 5.0).contact(100.0) == "<sip:a@b>;expires=0"
