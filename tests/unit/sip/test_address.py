from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.address import Address
from gateway.sip.grammar import SipParseError
from gateway.sip.uri import OtherUri, SipUri, TelUri


def test_every_part_of_an_address() -> None:
    address = Address.parse(r' "Ada \"the Countess\"" <sip:ada@h;lr> ; tag = a1 ;x')
    assert address.display_name == 'Ada "the Countess"'
    assert address.uri == SipUri("sip", "ada", None, "h", None, {"lr": None})
    assert address.params == {"tag": "a1", "x": None}
    assert address.tag == "a1"
    assert str(address) == r'"Ada \"the Countess\"" <sip:ada@h;lr>;tag=a1;x'


@pytest.mark.parametrize(
    ("text", "name", "uri", "tag"),
    [
        ("sip:a@h", "", "sip:a@h", None),
        ("sip:a@h;tag=1", "", "sip:a@h", "1"),
        ("sip:a@h ; tag=1", "", "sip:a@h", "1"),
        ("<sip:a@h;tag=1>", "", "sip:a@h;tag=1", None),
        ("<sip:a@h>;tag=1", "", "sip:a@h", "1"),
        ("Ada Lovelace <sip:a@h>", "Ada Lovelace", "sip:a@h", None),
        ("Ada<sip:a@h>", "Ada", "sip:a@h", None),
        ("Ada  \t of   Lovelace <sip:a@h>", "Ada of Lovelace", "sip:a@h", None),
        ('"Ada  of Lovelace" <sip:a@h>', "Ada  of Lovelace", "sip:a@h", None),
        ("Lovelace, Ada <sip:a@h>", "Lovelace, Ada", "sip:a@h", None),
        ("Адa <sip:a@h>", "Адa", "sip:a@h", None),
        ('""<sip:a@h>', "", "sip:a@h", None),
        ('"<sip:x@y>" <sip:a@h>', "<sip:x@y>", "sip:a@h", None),
        ("< sip:a@h >", "", "sip:a@h", None),
        ("<sip:a@h?Route=%3Csip:b%3E>", "", "sip:a@h?Route=%3Csip:b%3E", None),
        ("<tel:+15550100>;tag=2", "", "tel:+15550100", "2"),
        ("urn:service:sos;tag=3", "", "urn:service:sos", "3"),
    ],
)
def test_forms_of_an_address(text: str, name: str, uri: str, tag: str | None) -> None:
    address = Address.parse(text)
    assert (address.display_name, str(address.uri), address.tag) == (name, uri, tag)
    assert Address.parse(str(address)) == address


def test_the_scheme_decides_the_kind_of_uri() -> None:
    assert isinstance(Address.parse("<tel:+15550100>").uri, TelUri)
    assert isinstance(Address.parse("<http://h>").uri, OtherUri)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ada",
        '"Ada',
        '"Ada" sip:a@h',
        '"Ada <sip:a@h>',
        'Ada "x" <sip:a@h>',
        "<sip:a@h",
        "<>",
        "< >",
        "sip:a@h?Route=x",
        "sip:a,b@h",
        "<sip:a@h> x",
        "<sip:a@h>, <sip:b@h>",
        "<sip:a@h>;;",
        "<sip:a@h>;tag=1;tag=2",
        "<<sip:a@h>>",
        "a > <sip:a@h>",
        "*",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(SipParseError):
        Address.parse(text)


def test_parameters_are_replaced_in_a_copy() -> None:
    address = Address.parse("<sip:a@h>;tag=1")
    assert str(address.with_params(tag="2", lr=None)) == "<sip:a@h>;tag=2;lr"
    assert address.tag == "1"


@given(st.text(), st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True))
def test_any_display_name_can_be_written_and_read(name: str, tag: str) -> None:
    address = Address(name, SipUri("sip", "a", None, "h"), {"tag": tag})
    assert Address.parse(str(address)) == address


@given(st.text(alphabet='<>"\\;,=?@: \tsipah\0', max_size=40))
def test_any_text_is_an_address_that_survives_or_an_error(text: str) -> None:
    for candidate in (text, f"<sip:a@h{text}>", f"<sip:a@h>{text}", f'"{text}" <sip:a@h>'):
        try:
            address = Address.parse(candidate)
        except SipParseError:
            continue
        assert Address.parse(str(address)) == address


def test_from_and_to_say_who_and_not_which_way() -> None:
    party = Address.parse('"Bob" <sips:bob@example.net:5071;transport=tls;maddr=192.0.2.1;lr;user=phone;x=y?a=b>;tag=1')
    assert str(party.as_party()) == '"Bob" <sips:bob@example.net;user=phone;x=y>;tag=1'
    assert str(Address.parse("<tel:+15550100;phone-context=x>").as_party()) == "<tel:+15550100;phone-context=x>"
