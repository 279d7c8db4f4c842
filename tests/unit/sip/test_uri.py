from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.grammar import SipParseError
from gateway.sip.uri import OtherUri, SipUri, TelUri, parse_uri


def test_every_part_of_a_sip_uri() -> None:
    uri = SipUri.parse("SIPS:ada:secret@Example.org:5061;Transport=TCP;lr?Subject=hi&Priority=urgent")
    assert uri == SipUri(
        "sips",
        "ada",
        "secret",
        "Example.org",
        5061,
        {"transport": "TCP", "lr": None},
        "Subject=hi&Priority=urgent",
    )
    assert uri.transport == "tcp"
    assert uri.is_loose_router
    assert str(uri) == "sips:ada:secret@Example.org:5061;transport=TCP;lr?Subject=hi&Priority=urgent"


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("sip:example.org", None, "example.org", None),
        ("sip:+15550100@192.0.2.1:5080", "+15550100", "192.0.2.1", 5080),
        ("sip:a@[2001:db8::1]:5060;lr", "a", "2001:db8::1", 5060),
        ("sip:a;b?c/d@h", "a;b?c/d", "h", None),
        ("sip:*21#@h", "*21#", "h", None),
        ("sip:%61@h", "%61", "h", None),
        ("sip:a@h:", "a", None, None),
    ],
)
def test_users_and_hosts(text: str, user: str | None, host: str | None, port: int | None) -> None:
    if host is None:
        with pytest.raises(SipParseError):
            parse_uri(text)
        return
    uri = SipUri.parse(text)
    assert (uri.user, uri.host, uri.port) == (user, host, port)
    assert str(uri) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        ":a",
        "1sip:a",
        "sip:@h",
        "sip::secret@h",
        "sip:a@",
        "sip:a@b@c",
        "sip:a b@h",
        "sip:a@h;",
        "sip:a@h;;x",
        "sip:a@h;=x",
        "sip:a@h x",
        "sip:a@hé",
        "sip:%zz@h",
        "sip:%4",
        "<sip:a@h>",
        'sip:"a"@h',
        "sip:a@h\r\nVia: x",
        "sip:a\0@h",
        "sip:a@h:99999",
        "sip:a@[::1",
        "*",
    ],
)
def test_what_is_no_uri(text: str) -> None:
    with pytest.raises(SipParseError):
        parse_uri(text)


def test_a_repeated_uri_parameter_counts_once() -> None:
    assert SipUri.parse("sip:h;lr;LR;transport=udp;transport=tcp").params == {"lr": None, "transport": "udp"}


def test_a_decoded_user_is_for_reading_only() -> None:
    uri = SipUri.parse("sip:a%0d%0aVia%3A@h")
    assert uri.decoded_user == "a\r\nVia:"
    assert str(uri) == "sip:a%0d%0aVia%3A@h"
    assert SipUri.parse("sip:h").decoded_user is None


def test_other_schemes_are_kept() -> None:
    assert parse_uri("URN:service:sos") == OtherUri("urn", "service:sos")
    assert str(parse_uri("http://example.org/a?b")) == "http://example.org/a?b"
    with pytest.raises(SipParseError) as caught:
        SipUri.parse("http://example.org")
    assert caught.value.status == 416


def test_telephone_numbers() -> None:
    uri = parse_uri("tel:+1-(555).0100;ext=7;phone-context=example.org")
    assert isinstance(uri, TelUri)
    assert uri.digits == "+15550100"
    assert uri.params == {"ext": "7", "phone-context": "example.org"}
    assert str(uri) == "tel:+1-(555).0100;ext=7;phone-context=example.org"
    assert uri.equivalent(parse_uri("tel:+15550100;phone-context=EXAMPLE.org;ext=7"))
    assert not uri.equivalent(parse_uri("tel:+15550100"))
    for text in ("tel:", "tel:abc-", "tel:()", "tel:+1 2", "tel:5550100;"):
        with pytest.raises(SipParseError):
            parse_uri(text)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("sip:%61da@example.org;transport=TCP", "sip:ada@EXAMPLE.org;Transport=tcp"),
        ("sip:carol@example.com", "sip:carol@example.com;newparam=5"),
        ("sip:carol@example.com;security=on", "sip:carol@example.com;newparam=5"),
        (
            "sip:example.com;transport=TCP;method=REGISTER?to=sip:a%40h",
            "sip:example.com;method=REGISTER;transport=tcp?to=sip:a%40h",
        ),
        ("sip:a@h?subject=x&priority=urgent", "sip:a@h?priority=urgent&subject=x"),
    ],
)
def test_equivalent_uris(left: str, right: str) -> None:
    assert parse_uri(left).equivalent(parse_uri(right))
    assert parse_uri(right).equivalent(parse_uri(left))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("sip:ada@h", "sip:ADA@h"),
        ("sip:ada@h", "sips:ada@h"),
        ("sip:ada@h", "sip:h"),
        ("sip:ada@h", "sip:ada@h:5060"),
        ("sip:ada@h", "sip:ada@h;transport=udp"),
        ("sip:ada@h;user=phone", "sip:ada@h"),
        ("sip:ada@h;maddr=192.0.2.1", "sip:ada@h"),
        ("sip:ada@h;x=1", "sip:ada@h;x=2"),
        ("sip:ada@h", "sip:ada@h?subject=x"),
        ("sip:a%3Bb@h", "sip:a;b@h"),
        ("sip:ada@h", "tel:5550100"),
        ("urn:a", "urn:A"),
    ],
)
def test_uris_that_are_not_equivalent(left: str, right: str) -> None:
    assert not parse_uri(left).equivalent(parse_uri(right))
    assert not parse_uri(right).equivalent(parse_uri(left))


@given(st.text(alphabet='sip:telaA0+@;?=&%41.[]<>"# -\0\r\né', max_size=40))
def test_any_text_is_a_uri_that_survives_or_an_error(text: str) -> None:
    for candidate in (text, "sip:" + text, "tel:" + text):
        try:
            uri = parse_uri(candidate)
        except SipParseError:
            continue
        assert parse_uri(str(uri)) == uri
        assert uri.equivalent(uri)
